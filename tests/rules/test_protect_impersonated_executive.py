from __future__ import annotations

import pytest

from rules.protect_impersonated_executive import protect_impersonated_executive
from worker.playbooks import Detection, ProtectIdentity
from worker.testing import decide

PEOPLE = frozenset(
    {"grace kim <grace.kim@corp.example>", "zo\u00eb van dam <zoe@corp.example>", "no address"}
)


def protected(
    name: str | None, sender: str | None = "ceo@freemail.example", verdict: str | None = "SPOOF"
) -> ProtectIdentity | None:
    """What it wants of mail with this name."""
    message = Detection(id="m1", from_name=name, sender=sender, final_disposition=verdict)
    for action in decide(protect_impersonated_executive, message, lists={"executives": PEOPLE}):
        assert isinstance(action, ProtectIdentity)
        return action
    return None


@pytest.mark.parametrize("name", ["Grace Kim", "KIM, Grace", " grace  kim ", '"Grace Kim"', "\uff27race Kim"])
@pytest.mark.parametrize("verdict", ["SUSPICIOUS", "SPOOF", "MALICIOUS", "MALICIOUS-BEC"])
def test_a_borrowed_name_is_protected(name: str, verdict: str) -> None:
    """However it is written, it is one entry."""
    action = protected(name, verdict=verdict)
    assert action is not None
    assert action.target == "Grace Kim <grace.kim@corp.example>"
    assert action.subject == "EMAIL grace.kim@corp.example grace kim"


def test_names_keep_their_letters() -> None:
    """The list is read in lower case; the entry is not written in it."""
    action = protected("Zo\u00eb van Dam")
    assert action is not None
    assert action.who == "Zo\u00eb Van Dam"


@pytest.mark.parametrize("name", [None, "", "Grace", "Grace Kimura", "Grace Kim-Anderson", "no address", "!"])
def test_other_names_are_not(name: str | None) -> None:
    """Namesakes in part, and lines of the list that name no address."""
    assert protected(name) is None


@pytest.mark.parametrize("sender", [None, "grace.kim@corp.example", "grace.kim@mail.corp.example"])
def test_mail_from_the_persons_own_domain_is_no_impersonation(sender: str | None) -> None:
    """Whether that domain is forged is for DMARC to say."""
    assert protected("Grace Kim", sender) is None


@pytest.mark.parametrize("verdict", [None, "NONE", "BULK", "SPAM"])
def test_harmless_mail_is_no_reason(verdict: str | None) -> None:
    """There are namesakes, and private addresses."""
    assert protected("Grace Kim", verdict=verdict) is None
