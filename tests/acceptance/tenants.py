"""A simulated tenant as a test sees it: mail and faults go in, effects and requests come out."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession, DummyCookieJar

from tests.acceptance.bench import TOKEN
from worker.simulator import SimulatorConfig, start_simulator
from worker.simulator.rows import to_rfc3339


class Tenant:
    """Speaks to a simulator's levers for tests."""

    def __init__(self, session: ClientSession, origin: str, base_url: str, account_id: str) -> None:
        self._session = session
        self._origin = origin
        self.base_url = base_url
        self.account_id = account_id

    async def mail(self, *verdicts: str, **fields: Any) -> list[str]:
        """Delivers one message for each verdict; returns their investigate ids."""
        default = {
            "client_recipients": ["ann@corp.example"],
            "delivery_status": ["delivered"],
            "is_quarantined": False,
        }
        rows = [default | fields | {"final_disposition": verdict} for verdict in verdicts]
        return [row["id"] for row in await self._call("messages", rows)]

    async def quarantine(self, count: int = 1, **fields: Any) -> list[str]:
        """Puts spam into quarantine; returns the investigate ids."""
        caught: dict[str, Any] = {"delivery_status": ["quarantined"], "is_quarantined": True}
        return await self.mail(*["SPAM"] * count, **caught | fields)

    async def rows(self, *rows: dict[str, Any]) -> list[dict[str, Any]]:
        """Delivers messages from partial rows; returns the full ones."""
        result: list[dict[str, Any]] = await self._call("messages", list(rows))
        return result

    async def faults(self, *faults: dict[str, Any]) -> None:
        """Puts these faults in force instead of all others."""
        await self._call("faults", list(faults))

    async def verdict(self, message: str, disposition: str) -> None:
        await self._call(f"messages/{message}/verdict", {"final_disposition": disposition})

    async def analyst_moves(self, message: str, destination: str) -> None:
        await self._call(f"messages/{message}/analyst-move", {"destination": destination})

    async def vanish(self, message: str) -> None:
        """The message is gone."""
        await self._call(f"messages/{message}", method="DELETE")

    async def release(self, message: str) -> None:
        """Releases a message past the worker, with its token."""
        await self.person("POST", "investigate/release", {"ids": [message]})

    async def person(self, method: str, path: str, body: Any = None) -> Any:
        """Somebody else uses the API, with the worker's token; the result."""
        url = f"{self.base_url}/accounts/{self.account_id}/email-security/{path}"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with self._session.request(method, url, json=body, headers=headers) as response:
            assert response.status in (200, 201), await response.text()
            return (await response.json())["result"]

    async def entries(self, collection: str) -> list[dict[str, Any]]:
        """What the tenant's settings hold, asked for as a person would."""
        found: list[dict[str, Any]] = await self.person("GET", f"settings/{collection}?per_page=1000")
        return found

    async def changes(self) -> list[dict[str, Any]]:
        """Every change of the settings so far, by whomever."""
        found: list[dict[str, Any]] = await self._call("changes")
        return found

    async def report(self, message: str, **fields: Any) -> dict[str, Any]:
        result: dict[str, Any] = await self._call(f"messages/{message}/report", fields)
        return result

    async def token(self, token: str) -> None:
        await self._call("token", {"token": token})

    async def effects(self, *kinds: str) -> Counter[tuple[str, str, str]]:
        """How often each (kind, message, target) truly happened at the API's request."""
        return Counter(
            (one["kind"], one["id"], one["target"])
            for one in await self.deeds()
            if not kinds or one["kind"] in kinds
        )

    async def deeds(self) -> list[dict[str, Any]]:
        """Everything that truly happened at the API's request, each with the number of that request."""
        return [one for one in await self.journal() if one["actor"] == "api"]

    async def journal(self) -> list[dict[str, Any]]:
        """Everything that truly happened to messages, at anybody's request, oldest first."""
        found: list[dict[str, Any]] = await self._call("effects")
        return found

    async def folder(self, message: str) -> str:
        """Where a message truly is: where it was moved last, by whomever; else in the Inbox that it was delivered to."""
        moves = [one for one in await self._call("effects") if (one["kind"], one["id"]) == ("move", message)]
        return str(moves[-1]["target"]) if moves else "Inbox"

    async def requests(self, method: str | None = None) -> list[dict[str, Any]]:
        """Every request to the vendor's paths so far."""
        found = (await self._call("requests"))["requests"]
        return [one for one in found if method in (None, one["method"])]

    async def listed(self) -> list[dict[str, Any]]:
        """Every message that there is, as the vendor's API lists it."""
        rows: list[dict[str, Any]] = []
        query = {"detections_only": "false", "per_page": "1000"}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        url = f"{self.base_url}/accounts/{self.account_id}/email-security/investigate"
        while True:
            async with self._session.get(url, params=query, headers=headers) as response:
                answer = await response.json()
            rows += answer["result"]
            if answer["result_info"]["next"] is None:
                return rows
            query["cursor"] = answer["result_info"]["next"]

    async def _call(self, path: str, body: Any = None, *, method: str | None = None) -> Any:
        method = method or ("GET" if body is None else "POST")
        async with self._session.request(method, f"{self._origin}/_simulator/{path}", json=body) as response:
            answer = await response.json()
        assert answer["success"], answer
        return answer["result"]


@asynccontextmanager
async def open_tenant(**settings: Any) -> AsyncIterator[Tenant]:
    """Serves an empty tenant, or one with other settings of `SimulatorConfig`."""
    merged: dict[str, Any] = {"messages": 0, "token": TOKEN} | settings
    config = SimulatorConfig(**merged)
    async with (
        start_simulator(config) as simulator,
        ClientSession(cookie_jar=DummyCookieJar()) as session,
    ):
        yield Tenant(session, simulator.origin, simulator.base_url, simulator.account_id)


def ago(seconds: float, now: float) -> str:
    """A time on the wire."""
    return to_rfc3339(int((now - seconds) * 1000))
