"""Malicious mail that reached an inbox."""

from worker.playbooks import Caps, Detection, Move, hit, miss, playbook
from worker.playbooks.conditions import delivered, disposition, moved


@playbook(
    on=Detection,
    mode="enforce",
    when=[disposition("MALICIOUS"), delivered(), ~moved()],
    caps=Caps(per_poll=500, per_hour=2000),  # a campaign is large, and waiting for a person costs clicks
    examples=[
        hit(
            final_disposition="MALICIOUS",
            delivery_status=["delivered"],
            expect=[("move", "RecoverableItemsDeletions")],
        ),
        hit(final_disposition="MALICIOUS-BEC", delivery_status=["delivered"]),
        miss(final_disposition="MALICIOUS", delivery_status=["quarantined"], is_quarantined=True),
        miss(final_disposition="MALICIOUS", delivery_status=["moved"], post_delivery_operations=["MOVE"]),
        miss(final_disposition="SUSPICIOUS", delivery_status=["delivered"]),
    ],
)
def remove_delivered_malicious(message: Detection) -> Move:
    """Takes malicious mail out of the mailboxes that it reached.

    Why: in Junk the link is still one click away. RecoverableItemsDeletions is out of sight, yet the
    recipient can recover the mail and the worker can move it back; after a purge neither could. Google
    Workspace has no such folder: use DeletedItems there.
    Risk: a wrong verdict hides wanted mail until somebody asks. Mail that anybody moved is left alone.
    """
    return Move(message, to="RecoverableItemsDeletions", reason=f"delivered {message.final_disposition}")
