"""Newsletters in mailboxes that a team reads."""

from worker.playbooks import Caps, Context, Detection, Move, hit, miss, playbook


@playbook(
    on=Detection,
    mode="enforce",
    caps=Caps(per_poll=500, per_hour=2000),
    examples=[
        hit(
            final_disposition="BULK",
            delivery_status=["delivered"],
            client_recipients=["Info@corp.example"],
            expect=[("move", "JunkEmail")],
        ),
        miss(
            final_disposition="BULK",
            delivery_status=["delivered"],
            client_recipients=["info@corp.example", "ada.osei@corp.example"],
        ),
        miss(
            final_disposition="SPAM", delivery_status=["delivered"], client_recipients=["info@corp.example"]
        ),
    ],
)
def junk_bulk_to_shared(message: Detection, context: Context) -> Move | None:
    """Moves bulk mail to Junk where all its recipients are in lists/shared-mailboxes.txt.

    Why: nobody subscribes a ticket queue on purpose, and each newsletter there is read by a whole team.
    Risk: a move acts on every recipient's copy, so a single personal mailbox among them forbids it.
    """
    recipients = {address.lower() for address in message.client_recipients}
    shared = bool(recipients) and recipients <= context.lists["shared-mailboxes"]
    if message.final_disposition == "BULK" and shared and message.is_delivered and not message.has_moved:
        return Move(message, to="JunkEmail", reason="bulk mail to a shared mailbox")
    return None
