from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from rules.submit_missed_bec import submit_missed_bec
from worker.playbooks import Context, Detection, Notify, Submit
from worker.playbooks.context import Lists
from worker.playbooks.examples import EXAMPLE_NOW

CONTEXT = Context(
    now=EXAMPLE_NOW, lists=Lists({"executives": frozenset({"grace kim <grace.kim@corp.example>"})})
)
MISSED = Detection(
    id="m1",
    from_name="Grace Kim",
    sender="g.kim@freemail.example",
    replyto="office@other.example",
    subject="Are you at your desk?",
    final_disposition="NONE",
    delivery_status=("delivered",),
)


def _acts(**changes: Any) -> bool:
    return submit_missed_bec(replace(MISSED, **changes), CONTEXT) != []


def test_analysts_get_it_and_on_call_is_told() -> None:
    """With all that somebody needs who rings the executive up."""
    submit, told = submit_missed_bec(MISSED, CONTEXT)
    assert isinstance(submit, Submit)
    assert submit.target == "MALICIOUS"
    assert isinstance(told, Notify)
    for word in (
        "grace.kim@corp.example",
        "g.kim@freemail.example",
        "office@other.example",
        "Are you at your desk?",
    ):
        assert word in told.text


@pytest.mark.parametrize(
    "replyto",
    [
        None,
        "",
        "nobody",
        "g.kim@freemail.example",
        "Office@FREEMAIL.example",
        "Grace <grace.kim@corp.example>",
    ],
)
def test_answers_must_go_to_a_third_domain(replyto: str | None) -> None:
    """To the sender or to the person herself they may: services write in people's names."""
    assert not _acts(replyto=replyto)


@pytest.mark.parametrize(
    "changes", [{"from_name": "Ada Osei"}, {"from_name": None}, {"sender": "grace.kim@corp.example"}]
)
def test_without_a_borrowed_name_it_is_a_newsletter(changes: dict[str, Any]) -> None:
    """Many senders have their answers elsewhere."""
    assert not _acts(**changes)


@pytest.mark.parametrize("verdict", [None, "SPOOF", "MALICIOUS", "MALICIOUS-BEC"])
def test_what_the_filter_has_found_is_not_submitted(verdict: str | None) -> None:
    """There is nothing to tell it."""
    assert not _acts(final_disposition=verdict)
    assert not _acts(delivery_status=("quarantined",))
