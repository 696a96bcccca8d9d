"""Suspicious mail in an inbox."""

from worker.playbooks import Caps, Detection, Move, hit, miss, playbook


@playbook(
    on=Detection,
    mode="enforce",
    caps=Caps(per_poll=100_000, per_hour=100_000),
    examples=[
        hit(final_disposition="SUSPICIOUS", delivery_status=["delivered"]),
        miss(final_disposition="SUSPICIOUS"),
    ],
)
def junk_suspicious(message: Detection) -> Move | None:
    """Moves delivered suspicious mail to Junk."""
    if message.final_disposition == "SUSPICIOUS" and message.is_delivered:
        return Move(message, to="JunkEmail", reason="delivered, suspicious")
    return None
