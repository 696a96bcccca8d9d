"""Requests for another verdict that the vendor refused."""

from worker.playbooks import Caps, Notify, Submission, hit, miss, playbook


@playbook(
    on=Submission,
    mode="enforce",
    caps=Caps(per_poll=20, per_hour=50),
    examples=[
        hit(type="Team", requested_disposition="NONE", outcome_disposition="SPAM", expect=[("notify", "")]),
        hit(type="Team", requested_disposition="NONE", outcome_disposition="MALICIOUS", message=None),
        miss(type="Team", requested_disposition="NONE", outcome_disposition="NONE"),
        miss(type="Team", requested_disposition="NONE"),
        miss(type="User", requested_disposition="MALICIOUS", outcome_disposition="NONE"),
    ],
)
def tell_refused_submission(submission: Submission) -> Notify | None:
    """Tells on-call that the vendor did not follow a request of the team or of this worker.

    Why: what was asked for will not happen by itself; a person takes it up with the vendor, or lets it be.
    Risk: none to mail; a text that people read. Users' own reports are refused too often to tell of each.
    """
    if submission.is_user_report or not submission.is_refused:
        return None
    text = (
        f"Submission {submission.submission_id} by {submission.requested_by or 'somebody'} was refused: asked for "
        f"{submission.requested_disposition}, judged {submission.outcome_disposition}. "
        f"Subject: {submission.subject or 'none'}"
    )
    return Notify(submission, text=text, reason="a submission was refused")
