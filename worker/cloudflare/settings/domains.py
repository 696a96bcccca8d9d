"""The domains whose mail is processed (API reference, Email Security, Domains). A deleted one is processed no more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Unpack

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from worker.cloudflare import rows
from worker.cloudflare.bodies import Body, Filled, Verdict
from worker.cloudflare.collection import NAMED, Batched, Replaceable, Sorted
from worker.cloudflare.listing import Listing
from worker.cloudflare.wire import Setting
from worker.ports import Lane

DeliveryMode = Literal["DIRECT", "BCC", "JOURNAL", "API", "RETRO_SCAN"]
Region = Literal["GLOBAL", "AU", "DE", "IN", "US"]
Folder = Literal["AllItems", "Inbox"]
Hops = Annotated[int, Meta(ge=1, le=20)]
ALL_OF_THEM = "every domain of this account"


class Authorization(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the mail provider lets the vendor in."""

    authorized: bool | None = None
    timestamp: datetime | None = None
    status_message: str | None = None


class EmailsProcessed(msgspec.Struct, frozen=True, kw_only=True):
    """How much mail the domain has."""

    timestamp: datetime | None = None
    total_emails_processed: int | None = None
    total_emails_processed_previous: int | None = None


class Domain(Setting, frozen=True, kw_only=True):
    """One domain."""

    domain: str | None = None
    status: str | None = None
    """PENDING, ACTIVE, FAILED, TIMEOUT, or what the vendor adds: upper case, however it is sent."""
    allowed_delivery_modes: tuple[str, ...] = ()
    authorization: Authorization | None = None
    dmarc_status: str | None = None
    drop_dispositions: tuple[str, ...] = ()
    emails_processed: EmailsProcessed | None = None
    folder: str | None = None
    inbox_provider: str | None = None
    integration_id: str | None = None
    ip_restrictions: tuple[str, ...] = ()
    lookback_hops: int | None = None
    o365_tenant_id: str | None = None
    regions: tuple[str, ...] = ()
    require_tls_inbound: bool | None = None
    require_tls_outbound: bool | None = None
    spf_status: str | None = None
    transport: str | None = None


class DomainPut(Body, frozen=True, kw_only=True):
    """Everything that can be said of a domain which is there; it keeps its name."""

    allowed_delivery_modes: tuple[DeliveryMode, ...]
    drop_dispositions: tuple[Verdict, ...]
    ip_restrictions: tuple[Filled, ...]
    regions: tuple[Region, ...]
    folder: Folder | UnsetType | None = UNSET
    integration_id: str | UnsetType | None = UNSET
    lookback_hops: Hops | UnsetType | None = UNSET
    require_tls_inbound: bool | UnsetType | None = UNSET
    require_tls_outbound: bool | UnsetType | None = UNSET
    transport: str | UnsetType | None = UNSET


class NewDomain(DomainPut, frozen=True, kw_only=True):
    """What a domain needs."""

    domain: Filled


class DomainChange(Body, frozen=True, kw_only=True):
    """What of it is to change."""

    allowed_delivery_modes: tuple[DeliveryMode, ...] | UnsetType = UNSET
    drop_dispositions: tuple[Verdict, ...] | UnsetType = UNSET
    ip_restrictions: tuple[Filled, ...] | UnsetType = UNSET
    regions: tuple[Region, ...] | UnsetType = UNSET
    folder: Folder | UnsetType | None = UNSET
    integration_id: str | UnsetType | None = UNSET
    lookback_hops: Hops | UnsetType = UNSET
    require_tls_inbound: bool | UnsetType = UNSET
    require_tls_outbound: bool | UnsetType = UNSET
    transport: str | UnsetType = UNSET


class DomainQuery(Sorted, total=False):
    """Filters."""

    order: Literal["domain", "created_at"]
    active_delivery_mode: DeliveryMode
    allowed_delivery_mode: DeliveryMode
    domain: Sequence[str]
    integration_id: str
    status: Literal["PENDING", "ACTIVE", "FAILED", "TIMEOUT"]


class Domains(
    Batched[Domain, NewDomain, DomainChange, DomainPut],
    Replaceable[Domain, NewDomain, DomainChange, DomainPut],
):
    """`settings.domains`."""

    path, row = "settings/domains", Domain

    def list(self, *, lane: Lane, **query: Unpack[DomainQuery]) -> Listing[Domain]:
        """Awaited a page, iterated all."""
        return self._list(query, lane)

    async def bulk_delete(self, *, confirm: str, lane: Lane | None) -> tuple[str, ...]:
        """Deletes every domain of the account, which nothing brings back; the API has deprecated it in favour of `batch`.

        Raises:
            ValueError: `confirm` is not `domains.ALL_OF_THEM`; nothing has been sent.
        """
        if confirm != ALL_OF_THEM:
            raise ValueError(f"this deletes {ALL_OF_THEM}: say so in `confirm`, or name ids in a batch")
        answer = await self._transport.request(self._all("DELETE"), lane=lane)
        return tuple(one.id for one in rows.whole(answer, rows.read_list(answer, NAMED)))

    def _settle(self, row: Domain) -> Domain:
        row = super()._settle(row)
        return replace(row, status=row.status.upper()) if row.status else row
