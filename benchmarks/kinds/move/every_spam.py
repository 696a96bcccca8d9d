"""Every spam to Junk."""

from worker.playbooks import Caps, Detection, Move, hit, miss, playbook


@playbook(
    on=Detection,
    mode="enforce",
    caps=Caps(per_poll=100_000, per_hour=100_000),
    examples=[hit(final_disposition="SPAM"), miss(final_disposition="NONE")],
)
def every_spam(message: Detection) -> Move | None:
    """One action for each."""
    return Move(message, to="JunkEmail") if message.final_disposition == "SPAM" else None
