"""Mail that the PhishGuard analysts judged malicious."""

from worker.playbooks import Move, PhishReport, hit, miss, playbook


@playbook(
    on=PhishReport,
    mode="enforce",
    examples=[
        hit(
            disposition="MALICIOUS",
            message={"final_disposition": "NONE", "delivery_status": ["delivered"]},
            expect=[("move", "RecoverableItemsDeletions")],
        ),
        miss(disposition="MALICIOUS", message={"delivery_status": ["moved"]}),
        miss(disposition="MALICIOUS", message=None),
        miss(disposition="SPAM", message={"delivery_status": ["delivered"]}),
    ],
)
def remove_phishguard_malicious(report: PhishReport) -> Move | None:
    """Takes mail that PhishGuard judged malicious out of the mailboxes that it reached.

    Why: people looked at it, so their judgement outweighs the verdict of the filter, which let it pass. The
    folder is that of remove-delivered-malicious, so that both ask for the same action where both match.
    Risk: an analyst's mistake hides wanted mail; the recipient can recover it, the worker can move it back.
    """
    message = report.message
    if message is None or not (report.disposition or "").startswith("MALICIOUS"):
        return None
    if not message.is_delivered or message.has_moved:
        return None
    return Move(message, to="RecoverableItemsDeletions", reason=f"PhishGuard report {report.id}")
