"""Senders of mail that the PhishGuard analysts judged malicious."""

from email.utils import parseaddr

from worker.playbooks import BlockSender, Caps, Context, Notify, PhishReport, hit, miss, playbook

SENT = {"sender": "hr@payroll.example", "envelope_from": "hr@payroll.example", "validation": {"spf": "pass"}}


@playbook(
    on=PhishReport,
    caps=Caps(per_poll=20, per_hour=50),
    examples=[
        hit(
            disposition="MALICIOUS",
            message=SENT,
            expect=[("notify", ""), ("block_sender", "hr@payroll.example")],
        ),
        hit(disposition="MALICIOUS", message={**SENT, "validation": {}}, expect=[("notify", "")]),
        hit(disposition="MALICIOUS", message=None, expect=[("notify", "")]),
        miss(disposition="SUSPICIOUS", message=SENT),
    ],
)
def block_reported_phisher(report: PhishReport, context: Context) -> list[Notify | BlockSender]:
    """Tells on-call of malicious mail that a user reported, and blocks its sender where that is proven.

    Why: it got past the filter, so the next one of that sender would too. An address is proven by DMARC, or by SPF
    where the envelope shows the same one; an unproven one belongs to whoever was forged.
    Risk: a partner's hijacked mailbox is real, so those of lists/partners.txt are left to people. `worker undo`.
    """
    if not (report.disposition or "").startswith("MALICIOUS"):
        return []
    message = report.message
    sender = parseaddr((message and message.sender) or report.fields.sender or "")[1].lower()
    told = f"PhishGuard judged reported mail malicious: report {report.id}, sender {sender or 'unknown'}. {report.title}"
    wanted: list[Notify | BlockSender] = [Notify(report, text=told, reason="malicious mail was reported")]
    if message is None or "@" not in sender or sender in context.lists["partners"]:
        return wanted
    same = (message.envelope_from or "").strip().lower() == sender
    if message.validation.dmarc == "pass" or (same and message.validation.spf == "pass"):
        wanted.append(BlockSender(message, sender=sender, reason=f"PhishGuard report {report.id}"))
    return wanted
