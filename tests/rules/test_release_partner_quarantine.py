from __future__ import annotations

from typing import Any

import pytest

from rules.release_partner_quarantine import release_partner_quarantine
from worker.testing import decide, detection

LISTS = {"partners": ["billing@partner.example"]}
WANTED = {
    "sender": "billing@partner.example",
    "final_disposition": "SPAM",
    "is_quarantined": True,
    "validation": {"dmarc": "pass"},
}


def _acts(**changes: Any) -> bool:
    return decide(release_partner_quarantine, detection(**WANTED | changes), lists=LISTS) != ()


@pytest.mark.parametrize("sender", ["billing@partner.example", "Billing@Partner.Example"])
def test_the_exact_address_is_released(sender: str) -> None:
    """Case does not matter, everything else does."""
    assert _acts(sender=sender)


@pytest.mark.parametrize(
    "sender",
    [
        None,
        "",
        "partner.example",
        "ceo@partner.example",
        "billing@mail.partner.example",
        "billing@partner.example.evil.example",
        "xbilling@partner.example",
        '"billing@partner.example" <evil@evil.example>',
        "billing@partner.example,evil@evil.example",
        "billing@раrtner.example",  # noqa: RUF001 - Cyrillic letters are the attack
    ],
)
def test_what_only_looks_like_the_partner_is_not(sender: str | None) -> None:
    """No domain, no part of an address and no lookalike is enough."""
    assert not _acts(sender=sender)


@pytest.mark.parametrize("dmarc", [None, "fail", "none", "neutral", "error"])
def test_the_domain_must_be_proven(dmarc: str | None) -> None:
    """SPF and DKIM may have passed for some other domain; only DMARC ties them to the sender's."""
    assert not _acts(validation={"dmarc": dmarc, "spf": "pass", "dkim": "pass"})


@pytest.mark.parametrize("verdict", [None, "MALICIOUS", "MALICIOUS-BEC", "SPOOF", "UNKNOWN"])
def test_an_alarm_is_never_released(verdict: str | None) -> None:
    """A partner's hijacked mailbox has the right address and passes DMARC."""
    assert not _acts(final_disposition=verdict)


def test_only_quarantined_mail_can_be_released() -> None:
    """A release of delivered mail could deliver it twice."""
    assert not _acts(is_quarantined=False)
