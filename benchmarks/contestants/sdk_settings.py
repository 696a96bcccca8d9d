"""One entry of the settings for every spam of the last day, with the vendor's own SDK, a thousand a request where it can.

sdk_settings.py DATABASE (which it ignores) KIND
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import uvloop
from cloudflare import AsyncCloudflare

from benchmarks.contestants.sdk_kinds import BATCH, PARALLEL, spam

EMPTY: dict[str, list[Any]] = {"deletes": [], "patches": [], "puts": [], "posts": []}


async def main(kind: str) -> None:
    """Reads, then makes or deletes entries."""
    account = os.environ["CLOUDFLARE_ACCOUNT_ID"]
    token, base = os.environ["CLOUDFLARE_API_TOKEN"], os.environ["CLOUDFLARE_BASE_URL"]
    async with AsyncCloudflare(api_token=token, base_url=base, max_retries=0) as client:
        security = client.email_security
        names = [row.postfix_id.lower() async for row in spam(security.investigate, account)]
        settings: Any = security.settings
        if kind == "protect":
            await _protect(settings, account, names)
        elif kind in ("unblock", "undo"):
            if kind == "undo":
                await _batches(
                    settings.block_senders, account, "posts", [_entry("block", one) for one in names]
                )
            ids = await _ids(settings.block_senders, account, names)
            await _batches(settings.block_senders, account, "deletes", [{"id": one} for one in ids])
        else:
            collection = {"block": "block_senders", "allow": "allow_policies", "trust": "trusted_domains"}[
                kind
            ]
            await _batches(
                getattr(settings, collection), account, "posts", [_entry(kind, one) for one in names]
            )


def _entry(kind: str, name: str) -> dict[str, Any]:
    if kind == "trust":
        return {"pattern": f"{name}.example", "is_regex": False, "is_recent": True, "is_similarity": False}
    entry: dict[str, Any] = {"pattern": f"{name}@spam.example", "pattern_type": "EMAIL", "is_regex": False}
    if kind == "allow":
        entry |= {"is_acceptable_sender": True, "is_trusted_sender": False}
        entry |= {"is_exempt_recipient": False, "verify_sender": True}
    return entry


async def _batches(collection: Any, account: str, name: str, entries: list[Any]) -> None:
    for start in range(0, len(entries), BATCH):
        await collection.batch(account_id=account, **{**EMPTY, name: entries[start : start + BATCH]})


async def _ids(collection: Any, account: str, names: list[str]) -> list[str]:
    """Page by page, each asked for once."""
    wanted, found, number = {f"{one}@spam.example" for one in names}, [], 1
    while rows := (await collection.list(account_id=account, page=number, per_page=1000)).result:
        found += [row.id for row in rows if row.pattern in wanted]
        number += 1
    return found


async def _protect(settings: Any, account: str, names: list[str]) -> None:
    slots = asyncio.Semaphore(PARALLEL)

    async def create(name: str) -> None:
        async with slots:
            await settings.impersonation_registry.create(
                account_id=account, name="A Name", email=f"{name}@corp.example", is_email_regex=False
            )

    await asyncio.gather(*map(create, names))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[2]))
