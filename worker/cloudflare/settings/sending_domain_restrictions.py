"""Domains that must send over TLS, or their mail is dropped (API reference, Sending domain restrictions)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Unpack

from msgspec import UNSET, UnsetType

from worker.cloudflare import rows
from worker.cloudflare.bodies import Body, Comment, Filled
from worker.cloudflare.collection import NAMED, Collection, Sorted, send_batch
from worker.cloudflare.listing import Listing
from worker.cloudflare.wire import Setting
from worker.ports import Lane


class SendingDomainRestriction(Setting, frozen=True, kw_only=True):
    """One domain, and the parts of it that are excluded."""

    domain: str | None = None
    exclude: tuple[str, ...] = ()
    comments: str | None = None


class NewSendingDomainRestriction(Body, frozen=True, kw_only=True):
    """What a restriction needs."""

    domain: Filled
    exclude: tuple[Filled, ...]
    comments: Comment | UnsetType | None = UNSET


class SendingDomainRestrictionChange(Body, frozen=True, kw_only=True):
    """What of it is to change."""

    domain: Filled | UnsetType = UNSET
    exclude: tuple[Filled, ...] | UnsetType = UNSET
    comments: Comment | UnsetType | None = UNSET


class SendingDomainRestrictionQuery(Sorted, total=False):
    """Filters."""

    order: Literal["domain", "created_at"]


class SendingDomainRestrictions(
    Collection[SendingDomainRestriction, NewSendingDomainRestriction, SendingDomainRestrictionChange]
):
    """`settings.sending_domain_restrictions`; its batch can only delete."""

    path, row = "settings/sending_domain_restrictions", SendingDomainRestriction

    def list(
        self, *, lane: Lane, **query: Unpack[SendingDomainRestrictionQuery]
    ) -> Listing[SendingDomainRestriction]:
        """Awaited a page, iterated all."""
        return self._list(query, lane)

    async def batch(self, *, deletes: Sequence[str], lane: Lane | None) -> tuple[str, ...]:
        """Deletes 1 to 1,000 rows, and returns the ids that the API shows as gone."""
        body = {"deletes": [{"id": one} for one in deletes]}
        answer = await send_batch(self._transport, self._all("POST", "/batch"), body, lane)
        groups = rows.read_groups(answer, {"deletes": NAMED})
        return tuple(one.id for one in rows.whole(answer, groups["deletes"]))
