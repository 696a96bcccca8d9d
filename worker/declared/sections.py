"""The sections of a settings file: one for each collection of the tenant's settings, under the API's own names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any

from msgspec import UNSET
from msgspec.structs import fields as struct_fields

from worker.cloudflare.bodies import Body
from worker.cloudflare.settings import (
    allow_policies,
    block_senders,
    content_policies,
    domains,
    impersonation_registry,
    sending_domain_restrictions,
    trusted_domains,
    url_ignore_patterns,
)

FROM_ELSEWHERE = "UNKNOWN"
"""A pattern type that entries from before may have, and no new one can."""


class Batch(StrEnum):
    """What of a collection can be changed in one request."""

    ALL = "all"
    DELETES = "deletes"
    NONE = "none"


@dataclass(frozen=True)
class Section:
    """One collection: what its entries are recognised by, and what is sent for them."""

    name: str
    key: tuple[str, ...]
    """Fields that make two entries the same; never edited: another key is another entry."""
    new: type[Body]
    change: type[Body]
    batch: Batch = Batch.NONE
    remark: str = "comments"
    """The field for people's words."""
    ignores_case: bool = True
    """Whether keys are compared without case, regular expressions aside."""
    edit_only: bool = False
    """Whether entries are neither made nor deleted here."""
    atomic: bool = True
    """Whether a batch that is refused has done nothing."""
    left_out: frozenset[str] = frozenset()
    """Fields of the API that are no matter of a file."""

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """What an entry may say, the key first."""
        rest = (one for one in self.new.__struct_fields__ if one not in {*self.key, *self.left_out})
        return (*self.key, *rest)

    @cached_property
    def required(self) -> tuple[str, ...]:
        """What a new entry must say."""
        known = {one.name: one for one in struct_fields(self.new)}
        return tuple(name for name in self.fields if known[name].required and name not in self.defaults)

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """What part of a key is where a file does not say it."""
        return MappingProxyType({one: False for one in self.key if one in {"is_regex", "is_email_regex"}})

    def is_regex(self, values: Mapping[str, Any]) -> bool:
        """Whether the entry's pattern is a regular expression."""
        return bool(values.get("is_regex") or values.get("is_email_regex"))

    def key_of(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """What the entry is recognised by."""
        fold = self.ignores_case and not self.is_regex(values)
        return tuple(
            one.casefold() if fold and isinstance(one, str) else one
            for one in (normal(values.get(name, self.defaults.get(name))) for name in self.key)
        )

    def label(self, values: Mapping[str, Any]) -> str:
        """The entry's name for people."""
        told = " ".join(str(values[one]) for one in self.key if isinstance(values.get(one), str))
        return f"{told} (regular expression)" if self.is_regex(values) else told


def normal(value: Any) -> Any:
    """A value as it is compared: nothing said is an empty text or no, and the order of a list means nothing."""
    if isinstance(value, tuple | list):
        return tuple(sorted(value))
    return None if value in ("", False, UNSET) else value


SECTIONS = MappingProxyType(
    {
        one.name: one
        for one in (
            Section(
                "allow_policies",
                ("pattern", "pattern_type", "is_regex"),
                allow_policies.NewAllowPolicy,
                allow_policies.AllowPolicyChange,
                Batch.ALL,
            ),
            Section(
                "block_senders",
                ("pattern", "pattern_type", "is_regex"),
                block_senders.NewBlockSender,
                block_senders.BlockSenderChange,
                Batch.ALL,
            ),
            Section(
                "trusted_domains",
                ("pattern", "is_regex"),
                trusted_domains.NewTrustedDomain,
                trusted_domains.TrustedDomainChange,
                Batch.ALL,
            ),
            Section(
                "impersonation_registry",
                ("name", "email", "is_email_regex"),
                impersonation_registry.NewProtectedIdentity,
                impersonation_registry.ProtectedIdentityChange,
                left_out=frozenset({"provenance", "directory_id", "directory_node_id"}),
            ),
            Section(
                "content_policies",
                ("name",),
                content_policies.NewContentPolicy,
                content_policies.ContentPolicyChange,
                Batch.ALL,
                remark="notes",
                ignores_case=False,
            ),
            Section(
                "url_ignore_patterns",
                ("pattern",),
                url_ignore_patterns.NewUrlIgnorePattern,
                url_ignore_patterns.UrlIgnorePatternChange,
                ignores_case=False,
            ),
            Section(
                "sending_domain_restrictions",
                ("domain",),
                sending_domain_restrictions.NewSendingDomainRestriction,
                sending_domain_restrictions.SendingDomainRestrictionChange,
                Batch.DELETES,
            ),
            Section(
                "domains",
                ("domain",),
                domains.NewDomain,
                domains.DomainChange,
                Batch.ALL,
                remark="",
                edit_only=True,
                atomic=False,
            ),
        )
    }
)
"""In the order in which they are shown and applied."""
