"""Everything that came from the same tool as mail that PhishGuard judged malicious."""

from worker.playbooks import Caps, Move, PhishReport, Sweep, hit, miss, playbook


@playbook(
    on=PhishReport,
    mode="approve",  # analysts have judged one message; the others are shown to a person first
    caps=Caps(per_poll=500, per_hour=2000),
    examples=[
        hit(
            disposition="MALICIOUS",
            message={"edf_hash": "9f2c41d8e07ab365"},
            expect=[("sweep", "RecoverableItemsDeletions")],
        ),
        hit(disposition="MALICIOUS-BEC", message={"edf_hash": "9f2c41d8e07ab365"}),
        miss(disposition="MALICIOUS", message={"edf_hash": None}),
        miss(disposition="SUSPICIOUS", message={"edf_hash": "9f2c41d8e07ab365"}),
        miss(disposition="MALICIOUS", message=None),
    ],
)
def sweep_reported_campaign(report: PhishReport) -> Sweep | None:
    """Finds the siblings of reported malicious mail by its fingerprint, and wants them out of every mailbox.

    Why: who reports one message of a campaign is one of many who got it, and senders and subjects vary where the tool
    that made them does not. Late ones are caught for three days.
    Risk: two campaigns of one kit share a fingerprint. The list waits for a person as a whole; mail that the filter has
    nothing against has to be approved by name. `worker undo` with the campaign's id.
    """
    message = report.message
    if message is None or not message.edf_hash or not (report.disposition or "").startswith("MALICIOUS"):
        return None
    then = Move(message, to="RecoverableItemsDeletions", reason=f"campaign of PhishGuard report {report.id}")
    return Sweep(message, by=["edf_hash"], window="3d", then=then)
