"""One new entry of each settings resource, and a change to it."""

from __future__ import annotations

from typing import Any, NamedTuple


class Example(NamedTuple):
    """`new` is the body of a POST, `change` that of a PATCH."""

    new: dict[str, Any]
    change: dict[str, Any]


_ALLOW = {
    "pattern": "a@friend.example", "pattern_type": "EMAIL", "is_regex": False, "is_trusted_sender": False,
    "is_exempt_recipient": False, "is_acceptable_sender": True, "verify_sender": True,
}  # fmt: skip
_DOMAIN = {
    "domain": "new.example", "allowed_delivery_modes": ["DIRECT"], "drop_dispositions": [], "ip_restrictions": [],
    "regions": ["GLOBAL"],
}  # fmt: skip

EXAMPLES = {
    "allow_policies": Example(_ALLOW, {"comments": "known", "verify_sender": False}),
    "block_senders": Example(
        {"pattern": "b@foe.example", "pattern_type": "EMAIL", "is_regex": False}, {"pattern": "c@foe.example"}
    ),
    "trusted_domains": Example(
        {"pattern": "ours.example", "is_regex": False, "is_recent": True, "is_similarity": False},
        {"is_similarity": True},
    ),
    "content_policies": Example(
        {"name": "cards", "pattern": "gift", "targets": ["SUBJECT"], "enabled": True}, {"enabled": False}
    ),
    "sending_domain_restrictions": Example({"domain": "bank.example", "exclude": []}, {"exclude": ["a"]}),
    "url_ignore_patterns": Example({"pattern": "https://x.example/*"}, {"comments": "calendar"}),
    "impersonation_registry": Example(
        {"name": "Ada", "email": "ada@corp.example", "is_email_regex": False}, {"email": "ada.o@corp.example"}
    ),
    "domains": Example(_DOMAIN, {"lookback_hops": 3}),
}
