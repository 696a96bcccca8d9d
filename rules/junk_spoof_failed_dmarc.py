"""Spoofed senders whose domain's own policy was not met."""

from worker.playbooks import Caps, Detection, Move, hit, miss, playbook


@playbook(
    on=Detection,
    mode="enforce",
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
def junk_spoof_failed_dmarc(message: Detection) -> Move | None:
    """Moves delivered spoofs that failed DMARC to Junk.

    Why: two independent signals agree, the vendor's verdict and the sender domain's own policy.
    Risk: forwarders and mailing lists break DMARC for honest senders. Hence Junk, where recipients look first
    and from where they can move a message back themselves, and hence never on a temporary DMARC error.
    """
    failed = message.validation.dmarc == "fail"
    if message.final_disposition == "SPOOF" and failed and message.is_delivered and not message.has_moved:
        return Move(message, to="JunkEmail", reason="spoof, DMARC failed")
    return None
