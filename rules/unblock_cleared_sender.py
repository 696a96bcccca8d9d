"""Blocks of the worker's own that met wanted mail."""

from worker.playbooks import Caps, Submission, UnblockSender, hit, miss, playbook

BLOCKED = {"sender": "ann@client.example", "properties": {"blocklisted_pattern": "Ann@client.example"}}


@playbook(
    on=Submission,
    mode="approve",  # somebody once had a reason for the block
    caps=Caps(per_poll=20, per_hour=50),
    examples=[
        hit(outcome_disposition="NONE", message=BLOCKED, expect=[("unblock_sender", "ann@client.example")]),
        miss(message=BLOCKED),  # nobody has judged it yet
        miss(outcome_disposition="SPAM", message=BLOCKED),
        miss(outcome_disposition="NONE", message={**BLOCKED, "properties": {"blocklisted_pattern": ".*"}}),
        miss(outcome_disposition="NONE", message={"sender": "ann@client.example"}),
    ],
)
def unblock_cleared_sender(submission: Submission) -> UnblockSender | None:
    """Takes the worker's block of a sender back when the vendor clears mail that it stopped, once a person approves.

    Why: a wrong block goes on stopping wanted mail, and nobody sees what does not arrive.
    Risk: the judgement may be wrong, hence approval. A block that a person made stays; so does an expression.
    """
    message = submission.message
    if message is None or submission.outcome_disposition != "NONE" or message.is_malicious:
        return None
    pattern = (message.properties.blocklisted_pattern or "").lower()
    named = {(message.sender or "").lower(), (message.envelope_from or "").lower(), message.sender_domain}
    if not pattern or pattern not in named:
        return None
    return UnblockSender(
        message, sender=pattern, reason=f"submission {submission.submission_id} was judged clean"
    )
