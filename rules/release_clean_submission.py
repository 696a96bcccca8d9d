"""Quarantined mail that the vendor has judged clean after somebody asked."""

from worker.playbooks import Caps, Release, Submission, hit, miss, playbook

HELD = {"is_quarantined": True, "final_disposition": "SPAM"}


@playbook(
    on=Submission,
    mode="approve",  # a release cannot be undone
    caps=Caps(per_poll=50, per_hour=200),
    examples=[
        hit(outcome_disposition="NONE", message=HELD, expect=[("release", "")]),
        hit(outcome_disposition="NONE", message=HELD, type="Team", requested_disposition="NONE"),
        miss(message=HELD),  # nobody has judged it yet
        miss(outcome_disposition="SPAM", message=HELD),
        miss(outcome_disposition="NONE", message={**HELD, "is_quarantined": False}),
        miss(outcome_disposition="NONE", message={**HELD, "final_disposition": "MALICIOUS"}),
        miss(outcome_disposition="NONE", message=None),
    ],
)
def release_clean_submission(submission: Submission) -> Release | None:
    """Releases quarantined mail that a submission cleared, once a person approves.

    Why: a verdict that is put right changes what comes next, not what is held back already.
    Risk: the judgement may be wrong, hence approval, and never a verdict of MALICIOUS.
    """
    message = submission.message
    if message is None or not message.is_quarantined or message.is_malicious:
        return None
    if submission.outcome_disposition != "NONE":
        return None
    return Release(message, reason=f"submission {submission.submission_id} was judged clean")
