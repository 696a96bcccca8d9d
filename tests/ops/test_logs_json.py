from __future__ import annotations

import random
import re
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ops.lines import TOKEN, Lines
from worker.model.actions import State
from worker.ops import logs
from worker.ops.events import EVENTS
from worker.ops.fields import LIMIT, NAMES

log = logs.get_logger()

NASTY = (
    "\x1b[2J", "\n", "\r\n", "\u2028", "\u2029", "\u202e", "\u2066", "\u200b", "\ud800", "\udfff",
    "\ud83d", "\ude00",
    "\x00", "\x7f", "\x85", "\x9b", '"', "\\", "\\ud800", "{}", "%s", "</script>", "é", "請", "🎉", "\ufffe",
)  # fmt: skip


def _hostile_subjects(count: int) -> Iterator[str]:
    random_ = random.Random(18)
    for number in range(count):
        parts = random_.choices(NASTY, k=random_.randint(1, 12))
        filler = "A" * (100_000 if number % 500 == 0 else random_.randint(0, 20))
        parts.insert(random_.randint(0, len(parts)), filler)
        yield "".join(parts)


def test_ten_thousand_hostile_subjects_give_ten_thousand_json_lines(json_lines: Lines) -> None:
    """Whatever a subject holds, a call writes one line of printable ASCII that a strict parser reads."""
    for subject in _hostile_subjects(10_000):
        log.info("action.finished", subject=subject, recipients=[subject], any={subject: subject})
    text = json_lines.getvalue()
    assert re.fullmatch(r"[ -~\n]*", text)
    assert len(text.splitlines()) == 10_000
    assert max(map(len, text.splitlines())) < 16_384
    assert all(line["event.action"] == "action.finished" for line in json_lines.parsed())


ANY_TEXT = st.text(st.characters(codec=None), max_size=20)
JSON_LIKE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec=None)), inner),
    max_leaves=20,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.dictionaries(ANY_TEXT, JSON_LIKE, max_size=4))
def test_any_value_under_any_name_gives_one_json_line(json_lines: Lines, values: dict[str, object]) -> None:
    """NaN, huge numbers, bytes, deep nesting and odd names included."""
    json_lines.seek(0)
    json_lines.truncate()
    log.info("poll.completed", **{f"x{name}": value for name, value in values.items()})
    assert json_lines.only()["event.action"] == "poll.completed"


def test_a_value_that_cannot_be_turned_into_text_costs_no_line(json_lines: Lines) -> None:
    """A broken __str__ and a list that holds itself are bounded, not raised."""

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    itself: list[object] = []
    itself.append(itself)
    log.info("poll.completed", broken=Broken(), itself=itself, deep=[[[[[[1]]]]]], many=list(range(1000)))
    line = json_lines.only()
    assert line["worker.broken"] == "(Broken without text)"
    assert len(msgspec.json.encode(line["worker.many"])) < 100


def test_keywords_become_the_names_of_the_elastic_common_schema(json_lines: Lines) -> None:
    """Known keywords have ECS names, all others stand under `worker.`; what is None is left out."""
    log.info(
        "action.finished", action_id="a1", message_id="m1", rfc_message_id="<x@y>", playbook="p", error=None,
        playbook_version="v1", outcome="success", trace_id="t", rows=12, reason="spoof", own_word=True,
        state=State.SUCCEEDED,
    )  # fmt: skip
    line = json_lines.only()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(line.pop("@timestamp")))
    assert line == {
        "log.level": "info",
        "message": "An action ended",
        "event.action": "action.finished",
        "event.outcome": "success",
        "event.reason": "spoof",
        "worker.action_id": "a1",
        "worker.message_id": "m1",
        "email.message_id": "<x@y>",
        "rule.id": "p",
        "rule.version": "v1",
        "trace.id": "t",
        "worker.state": "succeeded",
        "worker.rows": 12,
        "worker.own_word": True,
    }


def test_no_two_keywords_share_a_field() -> None:
    """Otherwise one would silently overwrite the other."""
    assert len(set(NAMES.values())) == len(NAMES)


def test_a_calls_own_message_wins(json_lines: Lines) -> None:
    """The table's sentence is only the default."""
    log.info("poll.completed", message="12 rows")
    assert json_lines.only()["message"] == "12 rows"


def test_long_values_are_cut(json_lines: Lines) -> None:
    """No value is longer than the limit, wherever it stands."""
    log.info("poll.completed", subject="x" * 100_000, nested={"y": "x" * 100_000})
    line = json_lines.only()
    assert line["email.subject"] == "x" * (LIMIT - 1) + "…"
    assert len(str(line["worker.nested"])) < LIMIT + 20


def test_an_exception_is_type_message_causes_and_our_frames(json_lines: Lines) -> None:
    """No local variable, source line, library's frame or statement's parameter appears."""
    private = "a local value"
    try:
        try:
            msgspec.json.decode(b"{")
        except msgspec.DecodeError as error:
            raise RuntimeError("refused\n[SQL: INSERT ...]\n[parameters: ('mail',)]") from error
    except RuntimeError:
        log.exception("poll.failed", source="detections")
    line = json_lines.only()
    assert line["log.level"] == "error"
    assert line["error.type"] == "RuntimeError"
    assert str(line["error.message"]).startswith("refused, caused by DecodeError: Input data was truncated")
    assert re.fullmatch(r"\S*tests/ops/test_logs_json\.py:\d+ in test_\w+", str(line["error.stack_trace"]))
    assert private not in json_lines.getvalue()


def test_a_group_of_exceptions_speaks_by_its_leaves(json_lines: Lines) -> None:
    """The group's own words say nothing of what went wrong."""
    log.error("poll.failed", error=ExceptionGroup("2 errors", [ValueError("1"), KeyError("2")]))
    line = json_lines.only()
    assert (line["error.type"], line["error.message"]) == ("ValueError", "1; '2'")


def test_the_level_filters_and_can_be_changed(json_lines: Lines) -> None:
    """Loggers at module scope follow the last configuration, also when they were used before it."""
    log.debug("poll.started")
    log.info("poll.started")
    second = Lines()
    logs.configure(format="json", level="warning", stream=second)
    log.info("poll.started")
    log.warning("rate.limited")
    assert [line["event.action"] for line in json_lines.parsed()] == ["poll.started"]
    assert [line["event.action"] for line in second.parsed()] == ["rate.limited"]


def test_bound_fields_stand_on_every_line(json_lines: Lines) -> None:
    """`bind` carries causality ids along."""
    bound = log.bind(trace_id="t1", plan_id="p1")
    bound.info("plan.closed", rows=1)
    assert json_lines.only().items() >= {"trace.id": "t1", "worker.plan_id": "p1", "worker.rows": 1}.items()


def _in_message(token: str) -> None:
    log.info("poll.completed", message=f"Bearer {token}")


def _in_field(token: str) -> None:
    log.info("poll.completed", url=f"https://x/?t={token}")


def _in_nested(token: str) -> None:
    log.info("poll.completed", headers={"Authorization": [token]})


def _in_key(token: str) -> None:
    log.info("poll.completed", **{token: 1}, headers={token: 1})


def _in_action(token: str) -> None:
    log.info(token)


def _in_cause(token: str) -> None:
    try:
        try:
            int(token)
        except ValueError as error:
            raise RuntimeError("outer") from error
    except RuntimeError:
        log.exception("poll.failed")


def _in_group(token: str) -> None:
    log.error("poll.failed", exc_info=ExceptionGroup("group", [ExceptionGroup("inner", [ValueError(token)])]))


def _across_the_cut(token: str) -> None:
    log.info("poll.completed", body="x" * (LIMIT - 10) + token)


def _cut_before(token: str) -> None:
    log.info("poll.completed", body=token[:20] + "…")


@pytest.mark.parametrize(
    "leak",
    [
        _in_message,
        _in_field,
        _in_nested,
        _in_key,
        _in_action,
        _in_cause,
        _in_group,
        _across_the_cut,
        _cut_before,
    ],
)
@pytest.mark.parametrize("format_", ["json", "console"])
def test_a_secret_never_appears(leak: object, format_: logs.Format) -> None:
    """A token in any part of a call is replaced, whole values at a time, and the line is still written."""
    assert callable(leak)
    lines = Lines()
    logs.configure(format=format_, level="info", stream=lines, secrets=[TOKEN])
    leak(TOKEN)
    assert lines.getvalue().count("\n") >= 1
    assert TOKEN[:10] not in lines.getvalue()


@pytest.mark.parametrize("secret", ['quo"te\\slash-secret', "umläut-secret", "new\nline-secret"])
def test_a_secret_that_json_escapes_is_found_too(secret: str) -> None:
    """The scan knows the escaped form of a secret."""
    lines = Lines()
    logs.configure(format="json", level="info", stream=lines, secrets=[secret, ""])
    log.info("poll.completed", body=f"<{secret}>", rows=3)
    assert lines.only().items() >= {"worker.body": "[redacted]", "worker.rows": 3}.items()


def test_a_secret_that_came_later_never_appears(json_lines: Lines) -> None:
    """A token that was renewed while the worker runs is as secret as the first, which stays so."""
    logs.add_secrets(["renewed-token-9876543210"])
    log.info("auth.recovered", token="renewed-token-9876543210", old=TOKEN)
    line = json_lines.only()
    assert (line["worker.token"], line["worker.old"]) == ("[redacted]", "[redacted]")


def test_mail_text_can_be_left_out() -> None:
    """With `mail_text=False` subjects and addresses are redacted, ids stay."""
    lines = Lines()
    logs.configure(format="json", level="info", stream=lines, mail_text=False)
    log.info(
        "action.finished", subject="Salary", sender="a@b.example", recipients=["c@d.example"], message_id="m1"
    )
    assert lines.only()["worker.message_id"] == "m1"
    assert not re.search(r"Salary|example", lines.getvalue())


def test_every_event_has_a_short_message() -> None:
    """The default message is a sentence, not a paragraph."""
    for name in EVENTS:
        lines = Lines()
        logs.configure(format="json", level="info", stream=lines)
        log.info(name)
        assert 5 < len(str(lines.only()["message"])) < 90
