"""Spoofed senders."""

from worker.playbooks import Caps, Detection, Move, hit, miss, playbook


@playbook(
    on=Detection,
    mode="enforce",
    caps=Caps(per_poll=100_000, per_hour=100_000),
    examples=[hit(final_disposition="SPOOF"), miss(final_disposition="SPAM")],
)
def junk_spoof(message: Detection) -> Move | None:
    """Moves spoofs to Junk."""
    if message.final_disposition == "SPOOF":
        return Move(message, to="JunkEmail", reason="spoof")
    return None
