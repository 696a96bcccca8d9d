"""Spoofed senders whose domain's own policy was not met."""

from worker.playbooks import Caps, Detection, Move, hit, miss, playbook
from worker.playbooks.conditions import delivered, disposition, dmarc, moved


@playbook(
    on=Detection,
    mode="enforce",
    when=[disposition("SPOOF"), dmarc("fail"), delivered(), ~moved()],
    caps=Caps(per_poll=200, per_hour=1000),
    examples=[
        hit(
            final_disposition="SPOOF",
            validation={"dmarc": "fail"},
            delivery_status=["delivered"],
            expect=[("move", "JunkEmail")],
        ),
        miss(final_disposition="SPOOF", validation={"dmarc": "pass"}, delivery_status=["delivered"]),
        miss(final_disposition="SPOOF", validation={"dmarc": "error"}, delivery_status=["delivered"]),
        miss(final_disposition="NONE", validation={"dmarc": "fail"}, delivery_status=["delivered"]),
    ],
)
def junk_spoof_failed_dmarc(message: Detection) -> Move:
    """Moves delivered spoofs that failed DMARC to Junk.

    Why: two independent signals agree, the vendor's verdict and the sender domain's own policy.
    Risk: forwarders and mailing lists break DMARC for honest senders. Hence Junk, where recipients look first
    and from where they can move a message back themselves, and hence never on a temporary DMARC error.
    """
    return Move(message, to="JunkEmail", reason="spoof, DMARC failed")
