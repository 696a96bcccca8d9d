"""A domain that spam comes from may be new for a week."""

from worker.playbooks import Caps, Detection, TrustDomain, hit, miss, playbook


@playbook(
    on=Detection,
    mode="enforce",
    caps=Caps(per_poll=100_000, per_hour=100_000),
    examples=[hit(final_disposition="SPAM"), miss(final_disposition="NONE")],
)
def every_spam(message: Detection) -> TrustDomain | None:
    """One action for each: a sender of its own, as no simulated spammer has."""
    if message.final_disposition != "SPAM":
        return None
    return TrustDomain(message, domain=f"{message.postfix_id.lower()}.example", days=7)
