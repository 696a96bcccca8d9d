"""Moves, releases, reclassifications."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from worker.simulator import actions
from worker.simulator.envelope import answer, unknown_id
from worker.simulator.faults import FaultPlan
from worker.simulator.gate import FAULT, Route
from worker.simulator.reading import decode_body
from worker.simulator.rows import Destination, Disposition, ReleaseRow, Verdict
from worker.simulator.tenant import Message, Tenant

from .common import cause_of, message_of


class MoveBody(msgspec.Struct, kw_only=True):
    """Body of `POST investigate/{id}/move`."""

    destination: Destination
    expected_disposition: Verdict | None = None
    """Without function."""


class BulkMoveBody(MoveBody, kw_only=True):
    """Body of `POST investigate/move`."""

    ids: Annotated[list[str], msgspec.Meta(min_length=1, max_length=1000)]


class ReleaseBody(msgspec.Struct):
    """Body of `POST investigate/release`."""

    ids: Annotated[list[str], msgspec.Meta(min_length=1)]


class ReclassifyBody(msgspec.Struct):
    """Body of `POST investigate/{id}/reclassify`."""

    expected_disposition: Disposition
    eml_content: str | UnsetType = UNSET
    escalated_submission_id: str | UnsetType = UNSET


class ActionRoutes:
    """Acts on messages that are named by their ids."""

    def __init__(self, tenant: Tenant, faults: FaultPlan) -> None:
        self._tenant = tenant
        self._faults = faults

    def routes(self) -> Iterator[Route]:
        """What can be done to messages."""
        yield Route("POST", "investigate/move", "move", self.move_messages)
        yield Route("POST", "investigate/{id}/move", "move", self.move_message)
        yield Route("POST", "investigate/release", "release", self.release_messages)
        yield Route("POST", "investigate/{id}/reclassify", "reclassify", self.reclassify_message)

    async def move_message(self, request: web.Request) -> web.Response:
        """`POST investigate/{id}/move`."""
        body = await decode_body(request, MoveBody)
        return self._move(request, [message_of(self._tenant, request)], body.destination)

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
            failing = self._faults.victims(fault, message.row.client_recipients)
            rows.append(actions.release(self._tenant, message, cause_of(request), failing))
        return answer(rows)

    async def reclassify_message(self, request: web.Request) -> web.Response:
        """`POST investigate/{id}/reclassify`: accepted, with nothing to recognise the submission by."""
        body = await decode_body(request, ReclassifyBody)
        actions.reclassify(
            self._tenant,
            message_of(self._tenant, request),
            body.expected_disposition,
            cause_of(request),
            escalates=body.escalated_submission_id or None,
        )
        return answer({}, status=HTTPStatus.ACCEPTED)

    def _move(self, request: web.Request, messages: list[Message], destination: Destination) -> web.Response:
        fault = request.get(FAULT)
        rows = []
        for message in messages:
            failing = self._faults.victims(fault, message.row.client_recipients)
            rows += actions.move(self._tenant, message, destination, cause_of(request), failing)
        return answer(rows)

    async def _release_ids(self, request: web.Request) -> list[str]:
        if self._tenant.config.release_array and (await request.read()).lstrip().startswith(b"["):
            return await decode_body(request, list[str])
        return (await decode_body(request, ReleaseBody)).ids
