"""Messages as they were before anybody acted on them: the vendor's list shows them as they are today. Pure.

What people and the worker did after a message's delivery stands in its row: it was moved, released, submitted. A
playbook that leaves alone what has been moved would find nothing to do in a history of which everything was moved.
"""

from __future__ import annotations

from msgspec.structs import replace

from worker.backtest.seen import OPERATIONS, Deed
from worker.model.events import Detection


def as_delivered(row: Detection) -> Detection:
    """The message as its row was before; the verdict stays the one of today."""
    done = set(row.post_delivery_operations) & OPERATIONS.keys()
    if not done and not {"moved", "move_failed"} & set(row.delivery_status):
        return row
    released = "QUARANTINE_RELEASE" in done
    before = "quarantined" if released else "delivered"
    statuses = [
        before if status == "moved" or (released and status == "delivered") else status
        for status in row.delivery_status
        if status != "move_failed"
    ]
    return replace(
        row,
        delivery_status=tuple(dict.fromkeys(statuses)) or ((before,) if row.delivery_status else ()),
        post_delivery_operations=tuple(
            one for one in row.post_delivery_operations if one not in (*OPERATIONS, "PREVIEW")
        ),
        is_quarantined=row.is_quarantined or released,
    )


def shown_deeds(row: Detection) -> tuple[Deed, ...]:
    """What the row itself tells was done, without target and name."""
    return tuple(
        Deed(OPERATIONS[one]) for one in dict.fromkeys(row.post_delivery_operations) if one in OPERATIONS
    )
