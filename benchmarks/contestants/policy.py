"""What the six benchmark playbooks want, as one function for programs without playbooks."""

from __future__ import annotations

from collections.abc import Collection, Sequence

PARTNER = "billing@partner.example"
SHARED = frozenset({"info@corp.example", "support@corp.example"})

Action = tuple[str, str]
"""Kind and target."""


def wanted(
    verdict: str | None, status: Collection[str], sender: str | None, recipients: Sequence[str]
) -> Action | None:
    """What is to be done with a message; None for nothing."""
    delivered = "delivered" in status
    match verdict:
        case "MALICIOUS" | "MALICIOUS-BEC" if "rejected" not in status:
            return "move", "RecoverableItemsDeletions"
        case "SPOOF":
            return "move", "JunkEmail"
        case "SPAM" | "SUSPICIOUS" if delivered:
            return "move", "JunkEmail"
        case "SPAM" if sender == PARTNER:
            return "reclassify", "NONE"
        case "BULK" if delivered and SHARED.issuperset(recipients):
            return "move", "DeletedItems"
        case _:
            return None
