"""A plain HTTP client for the tests of the simulator; every answer is checked against the contract."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import ClientSession

from tests.simulator import contract
from worker.simulator import Simulator

START = 1_800_000_000.0
"""Where a test's clock starts: 2027-01-15T08:00:00Z."""


class Clock:
    """A clock that only moves when told to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self.now += seconds


@dataclass(frozen=True)
class Answer:
    """What came back, as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The whole body."""
        return json.loads(self.body)

    @property
    def result(self) -> Any:
        """The envelope's result, of an answer that says success."""
        assert self.json["success"] is True, self.body
        return self.json["result"]

    @property
    def error(self) -> tuple[int, int]:
        """Status and the vendor's code of a refusal."""
        assert self.json["success"] is False
        return self.status, self.json["errors"][0]["code"]

    @property
    def info(self) -> Any:
        """The paging part of the envelope."""
        return self.json["result_info"]


class Api:
    """Sends requests to one running simulator."""

    def __init__(self, simulator: Simulator, session: ClientSession) -> None:
        self.simulator = simulator
        self.tenant = simulator.tenant
        self.root = f"/accounts/{simulator.account_id}/email-security"
        self._session = session

    async def send(
        self, method: str, path: str, *, token: str | None = None, valid: bool = True, **options: Any
    ) -> Answer:
        """One request to a path below the base URL; `valid` false leaves the contract aside."""
        headers = {"Authorization": f"Bearer {token or self.simulator.token}"}
        url = self.simulator.base_url + path
        async with self._session.request(method, url, headers=headers, **options) as response:
            answer = Answer(response.status, response.headers, await response.read())
        if valid:
            contract.validate(method, path, answer.status, answer.headers, answer.json)
        return answer

    async def get(self, path: str, *, valid: bool = True, **params: Any) -> Answer:
        """GET below the Email Security prefix; parameters as the vendor names them."""
        query = {name: str(value).lower() if value is True or value is False else str(value)
                 for name, value in params.items()}  # fmt: skip
        return await self.send("GET", f"{self.root}/{path}", valid=valid, params=query)

    async def post(self, path: str, body: object, *, valid: bool = True) -> Answer:
        """POST below the Email Security prefix."""
        return await self.send("POST", f"{self.root}/{path}", valid=valid, json=body)

    async def put(self, path: str, body: object) -> Answer:
        """PUT below the Email Security prefix."""
        return await self.send("PUT", f"{self.root}/{path}", json=body)

    async def patch(self, path: str, body: object) -> Answer:
        """PATCH below the Email Security prefix."""
        return await self.send("PATCH", f"{self.root}/{path}", json=body)

    async def delete(self, path: str) -> Answer:
        """DELETE below the Email Security prefix."""
        return await self.send("DELETE", f"{self.root}/{path}")

    async def admin(self, path: str, body: object = None) -> Any:
        """The result of an admin path: POST with a body, else GET."""
        method = "GET" if body is None else "POST"
        async with self._session.request(
            method, f"{self.simulator.origin}/_simulator/{path}", json=body
        ) as response:
            answer = await response.json()
        assert response.status == HTTPStatus.OK, answer
        return answer["result"]

    async def given(self, **fields: Any) -> str:
        """Adds a message with these fields; its investigate id."""
        rows = await self.admin("messages", [fields])
        return str(rows[0]["id"])

    async def row(self, investigate_id: str) -> Any:
        """A message as the vendor shows it."""
        return (await self.get(f"investigate/{investigate_id}")).result

    async def all_rows(self, **params: Any) -> list[Any]:
        """All rows of a search, cursor by cursor."""
        answer = await self.get("investigate", **params)
        rows = list(answer.result)
        while answer.info["next"]:
            answer = await self.get("investigate", **params | {"cursor": answer.info["next"]})
            rows += answer.result
        return rows


Simulate = Callable[..., Awaitable[Api]]
"""Starts a tenant with these settings of `SimulatorConfig`; see `conftest.simulate`."""
