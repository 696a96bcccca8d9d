"""Reported mail that turned out to be clean."""

from worker.playbooks import Caps, PhishReport, Reclassify, hit, miss, playbook


@playbook(
    on=PhishReport,
    mode="enforce",
    caps=Caps(per_poll=50, per_hour=200),
    examples=[
        hit(disposition="NONE", message={"final_disposition": "SUSPICIOUS"}, expect=[("reclassify", "NONE")]),
        miss(disposition="NONE", message={"final_disposition": "NONE"}),
        miss(disposition="NONE", message={"final_disposition": "MALICIOUS"}),
        miss(disposition="SPAM", message={"final_disposition": "SUSPICIOUS"}),
        miss(disposition="NONE", message=None),
    ],
)
def reclassify_clean_report(report: PhishReport) -> Reclassify | None:
    """Asks the vendor to clear the verdict of mail that a user reported and PhishGuard judged clean.

    Why: the filter learns from it, and the next message of that sender arrives. It moves no mail.
    Risk: it cannot be undone, so a verdict of MALICIOUS stays: there a person should settle who is right.
    """
    message = report.message
    if message is None or report.disposition != "NONE" or message.is_malicious:
        return None
    if message.final_disposition in (None, "NONE"):
        return None
    return Reclassify(message, to="NONE", reason=f"PhishGuard report {report.id} found it clean")
