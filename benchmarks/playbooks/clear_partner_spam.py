"""Mail of a partner that was taken for spam."""

from worker.playbooks import Caps, Detection, Reclassify, hit, miss, playbook


@playbook(
    on=Detection,
    mode="enforce",
    caps=Caps(per_poll=100_000, per_hour=100_000),
    examples=[
        hit(final_disposition="SPAM", sender="billing@partner.example"),
        miss(final_disposition="SPAM"),
    ],
)
def clear_partner_spam(message: Detection) -> Reclassify | None:
    """Asks the vendor to clear a partner's mail."""
    if (
        message.final_disposition == "SPAM"
        and not message.is_delivered
        and message.sender == "billing@partner.example"
    ):
        return Reclassify(message, to="NONE", reason="a partner")
    return None
