"""What one writes in an afternoon with the vendor's own SDK: asynchronous, bulk moves, nothing kept on disk.

sdk_loop.py DATABASE (which it ignores)
"""

from __future__ import annotations

import asyncio
import os
import warnings
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import uvloop
from cloudflare import AsyncCloudflare

from benchmarks.contestants.policy import wanted

PAGE, BATCH, PARALLEL = 1000, 1000, 16
LOOKBACK = timedelta(days=1)


async def main() -> None:
    """Reads the last day, then acts."""
    account = os.environ["CLOUDFLARE_ACCOUNT_ID"]
    token, base = os.environ["CLOUDFLARE_API_TOKEN"], os.environ["CLOUDFLARE_BASE_URL"]
    async with AsyncCloudflare(api_token=token, base_url=base, max_retries=0) as client:
        investigate = client.email_security.investigate
        lanes: dict[tuple[str, str], list[str]] = defaultdict(list)
        now = datetime.now(UTC)
        query: dict[str, Any] = {
            "account_id": account,
            "start": now - LOOKBACK,
            "end": now,
            "per_page": PAGE,
            "detections_only": False,
        }
        sending: list[asyncio.Task[None]] = []

        async def move(ids: Sequence[str], target: Any) -> None:
            await investigate.move.bulk(account_id=account, destination=target, ids=list(ids))

        slots = asyncio.Semaphore(PARALLEL)

        async def reclassify(name: str, target: Any) -> None:
            async with slots:
                await investigate.reclassify.create(name, account_id=account, expected_disposition=target)

        def send(least: int) -> None:
            for (kind, target), ids in lanes.items():
                while len(ids) >= least:
                    batch, ids[:] = ids[:BATCH], ids[BATCH:]
                    if kind == "move":
                        sending.append(asyncio.create_task(move(batch, target)))
                    else:
                        sending.extend(asyncio.create_task(reclassify(name, target)) for name in batch)

        more = True
        while more:
            page = await investigate.list(**query)
            for row in page.result:
                action = wanted(
                    row.final_disposition, row.delivery_status or (), row.from_, row.client_recipients
                )
                if action is not None:
                    lanes[action].append(row.id)
            send(BATCH)
            # The SDK's own paging counts pages, which this list ignores.
            query["cursor"] = ((page.result_info and page.result_info.model_extra) or {}).get("next")
            more = query["cursor"] is not None
        send(1)
        await asyncio.gather(*sending)


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)
    uvloop.run(main())
