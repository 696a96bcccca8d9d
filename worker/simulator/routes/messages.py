"""What can be read about one message."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from aiohttp import web

from worker.simulator import actions, content
from worker.simulator.envelope import answer, conflict, encode, page, unknown_id
from worker.simulator.gate import Route
from worker.simulator.paging import number_page
from worker.simulator.query import PageParams
from worker.simulator.reading import decode_body, decode_params
from worker.simulator.rows import DETECTIONS
from worker.simulator.tenant import Message, Tenant

from .common import cause_of, message_by_id, message_of


class GetParams(msgspec.Struct):
    """Parameters of `GET investigate/{id}`."""

    submission: bool = False


class PreviewBody(msgspec.Struct):
    """Body of `POST investigate/preview`."""

    id: str


class MessageRoutes:
    """Reads one message.

    Where the vendor's documents are silent the simulator decides: what is there for detections only is not found
    for other mail.
    """

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    def routes(self) -> Iterator[Route]:
        """What there is about a message."""
        yield Route("GET", "investigate/{id}/action_log", "action_log", self.get_action_log)
        yield Route("GET", "investigate/{id}", "get", self.get_message)
        yield Route("GET", "investigate/{id}/detections", "detections", self.get_detections)
        yield Route("GET", "investigate/{id}/raw", "raw", self.get_raw)
        yield Route("GET", "investigate/{id}/trace", "trace", self.get_trace)
        yield Route("GET", "investigate/{id}/preview", "preview", self.get_preview)
        yield Route("POST", "investigate/preview", "preview_create", self.create_preview)

    async def get_message(self, request: web.Request) -> web.Response:
        """`GET investigate/{id}`: searches only the datastore asked for, mail or submissions."""
        params = decode_params(request.query, GetParams)
        message = message_of(self._tenant, request)
        if message.row.is_phish_submission != params.submission:
            raise unknown_id(message.row.id)
        return answer(msgspec.Raw(self._tenant.wire(message)))

    async def get_action_log(self, request: web.Request) -> web.Response:
        """`GET investigate/{id}/action_log`, oldest first."""
        params = decode_params(request.query, PageParams)
        now = self._tenant.now
        log = message_of(self._tenant, request).log
        entries = [entry for visible_at, entry in log if visible_at <= now]
        rows, info = number_page(entries, params)
        return page(map(encode, rows), info)

    async def get_detections(self, request: web.Request) -> web.Response:
        """`GET investigate/{id}/detections`."""
        message = self._detected(request)
        return answer(content.detections(message.row, self._content(message)))

    async def get_raw(self, request: web.Request) -> web.Response:
        """`GET investigate/{id}/raw`."""
        message = self._detected(request)
        return answer({"raw": content.raw(message.row, self._content(message))})

    async def get_preview(self, request: web.Request) -> web.Response:
        """`GET investigate/{id}/preview`."""
        return answer({"screenshot": content.screenshot(self._detected(request).row.id)})

    async def create_preview(self, request: web.Request) -> web.Response:
        """`POST investigate/preview`: of any mail, as long as it lies in the inbox; the log shows who looked."""
        body = await decode_body(request, PreviewBody)
        message = message_by_id(self._tenant, body.id)
        if message.row.delivery_status != ["delivered"]:
            raise conflict(f"message {body.id} is not in the recipient's inbox")
        actions.preview(self._tenant, message, cause_of(request))
        return answer({"screenshot": content.screenshot(body.id)})

    async def get_trace(self, request: web.Request) -> web.Response:
        """`GET investigate/{id}/trace`."""
        row = message_of(self._tenant, request).row
        deprecated = self._tenant.config.deprecated
        return answer(content.trace(row, self._tenant.now_ms, deprecated=deprecated))

    def _detected(self, request: web.Request) -> Message:
        message = message_of(self._tenant, request)
        if message.row.final_disposition not in DETECTIONS:
            raise unknown_id(message.row.id, "detection of message")
        return message

    def _content(self, message: Message) -> content.Content:
        return content.content_of(self._tenant.config.seed, message.row)
