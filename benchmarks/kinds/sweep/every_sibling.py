"""A whole campaign to Junk, of which a single message is known."""

from worker.playbooks import Caps, Detection, Move, Sweep, hit, miss, playbook


@playbook(
    on=Detection,
    mode="enforce",
    caps=Caps(per_poll=100_000, per_hour=100_000),
    examples=[
        hit(subject="CONFIRMED", edf_hash="9f2c41d8e07ab365"),
        miss(subject="Parcel", edf_hash="9f2c41d8e07ab365"),
    ],
)
def every_sibling(message: Detection) -> Sweep | None:
    """One message is confirmed; its fingerprint finds the rest."""
    if message.subject != "CONFIRMED":
        return None
    return Sweep(message, by=["edf_hash"], window="2d", then=Move(message, to="JunkEmail"))
