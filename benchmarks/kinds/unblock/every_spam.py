"""Whoever the worker has blocked for his spam is free again."""

from worker.playbooks import Caps, Detection, UnblockSender, hit, miss, playbook


@playbook(
    on=Detection,
    mode="enforce",
    caps=Caps(per_poll=100_000, per_hour=100_000),
    examples=[hit(final_disposition="SPAM"), miss(final_disposition="NONE")],
)
def every_spam(message: Detection) -> UnblockSender | None:
    """One action for each: a sender of its own, as no simulated spammer has."""
    if message.final_disposition != "SPAM":
        return None
    return UnblockSender(message, sender=f"{message.postfix_id.lower()}@spam.example")
