from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from worker.model.events import Detection, Event, PhishReport, Validation
from worker.playbooks import PastAction, hit, miss
from worker.playbooks.examples import EXAMPLE_NOW, ExampleError, context_of, event_of


def test_an_example_needs_only_the_fields_that_matter() -> None:
    """Everything else has a fixed value, the same in every run."""
    message = event_of(hit(subject="Invoice"), Detection)
    assert isinstance(message, Detection)
    assert message == event_of(miss(subject="Invoice"), Detection)
    assert message.client_recipients == ("user@corp.example",)
    assert message.scanned_at == datetime(2026, 11, 20, 11, 55, tzinfo=UTC)
    assert message.final_disposition is None


def test_fields_have_the_authors_names() -> None:
    """`sender` and nested fields are written as a playbook reads them."""
    message = event_of(hit(sender="a@b.example", validation={"dmarc": "fail"}, to=["x@y.example"]), Detection)
    assert isinstance(message, Detection)
    assert (message.sender, message.validation.dmarc, message.to) == ("a@b.example", "fail", ("x@y.example",))


def test_values_may_be_those_of_the_model_or_of_json() -> None:
    """Structs, tuples and datetimes are taken as well as dictionaries, lists and text."""
    at = datetime(2026, 1, 2, tzinfo=UTC)
    one = event_of(hit(validation=Validation(spf="pass"), to=("a",), sent_at=at), Detection)
    other = event_of(hit(validation={"spf": "pass"}, to=["a"], sent_at="2026-01-02T00:00:00Z"), Detection)
    assert one == other


def test_a_report_has_a_message_unless_it_says_otherwise() -> None:
    """`message` takes a message's fields, or None."""
    default = event_of(hit(), PhishReport)
    given = event_of(hit(message={"sender": "a@b.example"}, fields={"sender": "c@d.example"}), PhishReport)
    without = event_of(hit(message=None), PhishReport)
    assert isinstance(default, PhishReport)
    assert isinstance(given, PhishReport)
    assert isinstance(without, PhishReport)
    assert default.message is not None
    assert default.message.postfix_id == default.fields.postfix_id
    assert given.message is not None
    assert (given.message.sender, given.fields.sender) == ("a@b.example", "c@d.example")
    assert without.message is None


@pytest.mark.parametrize(
    "on, fields, message, remedy",
    [
        (
            Detection,
            {"subjct": "x"},
            "unknown field `subjct` of Detection (did you mean `subject`?)",
            "reference.md",
        ),
        (Detection, {"from": "x"}, "unknown field `from` of Detection", "write `sender`"),
        (Detection, {"sender_domain": "x"}, "unknown field `sender_domain`", "follows from other fields"),
        (
            Detection,
            {"validation": {"dmark": "x"}},
            "unknown field `validation.dmark` of Validation",
            "reference.md",
        ),
        (
            PhishReport,
            {"message": {"subjct": "x"}},
            "unknown field `message.subjct` of Detection",
            "reference.md",
        ),
        (
            Detection,
            {"client_recipients": "x"},
            "Expected `array`, got `str` - at `$.client_recipients`",
            "type",
        ),
        (Detection, {"sender": 7}, "Expected `str | null`, got `int` - at `$.sender`", "type"),
        (Detection, {"is_quarantined": "yes"}, "at `$.is_quarantined`", "type"),
        (Detection, {"validation": "fail"}, "at `$.validation`", "type"),
        (Detection, {"sent_at": "yesterday"}, "at `$.sent_at`", "type"),
        (Detection, {"sent_at": "2026-01-02T00:00:00"}, "`sent_at` has no time zone", "aware"),
        (PhishReport, {"message": {"sent_at": datetime(2026, 1, 2)}}, "`message.sent_at` has no", "aware"),  # noqa: DTZ001
    ],
)
def test_a_field_that_is_wrong_is_one_clear_error(
    on: type[Event], fields: dict[str, Any], message: str, remedy: str
) -> None:
    """The error names the field by the author's name and says what to write."""
    with pytest.raises(ExampleError) as caught:
        event_of(hit(**fields), on)
    assert message in caught.value.args[0]
    assert remedy in caught.value.args[1]


@pytest.mark.parametrize(
    "given, message, remedy",
    [
        ({"history": "move"}, "history='move': expected a list", 'history=[{"kind": "move"}]'),
        ({"history": ["move"]}, "`history` holds 'move'", "dictionary"),
        ({"history": [{"kin": "move"}]}, "`history.kin` (did you mean `kind`?)", "playbook"),
        ({"sender_history": [{"at": "noon"}]}, "wrong value in `sender_history`", "reference.md"),
        ({"sender_history": [{"at": "2026-11-19T12:00:00"}]}, "`sender_history.at` has no", "aware"),
        ({"history": [{}] * 21}, "`history` has 21 past actions", "at most 20"),
    ],
)
def test_a_history_that_is_none_is_one_clear_error(given: dict[str, Any], message: str, remedy: str) -> None:
    """As of a field: what is wrong, and what to write."""
    with pytest.raises(ExampleError) as caught:
        context_of(hit(**given), {}, sees_context=True)
    assert message in caught.value.args[0]
    assert remedy in caught.value.args[1]


def test_what_was_done_before_is_newest_first() -> None:
    """As the worker gives it; what is left out is a move that succeeded the day before."""
    earlier = PastAction("block_sender", "evil.example", "held", "block", datetime(2026, 11, 1, tzinfo=UTC))
    context = context_of(hit(sender_history=[earlier, {"target": "Inbox"}]), {}, sees_context=True)
    newest = PastAction("move", "Inbox", "succeeded", "", EXAMPLE_NOW - timedelta(days=1))
    assert (context.history, context.sender_history) == ((), (newest, earlier))


def test_an_example_knows_where_it_stands() -> None:
    """File and line are those of the call."""
    example = miss(
        subject="x",
    )
    assert example.path == __file__
    assert example.line == test_an_example_knows_where_it_stands.__code__.co_firstlineno + 2
    assert str(example) == "miss(subject='x')"
