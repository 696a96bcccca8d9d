"""Spam in an inbox."""

from worker.playbooks import Caps, Detection, Move, hit, miss, playbook


@playbook(
    on=Detection,
    mode="enforce",
    caps=Caps(per_poll=100_000, per_hour=100_000),
    examples=[hit(final_disposition="SPAM", delivery_status=["delivered"]), miss(final_disposition="SPAM")],
)
def junk_spam(message: Detection) -> Move | None:
    """Moves delivered spam to Junk."""
    if message.final_disposition == "SPAM" and message.is_delivered:
        return Move(message, to="JunkEmail", reason="delivered spam")
    return None
