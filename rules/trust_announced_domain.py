"""New domains that partners have told of."""

from worker.playbooks import Caps, Context, Detection, TrustDomain, hit, miss, playbook

NEW = {"sender": "ann@partner-group.example", "final_disposition": "SUSPICIOUS"}


@playbook(
    on=Detection,
    mode="approve",  # what lets mail past the filter needs approval in every mode
    caps=Caps(per_poll=10, per_hour=20),
    examples=[
        hit(**NEW, validation={"dmarc": "pass"}, expect=[("trust_domain", "partner-group.example (recent)")]),
        miss(**NEW, validation={"dmarc": "fail"}),
        miss(**{**NEW, "final_disposition": "MALICIOUS"}, validation={"dmarc": "pass"}),
        miss(**{**NEW, "final_disposition": "NONE"}, validation={"dmarc": "pass"}),
        miss(**{**NEW, "sender": "ann@mail-partner-group.example"}, validation={"dmarc": "pass"}),
    ],
)
def trust_announced_domain(message: Detection, context: Context) -> TrustDomain | None:
    """No longer holds it against a domain of lists/announced-domains.txt that it is new: for 30 days, once approved.

    Why: a partner who moves to another name is suspicious to the filter for weeks, and known to you.
    Risk: it is trusted for its age alone, its mail is filtered on. Take it off the list when the partner has settled in.
    """
    announced = message.sender_domain in context.lists["announced-domains"]
    proven = message.validation.dmarc == "pass"
    if announced and proven and message.final_disposition in ("SUSPICIOUS", "SPAM"):
        return TrustDomain(message, days=30, domain=message.sender_domain, reason="announced by a partner")
    return None
