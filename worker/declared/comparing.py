"""The plan of one file, made anew from the tenant as often as it is asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from worker.cloudflare import Cloudflare
from worker.declared.document import Document
from worker.declared.entries import Present
from worker.declared.planning import Change, Op, Plan, plan
from worker.declared.tenant import read
from worker.declared.vetting import VETTED, Guard
from worker.errors import UsageError


class Comparer:
    """Remembers what the file says, and the account's own domains."""

    def __init__(
        self, document: Document, delete_made: Collection[str] = (), protected: Collection[str] = ()
    ) -> None:
        self._document = document
        self._made = frozenset(delete_made)
        self._protected = protected
        self._guard = Guard(protected)

    async def plan(self, cloudflare: Cloudflare) -> Plan:
        """Everything that differs now."""
        names = set(self._document.sections)
        tenant = await read(cloudflare, sorted(names | ({"domains"} if names & VETTED else set())))
        self._guard = Guard((*self._protected, *(one.label for one in tenant.get("domains", ()))))
        self._check_made(tenant.values())
        made = plan(self._document, tenant, self._guard, self._made)
        for one in self._made.difference(change.id for change in made.changes if change.op is Op.DELETE):
            raise UsageError(f"--delete-made: the file declares {one!r}; take it out there if it is to go")
        return made

    async def section(self, cloudflare: Cloudflare, name: str) -> Sequence[Change]:
        """What differs now in one section."""
        alone = replace(self._document, sections={name: self._document.sections[name]})
        return plan(alone, await read(cloudflare, [name]), self._guard, self._made).changes

    def _check_made(self, sections: Collection[Sequence[Present]]) -> None:
        found = {one.id for section in sections for one in section if one.made_by}
        for one in self._made - found:
            raise UsageError(
                f"--delete-made: {one!r} is no entry that the worker has made in a section of this file; "
                "`worker settings export` shows those in its comments"
            )
