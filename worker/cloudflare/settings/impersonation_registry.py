"""People whose name others must not bear (API reference, Email Security, Impersonation registry)."""

from __future__ import annotations

from typing import Literal, Unpack

from msgspec import UNSET, UnsetType

from worker.cloudflare.bodies import Body, Comment, Filled
from worker.cloudflare.collection import Collection, Sorted
from worker.cloudflare.listing import Listing
from worker.cloudflare.wire import Setting
from worker.ports import Lane

Provenance = Literal["A1S_INTERNAL", "SNOOPY-CASB_OFFICE_365", "SNOOPY-OFFICE_365", "SNOOPY-GOOGLE_DIRECTORY"]
"""A1S_INTERNAL: entered by hand. The others come from a directory and cannot be edited."""


class ProtectedIdentity(Setting, frozen=True, kw_only=True):
    """One person."""

    name: str | None = None
    email: str | None = None
    is_email_regex: bool | None = None
    provenance: str | None = None
    directory_id: int | None = None
    directory_node_id: int | None = None
    comments: str | None = None


class NewProtectedIdentity(Body, frozen=True, kw_only=True):
    """What a person needs."""

    name: Filled
    email: Filled
    is_email_regex: bool
    comments: Comment | UnsetType | None = UNSET
    provenance: Provenance | UnsetType | None = UNSET
    directory_id: int | UnsetType | None = UNSET
    directory_node_id: int | UnsetType | None = UNSET


class ProtectedIdentityChange(Body, frozen=True, kw_only=True):
    """What of it is to change."""

    name: Filled | UnsetType = UNSET
    email: Filled | UnsetType = UNSET
    is_email_regex: bool | UnsetType = UNSET
    comments: Comment | UnsetType | None = UNSET
    provenance: Provenance | UnsetType | None = UNSET
    directory_id: int | UnsetType | None = UNSET
    directory_node_id: int | UnsetType | None = UNSET


class ProtectedIdentityQuery(Sorted, total=False):
    """Filters."""

    order: Literal["name", "email", "created_at"]
    provenance: Provenance


class ImpersonationRegistry(Collection[ProtectedIdentity, NewProtectedIdentity, ProtectedIdentityChange]):
    """`settings.impersonation_registry`; it has no batch."""

    path, row = "settings/impersonation_registry", ProtectedIdentity

    def list(self, *, lane: Lane, **query: Unpack[ProtectedIdentityQuery]) -> Listing[ProtectedIdentity]:
        """Awaited a page, iterated all."""
        return self._list(query, lane)
