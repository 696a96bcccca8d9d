"""What people report and ask for: submissions and PhishGuard reports.

Where the vendor's documents are silent the simulator decides: the answer to a POST names the message as the request did
(or the submission, with `SimulatorConfig.submission_ids`), and a message that is not known is not accepted while the
others are.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from worker.simulator import query
from worker.simulator.actions import Cause, reclassify
from worker.simulator.envelope import answer, encode, page
from worker.simulator.faults import FaultPlan
from worker.simulator.gate import FAULT, Route
from worker.simulator.paging import number_page
from worker.simulator.reading import decode_body, decode_params
from worker.simulator.rows import Disposition, Report, Submission
from worker.simulator.tenant import Message, Tenant

from .common import cause_of


class Reclassification(msgspec.Struct):
    """Another verdict for a detection."""

    alert_id: str
    expected_disposition: Disposition
    escalated_submission_id: str | UnsetType = UNSET

    @property
    def name(self) -> str:
        """What names the message."""
        return self.alert_id

    def find(self, tenant: Tenant) -> Message:
        """The message; raises ValueError with the reason why it cannot be submitted."""
        try:
            return tenant.by_alert[self.alert_id]
        except KeyError:
            raise ValueError("alert not found") from None


class MissedDetection(msgspec.Struct):
    """A verdict for mail that passed."""

    postfix_id: str
    message_id: str
    recipient_emails: Annotated[list[str], msgspec.Meta(min_length=1)]
    expected_disposition: Disposition
    eml_content: str | UnsetType = UNSET
    escalated_submission_id: str | UnsetType = UNSET

    @property
    def name(self) -> str:
        """What names the message."""
        return self.postfix_id

    def find(self, tenant: Tenant) -> Message:
        """The message; raises ValueError with the reason why it cannot be submitted."""
        message = tenant.by_postfix.get(self.postfix_id)
        if message is None or message.row.message_id != self.message_id:
            raise ValueError("message not found")
        if not set(self.recipient_emails) <= set(message.row.client_recipients):
            raise ValueError("recipient not found")
        if self.eml_content is not UNSET:
            base64.b64decode(self.eml_content, validate=True)
        return message


class Reclassifications(msgspec.Struct, tag_field="type", tag="reclassification"):
    """Body of `POST submissions`, for detections."""

    messages: list[Reclassification]


class MissedDetections(msgspec.Struct, tag_field="type", tag="missed_detection"):
    """Body of `POST submissions`, for mail that passed."""

    messages: list[MissedDetection]


class ReportRoutes:
    """Submissions and reports."""

    def __init__(self, tenant: Tenant, faults: FaultPlan) -> None:
        self._tenant = tenant
        self._faults = faults

    def routes(self) -> Iterator[Route]:
        """Submissions and reports."""
        yield Route("GET", "submissions", "submissions", self.list_submissions)
        yield Route("POST", "submissions", "submit", self.create_submissions)
        yield Route("GET", "phishguard/reports", "reports", self.list_reports)

    async def list_submissions(self, request: web.Request) -> web.Response:
        """`GET submissions`."""
        params = decode_params(request.query, query.SubmissionParams)
        rows, info = number_page(query.submissions(self._tenant, params), params)
        return page((self._legacy(row, requested_ts=row.requested_at) for row in rows), info)

    async def create_submissions(self, request: web.Request) -> web.Response:
        """`POST submissions`: each message by itself is accepted or not."""
        kind = Reclassifications | MissedDetections
        body: Reclassifications | MissedDetections = await decode_body(request, kind)  # type: ignore[arg-type]
        failing = self._faults.victims(request.get(FAULT), [one.name for one in body.messages])
        results = [self._submit(one, cause_of(request), failing) for one in body.messages]
        return answer({"results": results}, status=HTTPStatus.ACCEPTED)

    def _submit(
        self, one: Reclassification | MissedDetection, cause: Cause, failing: frozenset[str]
    ) -> dict[str, object]:
        try:
            message = self._find(one, failing)
        except ValueError as error:
            return {"id": one.name, "accepted": False, "error": str(error)}
        submission = reclassify(
            self._tenant,
            message,
            one.expected_disposition,
            cause,
            escalates=one.escalated_submission_id or None,
        )
        name = submission.submission_id if self._tenant.config.submission_ids else one.name
        return {"id": name, "accepted": True}

    def _find(self, one: Reclassification | MissedDetection, failing: frozenset[str]) -> Message:
        if one.name in failing:
            raise ValueError("the analysts cannot be reached")
        return one.find(self._tenant)

    async def list_reports(self, request: web.Request) -> web.Response:
        """`GET phishguard/reports`."""
        params = decode_params(request.query, query.ReportParams)
        rows, info = number_page(query.reports(self._tenant, params), params)
        return page((self._legacy(row, ts=row.created_at) for row in rows), info)

    def _legacy(self, row: Submission | Report, **deprecated: str) -> bytes:
        if not self._tenant.config.deprecated:
            return encode(row)
        return encode(msgspec.to_builtins(row) | deprecated)
