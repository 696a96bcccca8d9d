"""Letters in an executive's name whose answers go elsewhere, and which the filter let through."""

from email.utils import parseaddr

from worker.playbooks import Caps, Context, Detection, Notify, Submit, hit, miss, playbook
from worker.playbooks.conditions import impersonated

MISSED = {
    "from_name": "Grace Kim",
    "sender": "g.kim@freemail.example",
    "replyto": "office@other.example",
    "final_disposition": "NONE",
    "delivery_status": ["delivered"],
}


@playbook(
    on=Detection,
    caps=Caps(per_poll=10, per_hour=30),
    examples=[
        hit(**MISSED, expect=[("submit", "MALICIOUS"), ("notify", "")]),
        miss(**{**MISSED, "replyto": None}),
        miss(**{**MISSED, "replyto": "G.Kim@freemail.example"}),
        miss(**{**MISSED, "replyto": "grace.kim@corp.example"}),  # a service that writes for her
        miss(**{**MISSED, "from_name": "Ada Osei"}),
        miss(**{**MISSED, "final_disposition": "MALICIOUS-BEC"}),
        miss(**{**MISSED, "delivery_status": ["quarantined"]}),
    ],
)
def submit_missed_bec(message: Detection, context: Context) -> list[Submit | Notify]:
    """Submits delivered mail that bears an executive's name and wants its answer at a third domain; tells on-call.

    Why: such a letter has no link and no file, so filters miss it; the reply is where the money goes.
    Risk: an executive's private mail goes to the vendor's analysts. It moves nothing: a person looks first.
    """
    if not message.is_delivered or message.final_disposition not in ("NONE", "BULK", "SPAM", "SUSPICIOUS"):
        return []
    answers = _domain(message.replyto)
    if not answers or answers == message.sender_domain:
        return []
    person = impersonated(message, context.lists["executives"])
    if person is None or answers == person.domain:
        return []
    reason = f"name of {person.email}, answers go to {answers}"
    told = f"Mail in the name of {person.email} was delivered: from {message.sender}, answers go to {message.replyto}."
    return [
        Submit(message, to="MALICIOUS", reason=reason),
        Notify(message, text=f"{told} Subject: {message.subject or 'none'}", reason=reason),
    ]


def _domain(address: str | None) -> str:
    """The lower-case domain of an address, with or without a name before it; empty where there is none."""
    _, at, domain = parseaddr(address or "")[1].rpartition("@")
    return domain.lower() if at else ""
