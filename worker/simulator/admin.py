"""Levers for tests below `/_simulator`: what truly happened, and ways to make things happen.

No token is asked for: the simulator listens on loopback only.
"""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from . import actions
from .app import VendorApi
from .envelope import ApiError, answer, invalid, unknown_id
from .faults import Fault
from .gate import Handler
from .outcomes import settle
from .reading import decode_body
from .rows import Destination, Disposition, Report, Row, Submission, parse_rfc3339
from .tenant import Message, Tenant

PREFIX = "/_simulator"


class VerdictBody(msgspec.Struct, forbid_unknown_fields=True):
    """The verdict a message gets; any text, so that unknown verdicts can be tried."""

    final_disposition: str


class AnalystMoveBody(msgspec.Struct, forbid_unknown_fields=True):
    """The folder into which a person moves a message."""

    destination: Destination


class OutcomeBody(msgspec.Struct, forbid_unknown_fields=True):
    """The verdict that the analysts come to."""

    outcome_disposition: Disposition


class TokenBody(msgspec.Struct, forbid_unknown_fields=True):
    """The token accepted from now on, instead of the old one."""

    token: str


class AdminApi:
    """Handlers of the admin paths. Answers wear the vendor's envelope, errors included."""

    def __init__(self, tenant: Tenant, vendor: VendorApi) -> None:
        self._tenant = tenant
        self._gate = vendor.gate

    def application(self) -> web.Application:
        """The routes as an application to be mounted below `PREFIX`."""
        app = web.Application(middlewares=[_answer_errors])
        app.router.add_get("/effects", self.effects, allow_head=False)
        app.router.add_get("/changes", self.changes, allow_head=False)
        app.router.add_get("/requests", self.requests, allow_head=False)
        app.router.add_post("/messages", self.add_messages)
        app.router.add_delete("/messages/{id}", self.remove_message)
        app.router.add_post("/messages/{id}/verdict", self.set_verdict)
        app.router.add_post("/messages/{id}/analyst-move", self.analyst_move)
        app.router.add_post("/messages/{id}/report", self.add_report)
        app.router.add_post("/messages/{id}/submission", self.add_submission)
        app.router.add_post("/submissions/{id}/outcome", self.set_outcome)
        app.router.add_post("/faults", self.set_faults)
        app.router.add_post("/token", self.set_token)
        return app

    async def effects(self, _request: web.Request) -> web.Response:
        """All effects, oldest first: `rows.Effect`."""
        return answer(self._tenant.effects)

    async def changes(self, _request: web.Request) -> web.Response:
        """All changes of settings, oldest first: `settings.Change`."""
        return answer(self._tenant.changes)

    async def requests(self, _request: web.Request) -> web.Response:
        """`{counts: {endpoint: {status: n}}, requests: [journal.Request]}`, oldest first."""
        journal = self._gate.journal
        return answer({"counts": journal.counts(), "requests": journal.requests})

    async def add_messages(self, request: web.Request) -> web.Response:
        """Adds messages from an array of partial rows; answers the full ones. What is not given is drawn."""
        rows = [self._complete(partial) for partial in await decode_body(request, list[dict[str, Any]])]
        for row in rows:
            self._tenant.add(row)
        return answer(rows)

    async def add_report(self, request: web.Request) -> web.Response:
        """Adds a PhishGuard report about a message from a partial row; answers the full one."""
        partial = await decode_body(request, dict[str, Any])
        tenant = self._tenant
        drawn = tenant.given.report(len(tenant.reports) + 1, self._message(request).row, tenant.now_ms)
        report = msgspec.convert(msgspec.to_builtins(drawn) | partial, Report)
        tenant.add_report(report)
        return answer(report)

    async def add_submission(self, request: web.Request) -> web.Response:
        """A user reports a message: adds a submission from a partial row; answers the full one."""
        partial = await decode_body(request, dict[str, Any])
        tenant, message = self._tenant, self._message(request)
        drawn = tenant.given.user_submission(message.row, tenant.now_ms)
        submission = msgspec.convert(msgspec.to_builtins(drawn) | partial, Submission)
        tenant.add_submission(message, submission, tenant.now)
        return answer(submission)

    async def set_outcome(self, request: web.Request) -> web.Response:
        """The analysts answer a submission now, and nothing else later."""
        body = await decode_body(request, OutcomeBody)
        name = request.match_info["id"]
        for _, submission in self._tenant.submissions:
            if submission.submission_id == name:
                settle(submission, body.outcome_disposition)
                return answer(submission)
        raise unknown_id(name, "submission")

    async def remove_message(self, request: web.Request) -> web.Response:
        """Makes a message vanish."""
        self._tenant.remove(self._message(request))
        return answer({})

    async def set_verdict(self, request: web.Request) -> web.Response:
        """Changes a message's verdict."""
        body = await decode_body(request, VerdictBody)
        self._tenant.set_verdict(self._message(request), body.final_disposition)
        return answer({})

    async def analyst_move(self, request: web.Request) -> web.Response:
        """A person moves a message."""
        body = await decode_body(request, AnalystMoveBody)
        return answer(actions.move(self._tenant, self._message(request), body.destination, actions.ANALYST))

    async def set_faults(self, request: web.Request) -> web.Response:
        """Replaces all faults by an array of `faults.Fault`."""
        self._gate.faults.replace(await decode_body(request, list[Fault]))
        return answer({})

    async def set_token(self, request: web.Request) -> web.Response:
        """Replaces the accepted token."""
        self._gate.token = (await decode_body(request, TokenBody)).token
        return answer({})

    def _message(self, request: web.Request) -> Message:
        self._tenant.advance()
        name = request.match_info["id"]
        if name not in self._tenant.messages:
            raise unknown_id(name)
        return self._tenant.messages[name]

    def _complete(self, partial: dict[str, Any]) -> Row:
        tenant = self._tenant
        scanned_ms = parse_rfc3339(partial["scanned_at"]) if "scanned_at" in partial else tenant.now_ms
        drawn = tenant.given.message(scanned_ms, partial.get("final_disposition"))
        # Only on request, because such messages live in the other datastore.
        drawn.is_phish_submission = False
        return msgspec.convert(msgspec.to_builtins(drawn) | partial, Row)


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as error:
        return error.response()
    except ValueError as error:
        return invalid(str(error)).response()
