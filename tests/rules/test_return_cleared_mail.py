from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from rules.return_cleared_mail import return_cleared_mail
from worker.playbooks import PastAction
from worker.playbooks.examples import EXAMPLE_NOW
from worker.testing import decide, submission

MOVED = PastAction(
    kind="move",
    target="RecoverableItemsDeletions",
    state="succeeded",
    playbook="remove-delivered-malicious",
    at=EXAMPLE_NOW,
)
TAKEN = {"final_disposition": "MALICIOUS", "delivery_status": ["moved"]}
CLEARED = {"submission_id": "s1", "outcome_disposition": "NONE", "message": TAKEN}


@pytest.mark.parametrize(
    "history, by",
    [
        ((MOVED,), "remove-delivered-malicious"),
        ((), "somebody else"),
        ((replace(MOVED, state="failed"),), "somebody else"),
        ((replace(MOVED, kind="reclassify"), MOVED), "remove-delivered-malicious"),
    ],
)
def test_cleared_mail_goes_back_and_the_reason_says_who_moved_it(
    history: tuple[PastAction, ...], by: str
) -> None:
    """Whoever approves has to know whether a colleague had a reason."""
    (action,) = decide(return_cleared_mail, submission(**CLEARED), history=history)
    assert (action.kind, action.target) == ("move", "Inbox")
    assert action.reason == f"moved by {by}, submission s1 was judged clean"


@pytest.mark.parametrize("outcome", [None, "BULK", "SPAM", "MALICIOUS"])
def test_only_a_clean_judgement_counts(outcome: str | None) -> None:
    """Bulk is not wanted back."""
    asked = submission(**CLEARED | {"outcome_disposition": outcome})
    assert decide(return_cleared_mail, asked, history=[MOVED]) == ()


@pytest.mark.parametrize("message", [None, {**TAKEN, "delivery_status": ["delivered"]}, {}])
def test_what_nobody_moved_stays_where_it_is(message: dict[str, Any] | None) -> None:
    """Quarantined mail is released by another playbook."""
    assert decide(return_cleared_mail, submission(**CLEARED | {"message": message}), history=[MOVED]) == ()
