from __future__ import annotations

import pytest

from rules.block_lookalike_domain import block_lookalike_domain
from worker.playbooks import Detection
from worker.testing import decide

OWN = frozenset({"corp.example", "modernco.example", "rnodernco.example", "wcl.example"})
LISTS = {"own-domains": OWN, "partners": {"billing@c-orp.example"}}


def blocked(sender: str | None, verdict: str | None = "SUSPICIOUS") -> str | None:
    """Whom it blocks."""
    message = Detection(id="m1", sender=sender, final_disposition=verdict)
    actions = decide(block_lookalike_domain, message, lists=LISTS)
    return actions[0].target if actions else None


@pytest.mark.parametrize(
    "domain",
    [
        "c0rp.example",
        "co-rp.example",
        "c\u043erp.example",
        "xn--crp-sed.example",  # the same Cyrillic letter, as it travels
        "c\u00f3rp.example",
        "corp.example.evil.example",
        "login.corp.example-sso.example",
        "rnodemco.example",
        "vvcl.example",
        "wd.example",
        "modernc0.example",
        "moderncoo.example",
        "modrnco.example",
        "moedrnco.example",
        "mod3rnco.example",
    ],
)
def test_what_a_hurried_reader_takes_for_ours_is_blocked(domain: str) -> None:
    """Twin letters, one slip, and our name at the beginning of another."""
    assert blocked(f"it@{domain}") == domain


@pytest.mark.parametrize(
    "domain",
    [
        "corp.example",
        "mail.corp.example",
        "rnodernco.example",  # ours too, though it looks like the other one
        "core.example",
        "corp.test",
        "mycorp.example",
        "modern.example",
        "modernbank.example",
        "c-orp.example",  # a partner's
        "a" * 300 + ".example",
    ],
)
def test_ours_partners_and_neighbours_are_not(domain: str) -> None:
    """Short names have honest neighbours, and partners are known."""
    assert blocked(f"it@{domain}") is None


@pytest.mark.parametrize("verdict", [None, "NONE", "BULK"])
def test_a_name_alone_is_no_crime(verdict: str | None) -> None:
    """The filter has to find something wrong too."""
    assert blocked("it@c0rp.example", verdict) is None
    assert blocked(None) is None
