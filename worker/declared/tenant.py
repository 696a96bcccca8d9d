"""What the tenant has now: whole collections, because half a list proves nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from worker.cloudflare import Cloudflare
from worker.declared.entries import Present, present
from worker.declared.sections import SECTIONS, Section
from worker.ports import Lane


def collection(cloudflare: Cloudflare, section: Section) -> Any:
    """The client's methods for a section."""
    return getattr(cloudflare.settings, section.name)


async def read(cloudflare: Cloudflare, names: Iterable[str]) -> dict[str, Sequence[Present]]:
    """All entries of these sections: one request for each thousand of each.

    Raises:
        VendorError: one could not be read whole.
    """
    return {
        name: [
            present(SECTIONS[name], row)
            async for row in collection(cloudflare, SECTIONS[name]).list(lane=Lane.POLL)
        ]
        for name in names
    }
