"""Newsletters in mailboxes that a team reads."""

from worker.playbooks import Caps, Detection, Move, hit, miss, playbook

SHARED = frozenset({"info@corp.example", "support@corp.example"})


@playbook(
    on=Detection,
    mode="enforce",
    caps=Caps(per_poll=100_000, per_hour=100_000),
    examples=[
        hit(final_disposition="BULK", delivery_status=["delivered"], client_recipients=["info@corp.example"]),
        miss(final_disposition="BULK", client_recipients=["ada.osei@corp.example"]),
    ],
)
def delete_shared_bulk(message: Detection) -> Move | None:
    """Deletes bulk mail that only shared mailboxes got."""
    if (
        message.final_disposition == "BULK"
        and message.is_delivered
        and SHARED.issuperset(message.client_recipients)
    ):
        return Move(message, to="DeletedItems", reason="bulk mail to a shared mailbox")
    return None
