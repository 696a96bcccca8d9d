"""Wanted mail of known partners that the filter quarantined."""

from worker.playbooks import Caps, Context, Detection, Release, hit, miss, playbook

FALSE_POSITIVES = ("SPAM", "BULK", "SUSPICIOUS")
"""Verdicts that may be wrong about a partner. MALICIOUS never: a hijacked mailbox passes DMARC too."""
WANTED = {"is_quarantined": True, "sender": "Billing@partner.example", "final_disposition": "SPAM"}


@playbook(
    on=Detection,
    mode="approve",  # a release cannot be undone
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
def release_partner_quarantine(message: Detection, context: Context) -> Release | None:
    """Releases quarantined mail of the exact addresses in lists/partners.txt, once a person approves.

    Why: a late invoice costs money. DMARC `pass` is aligned: SPF or DKIM passed for the domain of `sender`
    itself, so the address is not merely written into the header.
    Risk: a partner's hijacked mailbox passes as well, hence approval, and never a verdict of MALICIOUS.
    """
    partner = (message.sender or "").lower() in context.lists["partners"]
    proven = message.validation.dmarc == "pass"
    if message.is_quarantined and partner and proven and message.final_disposition in FALSE_POSITIVES:
        return Release(message, reason=f"partner, DMARC passed, verdict {message.final_disposition}")
    return None
