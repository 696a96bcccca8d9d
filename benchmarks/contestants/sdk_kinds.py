"""One kind of action on every spam of the last day, as one writes it with the vendor's own SDK.

sdk_kinds.py DATABASE (which it ignores) KIND
"""

from __future__ import annotations

import asyncio
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import uvloop
from cloudflare import AsyncCloudflare

PAGE, BATCH, PARALLEL = 1000, 1000, 16
LOOKBACK = timedelta(days=1)


async def main(kind: str) -> None:
    """Reads, then acts: what takes many messages gets a thousand."""
    account = os.environ["CLOUDFLARE_ACCOUNT_ID"]
    token, base = os.environ["CLOUDFLARE_API_TOKEN"], os.environ["CLOUDFLARE_BASE_URL"]
    async with AsyncCloudflare(api_token=token, base_url=base, max_retries=0) as client:
        investigate = client.email_security.investigate
        wanted = [row async for row in spam(investigate, account) if kind != "release" or row.is_quarantined]
        ids = [row.id for row in wanted]
        slots = asyncio.Semaphore(PARALLEL)

        async def reclassify(name: str) -> None:
            async with slots:
                await investigate.reclassify.create(name, account_id=account, expected_disposition="NONE")

        if kind == "move":
            for some in _batches(ids):
                await investigate.move.bulk(account_id=account, destination="JunkEmail", ids=some)
        elif kind == "release":
            for some in _batches(ids):
                await investigate.release.bulk(account_id=account, ids=some)
        else:
            # Submissions are in no SDK: the older endpoint is what there is.
            await asyncio.gather(*map(reclassify, ids))


async def spam(investigate: Any, account: str) -> Any:
    """Every spam of the last day."""
    now = datetime.now(UTC)
    query: dict[str, Any] = {
        "account_id": account,
        "start": now - LOOKBACK,
        "end": now,
        "per_page": PAGE,
        "detections_only": False,
    }
    while True:
        page = await investigate.list(**query)
        for row in page.result:
            if row.final_disposition == "SPAM":
                yield row
        # The SDK's own paging counts pages, which this list ignores.
        query["cursor"] = ((page.result_info and page.result_info.model_extra) or {}).get("next")
        if query["cursor"] is None:
            return


def _batches(ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), BATCH):
        yield list(ids[start : start + BATCH])


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)
    uvloop.run(main(sys.argv[2]))
