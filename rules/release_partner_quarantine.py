"""Wanted mail of known partners that the filter quarantined."""

from worker.playbooks import Caps, Detection, Release, hit, miss, playbook
from worker.playbooks.conditions import disposition, dmarc, quarantined, sender_in

WANTED = {"is_quarantined": True, "sender": "Billing@partner.example", "final_disposition": "SPAM"}


@playbook(
    on=Detection,
    mode="approve",  # a release cannot be undone
    when=[
        disposition("SPAM", "BULK", "SUSPICIOUS"),  # never MALICIOUS: a hijacked mailbox passes DMARC too
        quarantined(),
        sender_in("partners"),
        dmarc("pass"),
    ],
    caps=Caps(per_poll=50, per_hour=200),
    examples=[
        hit(**WANTED, validation={"dmarc": "pass"}, expect=[("release", "")]),
        miss(**WANTED, validation={"dmarc": "fail"}),
        miss(**WANTED),  # no DMARC result is no proof
        miss(**{**WANTED, "final_disposition": "MALICIOUS"}, validation={"dmarc": "pass"}),
        miss(**{**WANTED, "is_quarantined": False}, validation={"dmarc": "pass"}),
        miss(**{**WANTED, "sender": "ceo@partner.example"}, validation={"dmarc": "pass"}),
    ],
)
def release_partner_quarantine(message: Detection) -> Release:
    """Releases quarantined mail of the exact addresses in lists/partners.txt, once a person approves.

    Why: a late invoice costs money. DMARC `pass` is aligned: SPF or DKIM passed for the domain of `sender`
    itself, so the address is not merely written into the header.
    Risk: a partner's hijacked mailbox passes as well, hence approval, and never a verdict of MALICIOUS.
    """
    return Release(message, reason=f"partner, DMARC passed, verdict {message.final_disposition}")
