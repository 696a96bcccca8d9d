"""The vendor's routes below `/client/v4`: each reads the request, asks the tenant and wraps the answer."""

from __future__ import annotations

import json
from http import HTTPStatus
from itertools import chain
from typing import Annotated

import msgspec
from aiohttp import web

from . import actions, query
from .envelope import answer, page, unknown_id
from .faults import Fault, PathClass
from .gate import FAULT, NUMBER, Gate, Handler, Route
from .paging import number_page
from .reading import decode_body, decode_params
from .rows import Destination, Disposition, ReleaseRow, Report, Submission
from .settings.routes import SettingsRoutes
from .tenant import Message, Tenant

PREFIX = "/client/v4"
_ENCODER = msgspec.json.Encoder()
_MAX_BODY = 64 * 1024 * 1024


class MoveBody(msgspec.Struct):
    """Body of `POST investigate/{id}/move`."""

    destination: Destination


class BulkMoveBody(MoveBody):
    """Body of `POST investigate/move`."""

    ids: Annotated[list[str], msgspec.Meta(min_length=1, max_length=1000)]


class ReleaseBody(msgspec.Struct):
    """Body of `POST investigate/release`."""

    ids: Annotated[list[str], msgspec.Meta(min_length=1)]


class ReclassifyBody(msgspec.Struct):
    """Body of `POST investigate/{id}/reclassify`."""

    expected_disposition: Disposition
    eml_content: str | None = None
    escalated_submission_id: str | None = None


class GetParams(msgspec.Struct):
    """Parameters of `GET investigate/{id}`."""

    submission: bool = False


class VendorApi:
    """The Email Security endpoints of one tenant, with the gate that every request passes."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._searches: dict[str, tuple[int, query.ListParams]] = {}
        """Slow searches by their number: how often they still answer 202, and what they look for."""
        mail: tuple[tuple[str, str, PathClass, Handler], ...] = (
            ("GET", "investigate", "list", self.list_messages),
            ("GET", "investigate/searches/{search}", "search", self.get_search),
            ("GET", "investigate/{id}", "get", self.get_message),
            ("GET", "investigate/{id}/action_log", "action_log", self.get_action_log),
            ("POST", "investigate/move", "move", self.move_messages),
            ("POST", "investigate/{id}/move", "move", self.move_message),
            ("POST", "investigate/release", "release", self.release_messages),
            ("POST", "investigate/{id}/reclassify", "reclassify", self.reclassify_message),
            ("GET", "submissions", "submissions", self.list_submissions),
            ("GET", "phishguard/reports", "reports", self.list_reports),
        )
        settings = (
            SettingsRoutes(collection, deprecated=tenant.config.deprecated).routes()
            for collection in tenant.settings.values()
        )
        # The mail first: the router goes through them one after another.
        self._routes = (*(Route(*one) for one in mail), *chain.from_iterable(settings))
        self.gate = Gate(
            tenant, {route.handler: route.path_class for route in self._routes} | {self.verify: "verify"}
        )

    def application(self) -> web.Application:
        """The routes as an application to be mounted below `PREFIX`."""
        app = web.Application(middlewares=[self.gate.answer], client_max_size=_MAX_BODY)
        for method, path, _, handler in self._routes:
            app.router.add_route(method, f"/accounts/{{account_id}}/email-security/{path}", handler)
        app.router.add_route("GET", "/user/tokens/verify", self.verify)
        app.router.add_route("GET", "/accounts/{account_id}/tokens/verify", self.verify)
        return app

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

    async def get_message(self, request: web.Request) -> web.Response:
        """`GET investigate/{id}`: searches only the datastore asked for, mail or submissions."""
        params = decode_params(request.query, GetParams)
        message = self._message(request)
        if message.row.is_phish_submission != params.submission:
            raise unknown_id(message.row.id)
        return answer(msgspec.Raw(self._tenant.wire(message)))

    async def get_action_log(self, request: web.Request) -> web.Response:
        """`GET investigate/{id}/action_log`, oldest first."""
        params = decode_params(request.query, query.PageParams)
        now = self._tenant.now
        entries = [entry for visible_at, entry in self._message(request).log if visible_at <= now]
        rows, info = number_page(entries, params)
        return page(map(_ENCODER.encode, rows), info)

    async def move_message(self, request: web.Request) -> web.Response:
        """`POST investigate/{id}/move`."""
        body = await decode_body(request, MoveBody)
        return self._move(request, [self._message(request)], body.destination)

    async def move_messages(self, request: web.Request) -> web.Response:
        """`POST investigate/move`; an unknown id gets no row, unless all are unknown."""
        body = await decode_body(request, BulkMoveBody)
        found = [
            self._tenant.messages[name] for name in dict.fromkeys(body.ids) if name in self._tenant.messages
        ]
        if not found:
            raise unknown_id(body.ids[0])
        return self._move(request, found, body.destination)

    async def release_messages(self, request: web.Request) -> web.Response:
        """`POST investigate/release`; an unknown id gets a row of nulls."""
        ids = await self._release_ids(request)
        fault = request.get(FAULT)
        rows = []
        for name in dict.fromkeys(ids):
            message = self._tenant.messages.get(name)
            if message is None:
                rows.append(ReleaseRow(id=name))
                continue
            failing = self.gate.faults.victims(fault, message.row.client_recipients)
            rows.append(actions.release(self._tenant, message, _cause(request), failing))
        return answer(rows)

    async def reclassify_message(self, request: web.Request) -> web.Response:
        """`POST investigate/{id}/reclassify`: accepted, with nothing to recognise the submission by."""
        body = await decode_body(request, ReclassifyBody)
        actions.reclassify(
            self._tenant,
            self._message(request),
            body.expected_disposition,
            _cause(request),
            escalates=body.escalated_submission_id,
        )
        return answer({}, status=HTTPStatus.ACCEPTED)

    async def list_submissions(self, request: web.Request) -> web.Response:
        """`GET submissions`."""
        params = decode_params(request.query, query.SubmissionParams)
        rows, info = number_page(query.submissions(self._tenant, params), params)
        return page((self._legacy(row, requested_ts=row.requested_at) for row in rows), info)

    async def list_reports(self, request: web.Request) -> web.Response:
        """`GET phishguard/reports`."""
        params = decode_params(request.query, query.PageParams)
        rows, info = number_page(query.reports(self._tenant, params), params)
        return page((self._legacy(row, ts=row.created_at) for row in rows), info)

    async def verify(self, _request: web.Request) -> web.Response:
        """`GET user/tokens/verify` and `GET accounts/{account_id}/tokens/verify`."""
        return answer({"id": f"{self._tenant.config.seed:032x}", "status": "active"})

    def _list(self, params: query.ListParams, fault: Fault | None) -> web.Response:
        messages, following = query.list_page(self._tenant, params)
        rows = [self._tenant.wire(message) for message in messages]
        if fault is not None and fault.kind == "poison":
            rows = _poisoned(rows, fault)
        if fault is not None and fault.kind == "cursor_loop" and following is not None:
            following = params.cursor or following
        info = {"count": len(rows), "per_page": params.per_page, "next": following, "previous": None}
        return page(rows, info | {"page": 0, "total_count": 0})

    def _open_search(self, request: web.Request, fault: Fault, params: query.ListParams) -> web.Response:
        number = str(len(self._searches) + 1)
        self._searches[number] = fault.polls, params
        location = fault.location or str(request.url.with_query(None) / "searches" / number)
        return answer([], status=HTTPStatus.ACCEPTED, headers={"Location": location})

    def _move(self, request: web.Request, messages: list[Message], destination: Destination) -> web.Response:
        fault = request.get(FAULT)
        rows = []
        for message in messages:
            failing = self.gate.faults.victims(fault, message.row.client_recipients)
            rows += actions.move(self._tenant, message, destination, _cause(request), failing)
        return answer(rows)

    async def _release_ids(self, request: web.Request) -> list[str]:
        if self._tenant.config.release_array and (await request.read()).lstrip().startswith(b"["):
            return await decode_body(request, list[str])
        return (await decode_body(request, ReleaseBody)).ids

    def _message(self, request: web.Request) -> Message:
        name = request.match_info["id"]
        try:
            return self._tenant.messages[name]
        except KeyError:
            raise unknown_id(name) from None

    def _legacy(self, row: Submission | Report, **deprecated: str) -> bytes:
        if not self._tenant.config.deprecated:
            return _ENCODER.encode(row)
        return _ENCODER.encode(msgspec.to_builtins(row) | deprecated)


def _cause(request: web.Request) -> actions.Cause:
    return actions.Cause("api", request[NUMBER])


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
