"""The collections of the tenant's settings that actions add entries to: what is sent, and what makes two alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.cloudflare import CLAIMED, Cloudflare
from worker.cloudflare.settings.allow_policies import NewAllowPolicy
from worker.cloudflare.settings.block_senders import NewBlockSender
from worker.cloudflare.settings.impersonation_registry import NewProtectedIdentity
from worker.cloudflare.settings.trusted_domains import NewTrustedDomain
from worker.model.entries import MARK
from worker.ports import Lane


@dataclass(frozen=True, slots=True)
class Shelf:
    """One collection. `alike` and `flags` are the parameters that are sent for an entry."""

    name: str
    new: type[Any]
    alike: tuple[str, ...]
    """What two entries for the same senders have in common."""
    flags: tuple[str, ...] = ()
    """What they may say differently about them."""
    filtered_by: str = "pattern"
    filter_of: str = "pattern"

    def body(self, params: Mapping[str, Any], comment: str) -> Any:
        """What is sent for one entry."""
        return self.new(**{name: params[name] for name in (*self.alike, *self.flags)}, comments=comment)

    async def create(self, cloudflare: Cloudflare, bodies: Sequence[Any]) -> list[Any]:
        """Sends one request; the entries as far as the answer shows them."""
        collection = getattr(cloudflare.settings, self.name)
        if len(bodies) == 1:
            row = await collection.create(bodies[0], lane=CLAIMED)
            return [] if row is None else [row]
        return list((await collection.batch(posts=bodies, lane=CLAIMED)).posts)

    async def delete(self, cloudflare: Cloudflare, ids: Sequence[str]) -> set[str]:
        """Sends one request; the ids that the answer shows as deleted. What is not there is `Refused` with status 404."""
        collection = getattr(cloudflare.settings, self.name)
        if len(ids) == 1:
            await collection.delete(ids[0], lane=CLAIMED)
            return set(ids)
        return set((await collection.batch(deletes=ids, lane=CLAIMED)).deletes)

    async def get(self, cloudflare: Cloudflare, entry_id: str, lane: Lane) -> Any:
        """One entry. What is not there is `Refused` with status 404."""
        return await getattr(cloudflare.settings, self.name).get(entry_id, lane=lane)

    async def find(self, cloudflare: Cloudflare, params: Mapping[str, Any], lane: Lane) -> list[Any]:
        """The entries for the same senders, and perhaps more: how the vendor's filter compares is not documented."""
        query = {self.filtered_by: params[self.filter_of]}
        return [row async for row in getattr(cloudflare.settings, self.name).list(lane=lane, **query)]

    async def everything(self, cloudflare: Cloudflare, lane: Lane) -> list[Any]:
        """All entries: one request for each thousand."""
        return [row async for row in getattr(cloudflare.settings, self.name).list(lane=lane)]

    def is_of(self, row: Any, action_id: str) -> bool:
        """Whether the entry says that this action has made it."""
        return (row.comments or "").startswith(f"{MARK}{action_id}")

    def is_ours(self, row: Any) -> bool:
        """Whether a worker has made the entry."""
        return (row.comments or "").startswith(MARK)

    def is_as_made(self, row: Any, made: Mapping[str, Any], action_id: str = "") -> bool:
        """Whether nobody has changed the entry since the action made it; cutting the end of its comment is no change.

        What the vendor never showed of its comment nobody can tell anything by.
        """
        said, says = " ".join(made["comments"].split()), " ".join((row.comments or "").split())
        if says and not says.startswith(f"{MARK}{action_id}"):
            return False
        return self.is_same(row, made) and (not said or (bool(says) and said.startswith(says)))

    def maker(self, row: Any) -> str:
        """Whose entry it is, as far as it says."""
        return "the worker" if self.is_ours(row) else "somebody else"

    def told(self, row: Any) -> dict[str, Any]:
        """The entry as the ledger remembers it."""
        return {"id": row.id, **{name: getattr(row, name) for name in (*self.alike, *self.flags)}}

    def is_alike(self, row: Any, params: Mapping[str, Any]) -> bool:
        """Whether the entry is for the same senders."""
        return all(_plain(getattr(row, name)) == _plain(params[name]) for name in self.alike)

    def is_same(self, row: Any, params: Mapping[str, Any]) -> bool:
        """Whether the entry says the same about the same senders."""
        return self.is_alike(row, params) and all(
            bool(getattr(row, name)) == bool(params[name]) for name in self.flags
        )


SHELVES = {
    one.name: one
    for one in (
        Shelf("block_senders", NewBlockSender, ("pattern", "pattern_type", "is_regex")),
        Shelf(
            "allow_policies",
            NewAllowPolicy,
            ("pattern", "pattern_type", "is_regex"),
            ("is_acceptable_sender", "is_trusted_sender", "is_exempt_recipient", "verify_sender"),
        ),
        Shelf("trusted_domains", NewTrustedDomain, ("pattern", "is_regex"), ("is_recent", "is_similarity")),
        Shelf(
            "impersonation_registry",
            NewProtectedIdentity,
            ("email", "name", "is_email_regex"),
            filtered_by="search",
            filter_of="email",
        ),
    )
}


def _plain(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else bool(value)
