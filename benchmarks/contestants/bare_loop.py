"""The fastest loop that one could write by hand: aiohttp and msgspec, every page and batch committed, no audit.

It commits the intent of every call before the call and the result after it, like the worker, but it has no
playbooks, modes, caps, budget, retries, read-backs or log, and it gives up at the first error.

    bare_loop.py DATABASE [--read-only] [--poll SECONDS]     polls reach back over 10 s, overlapping
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Annotated, Any

import aiohttp
import msgspec
import uvloop

from benchmarks.contestants.policy import wanted

PAGE, BATCH, PARALLEL = 1000, 1000, 16
LOOKBACK, OVERLAP = 86_400.0, 10.0
SCHEMA = """
PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
CREATE TABLE seen (id TEXT PRIMARY KEY, verdict TEXT) WITHOUT ROWID;
CREATE TABLE actions (id TEXT PRIMARY KEY, kind TEXT, target TEXT, state TEXT) WITHOUT ROWID;
"""


class Mail(msgspec.Struct, frozen=True, gc=False):
    """No more of a row than the policy looks at."""

    id: str
    client_recipients: list[str]
    sender: Annotated[str | None, msgspec.Meta()] = msgspec.field(name="from", default=None)
    final_disposition: str | None = None
    delivery_status: list[str] | None = None


class Info(msgspec.Struct):
    """Where the next page is."""

    next: str | None = None


class Page(msgspec.Struct):
    """One page of the list."""

    result: list[Mail]
    result_info: Info


decode = msgspec.json.Decoder(Page).decode


class Loop:
    """Reads, decides, acts."""

    def __init__(self, database: str, session: aiohttp.ClientSession, *, read_only: bool) -> None:
        self._session = session
        self._read_only = read_only
        self._thread = ThreadPoolExecutor(1)
        self._db = sqlite3.connect(database, check_same_thread=False)
        self._db.executescript(SCHEMA)
        self._lanes: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._slots = asyncio.Semaphore(PARALLEL)

    async def poll(self, start: float) -> None:
        """Everything from `start` to now: the next page is under way while this one is worked on."""
        window = {
            "start": iso(start),
            "end": iso(time.time()),
            "per_page": str(PAGE),
            "detections_only": "false",
        }
        async with asyncio.TaskGroup() as group:
            coming = group.create_task(self._page(window))
            cursor: str | None = ""
            while cursor is not None:
                page = await coming
                cursor = page.result_info.next
                if cursor is not None:
                    coming = group.create_task(self._page(window | {"cursor": cursor}))
                await self._take(page.result)
                self._send(group, BATCH)
            self._send(group, 1)

    async def _page(self, query: dict[str, str]) -> Page:
        async with self._session.get("investigate", params=query) as answer:
            answer.raise_for_status()
            return decode(await answer.read())

    async def _take(self, rows: Sequence[Mail]) -> None:
        unseen = await self._run(self._see, rows)
        actions = []
        for mail in unseen:
            action = wanted(
                mail.final_disposition, mail.delivery_status or (), mail.sender, mail.client_recipients
            )
            if action is not None and not self._read_only:
                actions.append((mail.id, *action))
                self._lanes[action].append(mail.id)
        await self._run(self._record, unseen, actions)

    def _see(self, rows: Sequence[Mail]) -> Sequence[Mail]:
        marks = ",".join("?" * len(rows))
        query = f"SELECT id, verdict FROM seen WHERE id IN ({marks})"  # noqa: S608 - only question marks
        known = dict(self._db.execute(query, [mail.id for mail in rows]))
        return [mail for mail in rows if known.get(mail.id, "") != mail.final_disposition]

    def _record(self, rows: Sequence[Mail], actions: Sequence[tuple[str, str, str]]) -> None:
        with self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO seen VALUES (?, ?)",
                [(mail.id, mail.final_disposition) for mail in rows],
            )
            self._db.executemany("INSERT OR IGNORE INTO actions VALUES (?, ?, ?, 'ready')", actions)

    def _send(self, group: asyncio.TaskGroup, least: int) -> None:
        for (kind, target), ids in self._lanes.items():
            while len(ids) >= least:
                batch, ids[:] = ids[:BATCH], ids[BATCH:]
                send = self._move if kind == "move" else self._reclassify
                group.create_task(send(batch, target))

    async def _move(self, ids: Sequence[str], target: str) -> None:
        await self._run(self._mark, ids, "submitted")
        await self._post("investigate/move", {"destination": target, "ids": ids})
        await self._run(self._mark, ids, "done")

    async def _reclassify(self, ids: Sequence[str], target: str) -> None:
        await self._run(self._mark, ids, "submitted")
        body = {"expected_disposition": target}
        await asyncio.gather(*(self._post(f"investigate/{name}/reclassify", body) for name in ids))
        await self._run(self._mark, ids, "done")

    async def _post(self, path: str, body: object) -> None:
        headers = {"Content-Type": "application/json"}
        async with (
            self._slots,
            self._session.post(path, data=msgspec.json.encode(body), headers=headers) as answer,
        ):
            answer.raise_for_status()
            await answer.read()

    def _mark(self, ids: Iterable[str], state: str) -> None:
        with self._db:
            self._db.executemany("UPDATE actions SET state = ? WHERE id = ?", [(state, name) for name in ids])

    async def _run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)


def iso(seconds: float) -> str:
    """RFC 3339 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


async def main(database: str, options: Sequence[str]) -> None:
    """Once over the last day, or every so many seconds until SIGTERM."""
    base, account = os.environ["CLOUDFLARE_BASE_URL"], os.environ["CLOUDFLARE_ACCOUNT_ID"]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with aiohttp.ClientSession(
        f"{base}/accounts/{account}/email-security/",
        headers={"Authorization": f"Bearer {os.environ['CLOUDFLARE_API_TOKEN']}"},
        connector=aiohttp.TCPConnector(limit=PARALLEL),
    ) as session:
        loop = Loop(database, session, read_only="--read-only" in options)
        started = time.time()
        await loop.poll(started - LOOKBACK)
        if "--poll" not in options:
            return
        interval = float(options[options.index("--poll") + 1])
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), max(0.0, started + interval - time.time()))
            except TimeoutError:
                previous, started = started, time.time()
                await loop.poll(previous - OVERLAP)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2:]))
