"""Sources of small playbooks."""

from __future__ import annotations

HEAD = """\
from worker.playbooks import (
    AllowSender, BlockSender, Caps, Detection, Move, Notify, PhishReport, ProtectIdentity, Reclassify, Release,
    Submission, Submit, Sweep, TrustDomain, UnblockSender, hit, playbook,
)


"""


def on_verdict(
    verdict: str, action: str, *, name: str = "rule", mode: str = "enforce", caps: str = "Caps()"
) -> str:
    """A playbook that wants `action`, an expression over `message`, for every message of one verdict."""
    return rule(f'message.final_disposition == "{verdict}"', action, name=name, mode=mode, caps=caps)


def rule(
    condition: str,
    action: str,
    *,
    name: str = "rule",
    mode: str = "enforce",
    caps: str = "Caps()",
    on: str = "Detection",
) -> str:
    """A playbook that wants `action` where `condition` holds; both are expressions over `message`."""
    return (
        f'{HEAD}@playbook(on={on}, id="{name}", mode="{mode}", owner="soc@example.com", caps={caps})\n'
        f"def rule(message: {on}):\n"
        f'    """For tests."""\n'
        f"    if {condition}:\n"
        f"        return {action}\n"
        f"    return None\n"
    )


def to(folder: str, message: str = "message") -> str:
    """The move of a message."""
    return f'Move({message}, to="{folder}", reason="test")'


JUNK = on_verdict("MALICIOUS", to("JunkEmail"), name="junk")
RELEASE = rule("message.is_quarantined", 'Release(message, reason="test")', name="release")
RECLASSIFY = on_verdict("SPOOF", 'Reclassify(message, to="NONE", reason="test")', name="reclassify")
