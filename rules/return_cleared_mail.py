"""Mail that was taken away and that the vendor has judged clean after somebody asked."""

from worker.playbooks import Caps, Context, Move, Submission, hit, miss, playbook

TAKEN = {"delivery_status": ["moved"], "post_delivery_operations": ["MOVE"], "final_disposition": "MALICIOUS"}


@playbook(
    on=Submission,
    mode="approve",  # two judgements of the vendor contradict each other
    caps=Caps(per_poll=50, per_hour=200),
    examples=[
        hit(outcome_disposition="NONE", message=TAKEN, expect=[("move", "Inbox")]),
        miss(message=TAKEN),  # nobody has judged it yet
        miss(outcome_disposition="BULK", message=TAKEN),
        miss(outcome_disposition="NONE", message={"delivery_status": ["delivered"]}),
        miss(outcome_disposition="NONE", message=None),
    ],
)
def return_cleared_mail(submission: Submission, context: Context) -> Move | None:
    """Moves mail back to the inbox when a submission clears it, once a person approves.

    Why: what was taken away by mistake is missed by somebody who does not know of it.
    Risk: the new judgement may be the wrong one, or a person had a reason to move it: the reason says who did.
    """
    message = submission.message
    if message is None or not message.has_moved or submission.outcome_disposition != "NONE":
        return None
    ours = [past.playbook for past in context.history if past.kind == "move" and past.state == "succeeded"]
    by = ours[0] if ours else "somebody else"
    return Move(
        message, to="Inbox", reason=f"moved by {by}, submission {submission.submission_id} was judged clean"
    )
