from __future__ import annotations

import json
from typing import Any

import pytest

from tests.declared.files import compared, there
from worker.declared.entries import Unusable

ALLOW: dict[str, Any] = {
    "pattern_type": "DOMAIN",
    "is_regex": False,
    "is_acceptable_sender": True,
    "is_exempt_recipient": False,
    "is_trusted_sender": False,
    "verify_sender": True,
}
EXEMPT = ALLOW | {"is_acceptable_sender": False, "is_exempt_recipient": True}
BLOCK = {"pattern_type": "DOMAIN", "is_regex": False}
TRUST = {"is_regex": False, "is_recent": True, "is_similarity": False}
POLICY = {"name": "x", "targets": ["SUBJECT"], "enabled": True}

REFUSED = [
    ("allow_policies", ALLOW | {"pattern": "gmail.com"}, "public mail provider"),
    ("allow_policies", ALLOW | {"pattern": "com"}, "is no domain"),
    ("allow_policies", ALLOW | {"pattern": ".*", "is_regex": True}, "matches everything"),
    ("allow_policies", ALLOW | {"pattern": r"\.com$", "is_regex": True}, "unrelated senders"),
    (
        "allow_policies",
        ALLOW | {"pattern": "@gmail", "is_regex": True},
        "public mail provider as a whole: gmail.com",
    ),
    ("allow_policies", ALLOW | {"pattern": "(?=x)y", "is_regex": True}, "RE2 looks neither ahead nor behind"),
    ("allow_policies", ALLOW | {"pattern": "corp.example"}, "the protected domain corp.example"),
    ("allow_policies", ALLOW | {"pattern": "eu.corp.example"}, "the protected domain corp.example"),
    ("allow_policies", EXEMPT | {"pattern": "corp.example"}, "the protected domain corp.example"),
    (
        "allow_policies",
        ALLOW | {"pattern": "scanner@corp.example", "pattern_type": "EMAIL", "verify_sender": False},
        "set verify_sender: true",
    ),
    ("allow_policies", ALLOW | {"pattern": "a.example", "is_acceptable_sender": False}, "allows nothing"),
    ("allow_policies", ALLOW | {"pattern": "0.0.0.0/0", "pattern_type": "IP"}, "wider than /16"),
    ("block_senders", BLOCK | {"pattern": "corp.example"}, "protected domain corp.example"),
    (
        "block_senders",
        BLOCK | {"pattern": "ann@corp.example", "pattern_type": "EMAIL"},
        "protected domain corp.example",
    ),
    ("block_senders", BLOCK | {"pattern": "yahoo.com"}, "name the sender's whole address"),
    ("block_senders", BLOCK | {"pattern": "evil@x.example"}, "is no domain"),
    ("block_senders", BLOCK | {"pattern": "::/0", "pattern_type": "IP"}, "wider than /32"),
    ("block_senders", BLOCK | {"pattern": "nonsense", "pattern_type": "IP"}, "is no IP address"),
    ("trusted_domains", TRUST | {"pattern": "outlook.com"}, "public mail provider"),
    ("trusted_domains", TRUST | {"pattern": "^", "is_regex": True}, "matches everything"),
    ("impersonation_registry", {"name": "a@b.example", "email": "a@b.example"}, "is no name"),
    (
        "impersonation_registry",
        {"name": "Ann Lee", "email": "@", "is_email_regex": True},
        "unrelated senders",
    ),
    (
        "allow_policies",
        ALLOW | {"pattern": r"^[0-9]+\.", "pattern_type": "IP", "is_regex": True},
        "name networks",
    ),
    ("block_senders", BLOCK | {"pattern": "::ffff:0:0/96", "pattern_type": "IP"}, "wider than /112"),
    ("block_senders", BLOCK | {"pattern": "64:ff9b::/48", "pattern_type": "IP"}, "wider than /112"),
    (
        "block_senders",
        BLOCK | {"pattern": r"\.corp\.example$", "is_regex": True},
        "the protected domain corp.example",
    ),
    (
        "allow_policies",
        ALLOW | {"pattern": r"^ceo@corp\.example$", "pattern_type": "EMAIL", "is_regex": True},
        "the protected domain corp.example",
    ),
    ("content_policies", POLICY | {"pattern": ".+"}, "is found in nearly every message"),
    ("content_policies", POLICY | {"pattern": "e"}, "is found in nearly every message"),
    ("content_policies", POLICY | {"pattern": "[a-zA-Z]{2}|7"}, "is found in nearly every message"),
    ("content_policies", POLICY | {"pattern": "(?=)"}, "RE2 can read"),
    ("url_ignore_patterns", {"pattern": "ht*p*"}, "names no site"),
    ("url_ignore_patterns", {"pattern": "*t*.*o*"}, "names no site"),
    ("url_ignore_patterns", {"pattern": "*o.c*"}, "names no site"),
    ("url_ignore_patterns", {"pattern": "https://*"}, "names no site"),
    ("url_ignore_patterns", {"pattern": "*.com/*"}, "names no site"),
    ("sending_domain_restrictions", {"domain": "com", "exclude": []}, "is no domain"),
    ("sending_domain_restrictions", {"domain": "co.uk", "exclude": []}, "below a public suffix"),
    ("block_senders", BLOCK | {"pattern": "co.uk"}, "below a public suffix"),
    ("url_ignore_patterns", {"pattern": "https://*.co.uk/*"}, "names no site"),
]
TAKEN = [
    ("allow_policies", ALLOW | {"pattern": "partner.example"}),
    ("allow_policies", ALLOW | {"pattern": "friend@gmail.com", "pattern_type": "EMAIL"}),
    ("allow_policies", ALLOW | {"pattern": "scanner@corp.example", "pattern_type": "EMAIL"}),
    ("allow_policies", EXEMPT | {"pattern": "drill@corp.example", "pattern_type": "EMAIL"}),
    ("block_senders", BLOCK | {"pattern": "notcorp.example"}),
    ("block_senders", BLOCK | {"pattern": r"@.*\.invalid$", "pattern_type": "EMAIL", "is_regex": True}),
    ("block_senders", BLOCK | {"pattern": "203.0.113.0/28", "pattern_type": "IP"}),
    ("block_senders", BLOCK | {"pattern": "::ffff:203.0.113.0/124", "pattern_type": "IP"}),
    ("block_senders", BLOCK | {"pattern": "2001:db8::/32", "pattern_type": "IP"}),
    ("block_senders", BLOCK | {"pattern": r"@corp\.example\.evil\.test$", "is_regex": True}),
    ("block_senders", BLOCK | {"pattern": r"[.-]corp\.example\.net$", "is_regex": True}),
    ("url_ignore_patterns", {"pattern": "*.sharepoint.com/*"}),
    ("content_policies", POLICY | {"pattern": "(?i)invoice|parcel"}),
    ("trusted_domains", TRUST | {"pattern": "corp-newsletter.example"}),
    ("impersonation_registry", {"name": "Grace Kim", "email": "grace.kim@gmail.com"}),
    ("content_policies", POLICY | {"pattern": "gift card"}),
    ("url_ignore_patterns", {"pattern": "https://unsubscribe.example/*"}),
    ("sending_domain_restrictions", {"domain": "bank.example", "exclude": []}),
]


@pytest.mark.parametrize("section, values, why", REFUSED, ids=str)
def test_what_would_cover_too_many_is_refused(section: str, values: dict[str, object], why: str) -> None:
    """With the line of the file, and before anything is sent."""
    with pytest.raises(Unusable) as wrong:
        compared(json.dumps({section: [values]}))
    (line,) = wrong.value.lines
    assert line.startswith("settings.yaml:1: refused: ")
    assert why in line


@pytest.mark.parametrize("section, values", TAKEN, ids=str)
def test_what_means_somebody_is_taken(section: str, values: dict[str, object]) -> None:
    """A guard that refuses everything would guard nothing."""
    assert len(compared(json.dumps({section: [values]})).changes) == 1


def test_what_is_there_stays_and_may_be_narrowed_but_not_widened() -> None:
    """Who inherits a hole can export it, and make it smaller."""
    old = there("allow_policies", **ALLOW | {"pattern": "gmail.com", "is_trusted_sender": True})
    same = ALLOW | {"pattern": "gmail.com", "is_trusted_sender": True}
    assert compared(json.dumps({"allow_policies": [same]}), old).changes == ()
    narrower = same | {"is_trusted_sender": False, "comments": "to be removed"}
    assert len(compared(json.dumps({"allow_policies": [narrower]}), old).changes) == 1
    for wider in ({"is_exempt_recipient": True}, {"verify_sender": False}):
        with pytest.raises(Unusable, match="public mail provider"):
            compared(json.dumps({"allow_policies": [same | wider]}), old)


@pytest.mark.parametrize("wrong", [{"allowed_delivery_modes": []}, {"drop_dispositions": ["NONE"]}], ids=str)
def test_a_domain_keeps_its_mail(wrong: dict[str, object]) -> None:
    """No edit leaves it without a way in, or drops what is good."""
    domain = there(
        "domains", domain="corp.example", allowed_delivery_modes=("API",), drop_dispositions=("SPAM",)
    )
    with pytest.raises(Unusable, match="refused: "):
        compared(json.dumps({"domains": [{"domain": "corp.example"} | wrong]}), domain)
