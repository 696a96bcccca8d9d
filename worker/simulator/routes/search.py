"""`GET investigate`, also where it takes its time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus

from aiohttp import web
from msgspec import structs

from worker.simulator import query
from worker.simulator.envelope import answer, page, unknown_id
from worker.simulator.faults import Fault
from worker.simulator.gate import FAULT, Route
from worker.simulator.paging import cursor_info
from worker.simulator.reading import decode_params
from worker.simulator.tenant import Tenant


class SearchRoutes:
    """Lists messages; no page is longer than `largest_page`, whatever is asked for."""

    def __init__(self, tenant: Tenant, largest_page: int) -> None:
        self._tenant = tenant
        self._largest_page = largest_page
        self._searches: dict[str, tuple[int, query.ListParams]] = {}
        """Slow searches by their number: how often they still answer 202, and what they look for."""

    def routes(self) -> Iterator[Route]:
        """The search, and the place where a slow one is waited for."""
        yield Route("GET", "investigate", "list", self.list_messages)
        yield Route("GET", "investigate/searches/{search}", "search", self.get_search)

    async def list_messages(self, request: web.Request) -> web.Response:
        """`GET investigate`."""
        params = decode_params(request.query, query.ListParams)
        fault = request.get(FAULT)
        if fault is not None and fault.kind == "202":
            return self._open_search(request, fault, params)
        return self._list(params, fault)

    async def get_search(self, request: web.Request) -> web.Response:
        """The Location of a slow search: 202 until it is done."""
        number = request.match_info["search"]
        if number not in self._searches:
            raise unknown_id(number)
        polls, params = self._searches[number]
        if polls == 0:
            return self._list(params, None)
        self._searches[number] = polls - 1, params
        return answer([], status=HTTPStatus.ACCEPTED, headers={"Location": str(request.url)})

    def _list(self, params: query.ListParams, fault: Fault | None) -> web.Response:
        if params.per_page > self._largest_page:
            params = structs.replace(params, per_page=self._largest_page)
        messages, following = query.list_page(self._tenant, params)
        rows = [self._tenant.wire(message) for message in messages]
        if fault is not None and fault.kind == "poison":
            rows = _poisoned(rows, fault)
        if fault is not None and fault.kind == "cursor_loop" and following is not None:
            following = params.cursor or following
        return page(rows, cursor_info(len(rows), params.per_page, following))

    def _open_search(self, request: web.Request, fault: Fault, params: query.ListParams) -> web.Response:
        number = str(len(self._searches) + 1)
        self._searches[number] = fault.polls, params
        location = fault.location or str(request.url.with_query(None) / "searches" / number)
        return answer([], status=HTTPStatus.ACCEPTED, headers={"Location": location})


def _poisoned(rows: list[bytes], fault: Fault) -> list[bytes]:
    """The page with a row that is no message in front, or with its first row spoiled."""
    match fault.poison:
        case "types":
            return [b'{"id":7,"client_recipients":"all","scanned_at":false}', *rows]
        case "missing":
            return [b'{"subject":"a row without an id"}', *rows]
        case "surrogate":
            change: dict[str, object] = {"subject": "broken \ud800 subject"}
        case "enum":
            change = {"final_disposition": "NOVEL"}
        case _:
            change = {"score": float("nan")}
    # The standard library writes lone surrogates and NaN; msgspec refuses both.
    return [json.dumps(json.loads(row) | change).encode() for row in rows[:1]] + rows[1:]
