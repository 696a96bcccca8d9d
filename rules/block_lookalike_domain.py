"""Domains that are made to be taken for one's own."""

from worker.playbooks import BlockSender, Caps, Context, Detection, hit, miss, playbook
from worker.playbooks.conditions import disposition, lookalike_domain, looks_like

DOUBT = "SUSPICIOUS"


@playbook(
    on=Detection,
    mode="approve",  # it blocks a whole domain
    when=[disposition("SPAM", "SUSPICIOUS", "SPOOF", "MALICIOUS"), lookalike_domain("own-domains")],
    caps=Caps(per_poll=20, per_hour=50),
    examples=[
        hit(sender="it@c0rp.example", final_disposition=DOUBT, expect=[("block_sender", "c0rp.example")]),
        hit(sender="it@corp.example.evil.example", final_disposition=DOUBT),
        miss(sender="it@corp.example", final_disposition=DOUBT),
        miss(sender="it@mail.corp.example", final_disposition=DOUBT),
        miss(sender="it@core.example", final_disposition=DOUBT),  # a slip in four letters may be chance
        miss(sender="it@c0rp.example", final_disposition="NONE"),
    ],
)
def block_lookalike_domain(message: Detection, context: Context) -> BlockSender | None:
    """Blocks domains that look like one of lists/own-domains.txt, once a person approves.

    Why: nobody registers c0rp.example for a good reason, and one block stops every address that will be invented there.
    Risk: honest namesakes exist, hence approval, and only where the filter found something wrong with the mail too.
    """
    domain = message.sender_domain
    if any(address.endswith(f"@{domain}") for address in context.lists["partners"]):
        return None
    own = looks_like(domain, context.lists["own-domains"])
    return BlockSender(message, sender=domain, reason=f"{domain} looks like {own}")
