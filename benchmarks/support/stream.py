"""A vendor without a memory: it makes its mail up from the time that is asked for, so that a million weigh nothing.

stream.py --rate N --total N [--share S]; prints one JSON line `{base_url, account_id, token}` when it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from datetime import UTC, datetime

from aiohttp import web

ACCOUNT = "0123456789abcdef0123456789abcdef"
FAMILIES = 97
"""Senders and subjects repeat, as they do."""


class Stream:
    """Message `n` is scanned `n / rate` seconds after the start."""

    def __init__(self, rate: float, total: int, share: float) -> None:
        self._rate = rate
        self._total = total
        self._every = round(1 / share)
        self._began = time.time()
        self.shown = 0
        """Messages that were listed at least once."""
        self.moved = 0

    def application(self) -> web.Application:
        """The paths that a worker asks for."""
        app = web.Application(client_max_size=2**24)
        resource = f"/client/v4/accounts/{ACCOUNT}/email-security"
        app.router.add_get(f"{resource}/investigate", self._list)
        app.router.add_post(f"{resource}/investigate/move", self._move)
        app.router.add_get(f"{resource}/phishguard/reports", self._nothing)
        app.router.add_get("/shown", self._shown)
        return app

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        start, end = (datetime.fromisoformat(query[name]).timestamp() for name in ("start", "end"))
        size = int(query.get("per_page", "1000"))
        first = int(query.get("cursor") or max(0, int((start - self._began) * self._rate) + 1))
        last = min(self._total, int((end - self._began) * self._rate) + 1)
        upto = max(first, min(first + size, last))
        rows = [self._row(number) for number in range(first, upto)]
        self.shown = max(self.shown, upto)
        info = {"count": len(rows), "per_page": size, "next": str(upto) if upto < last else None}
        return web.json_response(
            {"success": True, "errors": [], "messages": [], "result": rows, "result_info": info}
        )

    def _row(self, number: int) -> dict[str, object]:
        at = datetime.fromtimestamp(self._began + number / self._rate, UTC).isoformat()
        family = number % FAMILIES
        postfix = f"P{number:015d}"
        return {
            "id": f"{postfix}-2026-11-20T00:00:00-{number:08d}",
            "postfix_id": postfix,
            "alert_id": f"{postfix}-2026-11-20T00:00:00",
            "message_id": f"<{number}.{family}@mail{family}.example>",
            "subject": f"Invoice {number} of your order at shop {family}, please look at once",
            "from": f"sender{family}@mail{family}.example",
            "from_name": f"Shop {family}",
            "to": ["ann@corp.example"],
            "client_recipients": ["ann@corp.example"],
            "envelope_from": f"bounce@mail{family}.example",
            "envelope_to": ["ann@corp.example"],
            "final_disposition": "MALICIOUS" if number % self._every == 0 else "NONE",
            "delivery_status": ["delivered"],
            "delivery_mode": "API",
            "is_quarantined": False,
            "is_phish_submission": False,
            "detection_reasons": ["a sender of low reputation", f"a link to shop{family}.example"],
            "threat_categories": ["CredentialHarvester"],
            "validation": {"dkim": "pass", "dmarc": "fail", "spf": "pass", "comment": None},
            "scanned_at": at,
            "sent_at": at,
        }

    async def _move(self, request: web.Request) -> web.Response:
        asked = await request.json()
        rows = []
        for one in asked["ids"]:
            number = int(one.rpartition("-")[2])
            rows.append(
                {
                    "success": True,
                    "message_id": f"{number}.{number % FAMILIES}@mail{number % FAMILIES}.example",
                    "recipient": "ann@corp.example",
                    "destination": asked["destination"],
                    "operation": "MOVE",
                }
            )
        self.moved += len(rows)
        return web.json_response({"success": True, "errors": [], "messages": [], "result": rows})

    async def _nothing(self, _: web.Request) -> web.Response:
        info = {"count": 0, "page": 1, "per_page": 1000, "total_count": 0}
        return web.json_response(
            {"success": True, "errors": [], "messages": [], "result": [], "result_info": info}
        )

    async def _shown(self, _: web.Request) -> web.Response:
        return web.json_response({"shown": self.shown, "moved": self.moved})


async def serve(stream: Stream) -> None:
    """On a free port of loopback, until it is ended."""
    runner = web.AppRunner(stream.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    ready = {"base_url": f"http://127.0.0.1:{port}/client/v4", "account_id": ACCOUNT, "token": "stream-token"}
    print(json.dumps(ready), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--total", type=int, required=True)
    parser.add_argument("--share", type=float, default=0.01)
    chosen = parser.parse_args()
    asyncio.run(serve(Stream(chosen.rate, chosen.total, chosen.share)))


if __name__ == "__main__":
    main()
