"""Reported mail that carries a program, a script, a web page or an archive that nobody can look into."""

from worker.playbooks import Move, PhishReport, hit, miss, playbook

DANGEROUS = frozenset({"exe", "scr", "com", "bat", "cmd", "ps1", "js", "vbs", "hta", "lnk", "iso", "img"})
DANGEROUS |= {"htm", "html", "svg"}  # a sign-in page that no link filter has seen
DELIVERED = {"final_disposition": "SUSPICIOUS", "delivery_status": ["delivered"]}


@playbook(
    on=PhishReport,
    mode="enforce",
    needs=["attachments"],
    examples=[
        hit(
            disposition="SUSPICIOUS",
            message={**DELIVERED, "attachments": [{"name": "Invoice.pdf.EXE"}]},
            expect=[("move", "JunkEmail")],
        ),
        hit(
            disposition="SUSPICIOUS",
            message={**DELIVERED, "attachments": [{"name": "a.zip", "encrypted": True}]},
        ),
        miss(disposition="SUSPICIOUS", message={**DELIVERED, "attachments": [{"name": "label.pdf"}]}),
        miss(
            disposition="SUSPICIOUS", message={**DELIVERED, "attachments": None}
        ),  # the vendor does not give it
        miss(
            disposition="SUSPICIOUS",
            message={"delivery_status": ["moved"], "attachments": [{"name": "a.exe"}]},
        ),
        miss(disposition="SUSPICIOUS", message={**DELIVERED, "final_disposition": "MALICIOUS"}),
        miss(disposition="NONE", message={**DELIVERED, "attachments": [{"name": "a.exe"}]}),
        miss(disposition="SUSPICIOUS", message=None),
    ],
)
def junk_reported_attachment(report: PhishReport) -> Move | None:
    """Moves reported mail with a dangerous attachment to Junk while PhishGuard only calls it suspicious.

    Why: the analysts have not made up their minds, and meanwhile the file is one click away. Only such reports cost
    requests: everything that the row tells is looked at first. What is malicious others take away.
    Risk: wanted mail with such a file lands in Junk, where its recipient still finds it.
    """
    message = report.message
    if message is None or report.disposition != "SUSPICIOUS" or message.is_malicious:
        return None
    if not message.is_delivered or message.has_moved:
        return None
    for attachment in message.attachments or ():
        if attachment.encrypted or attachment.extension in DANGEROUS:
            what = "encrypted archive" if attachment.encrypted else f"{attachment.extension} file"
            return Move(message, to="JunkEmail", reason=f"PhishGuard report {report.id}: {what}")
    return None
