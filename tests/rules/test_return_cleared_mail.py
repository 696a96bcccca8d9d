from __future__ import annotations

import pytest
from msgspec.structs import replace

from rules.return_cleared_mail import return_cleared_mail
from worker.playbooks import Context, Detection, PastAction, Submission
from worker.playbooks.examples import EXAMPLE_NOW

MOVED = PastAction(
    kind="move",
    target="RecoverableItemsDeletions",
    state="succeeded",
    playbook="remove-delivered-malicious",
    at=EXAMPLE_NOW,
)
CONTEXT = Context(now=EXAMPLE_NOW, history=(MOVED,))
TAKEN = Detection(id="m1", final_disposition="MALICIOUS", delivery_status=("moved",))
CLEARED = Submission(submission_id="s1", outcome_disposition="NONE", message=TAKEN)


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
    action = return_cleared_mail(CLEARED, replace(CONTEXT, history=history))
    assert action is not None
    assert action.to == "Inbox"
    assert action.reason == f"moved by {by}, submission s1 was judged clean"


@pytest.mark.parametrize("outcome", [None, "BULK", "SPAM", "MALICIOUS"])
def test_only_a_clean_judgement_counts(outcome: str | None) -> None:
    """Bulk is not wanted back."""
    assert return_cleared_mail(replace(CLEARED, outcome_disposition=outcome), CONTEXT) is None


@pytest.mark.parametrize(
    "message", [None, replace(TAKEN, delivery_status=("delivered",)), Detection(id="m1")]
)
def test_what_nobody_moved_stays_where_it_is(message: Detection | None) -> None:
    """Quarantined mail is released by another playbook."""
    assert return_cleared_mail(replace(CLEARED, message=message), CONTEXT) is None
