"""Malicious mail."""

from worker.playbooks import Caps, Detection, Move, hit, miss, playbook


@playbook(
    on=Detection,
    mode="enforce",
    caps=Caps(per_poll=100_000, per_hour=100_000),
    examples=[hit(final_disposition="MALICIOUS-BEC"), miss(final_disposition="SPAM")],
)
def remove_malicious(message: Detection) -> Move | None:
    """Removes malicious mail that was not rejected."""
    if message.is_malicious and "rejected" not in message.delivery_status:
        return Move(message, to="RecoverableItemsDeletions", reason="malicious")
    return None
