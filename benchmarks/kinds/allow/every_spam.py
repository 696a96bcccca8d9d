"""Whoever is taken for a spammer may write for a week."""

from worker.playbooks import AllowSender, Caps, Detection, hit, miss, playbook


@playbook(
    on=Detection,
    mode="enforce",
    caps=Caps(per_poll=100_000, per_hour=100_000),
    examples=[hit(final_disposition="SPAM"), miss(final_disposition="NONE")],
)
def every_spam(message: Detection) -> AllowSender | None:
    """One action for each: a sender of its own, as no simulated spammer has."""
    if message.final_disposition != "SPAM":
        return None
    return AllowSender(message, sender=f"{message.postfix_id.lower()}@spam.example", days=7)
