"""People whose name is being borrowed."""

from typing import Any

from worker.playbooks import Caps, Context, Detection, ProtectIdentity, hit, miss, playbook
from worker.playbooks.conditions import borrowed_name, disposition, impersonated

FORGED: dict[str, Any] = {"from_name": "Grace Kim", "sender": "ceo.office@freemail.example"}


@playbook(
    on=Detection,
    mode="approve",  # from then on her private address is taken for an impostor too
    when=[disposition("SUSPICIOUS", "SPOOF", "MALICIOUS"), borrowed_name("executives")],
    caps=Caps(per_poll=10, per_hour=20),
    examples=[
        hit(
            **FORGED,
            final_disposition="MALICIOUS-BEC",
            expect=[("protect_identity", "Grace Kim <grace.kim@corp.example>")],
        ),
        hit(**{**FORGED, "from_name": "KIM, Grace"}, final_disposition="SUSPICIOUS"),
        miss(**FORGED, final_disposition="NONE"),  # a namesake, or she herself from home
        miss(**{**FORGED, "sender": "grace.kim@corp.example"}, final_disposition="SPOOF"),
        miss(**{**FORGED, "from_name": "Grace Kimura"}, final_disposition="MALICIOUS-BEC"),
    ],
)
def protect_impersonated_executive(message: Detection, context: Context) -> ProtectIdentity | None:
    """Protects the name of a person in lists/executives.txt once somebody borrows it, after approval.

    Why: whoever is impersonated once is again, and the filter looks for a name only when it is told of it.
    Risk: the person's private address and namesakes are impostors from then on: ask, then approve.
    """
    person = impersonated(message, context.lists["executives"])
    if person is None:
        return None
    reason = f"{message.final_disposition} mail bears the name"
    return ProtectIdentity(message, name=person.name.title(), email=person.email, reason=reason)
