"""What the tenant has now: whole collections, because half a list proves nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from worker.cloudflare import Cloudflare
from worker.declared.entries import Present, present
from worker.declared.sections import SECTIONS, Section
from worker.errors import BadAnswer
from worker.ports import Lane


def collection(cloudflare: Cloudflare, section: Section) -> Any:
    """The client's methods for a section."""
    return getattr(cloudflare.settings, section.name)


async def read(cloudflare: Cloudflare, names: Iterable[str]) -> dict[str, Sequence[Present]]:
    """All entries of these sections: one request for each thousand of each.

    Raises:
        VendorError: one could not be read whole.
    """
    return {name: await _rows(cloudflare, SECTIONS[name]) for name in names}


async def _rows(cloudflare: Cloudflare, section: Section) -> Sequence[Present]:
    rows = [present(section, row) async for row in collection(cloudflare, section).list(lane=Lane.POLL)]
    counts = Counter(one.id for one in rows)
    twice = [one for one, count in counts.items() if count > 1]
    if twice:
        raise BadAnswer(
            f"{section.name}: the list shows id {twice[0]} more than once; give the command again"
        )
    return rows
