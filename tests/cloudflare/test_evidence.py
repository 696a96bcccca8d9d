from __future__ import annotations

import base64
import json
from typing import Any, assert_type

import pytest

from tests.cloudflare.vendor import Vendor, answer, envelope
from worker.cloudflare import Cloudflare
from worker.cloudflare.evidence import MAX_RAW, Preview, RawMessage
from worker.errors import BadAnswer
from worker.model.enrichment import Details, Trace
from worker.ports import Lane

MAIL = "Subject: \x1b[31mhi\u202e\r\nX-Long: " + "x" * 20_000 + "\r\n\r\nbody\x00\ttext\r\n"


async def test_a_mail_comes_as_it_is(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """Line breaks and control characters belong to it, and it is not cut where other texts are."""
    vendor.will(answer(envelope({"raw": MAIL, "subject": MAIL})))
    mail = await cloudflare.investigate.raw("one", lane=Lane.ENRICH)
    assert_type(mail, RawMessage)
    assert mail.raw == MAIL


async def test_half_a_letter_in_a_mail(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """It costs itself, and the mail can be encoded."""
    vendor.will(answer(b'{"success": true, "result": {"raw": "a\\ud800b"}}'))
    mail = await cloudflare.investigate.raw("one", lane=Lane.ENRICH)
    assert mail.raw.encode() == b"a?b"


async def test_a_mail_that_is_too_large(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """The worker's memory is bounded, so is what it takes of one mail; other answers may be larger."""
    body = envelope({"raw": "x" * MAX_RAW})
    vendor.will(answer(body))
    with pytest.raises(BadAnswer, match="too large"):
        await cloudflare.investigate.raw("one", lane=Lane.ENRICH)
    with pytest.raises(BadAnswer, match="too large"):
        await cloudflare.investigate.preview("one", lane=Lane.ENRICH)
    with pytest.raises(BadAnswer, match="result is not a list"):
        await cloudflare.settings.block_senders.list(lane=Lane.ENRICH)


@pytest.mark.parametrize("result", [{"raw": 7}, {"raw": None}, {}, [], None, "raw"])
async def test_what_is_no_mail(vendor: Vendor, cloudflare: Cloudflare, result: Any) -> None:
    """There is no empty mail instead."""
    vendor.will(answer(envelope(result)))
    with pytest.raises(BadAnswer):
        await cloudflare.investigate.raw("one", lane=Lane.ENRICH)


async def test_a_key_twice_is_no_mail(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """Which of the two would have been looked at?"""
    vendor.will(answer(b'{"success": true, "result": {"raw": "good", "raw": "evil"}}'))
    with pytest.raises(BadAnswer):
        await cloudflare.investigate.raw("one", lane=Lane.ENRICH)


async def test_a_picture_is_bytes(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """Base64 on the wire; what is none is no picture."""
    vendor.will(answer(envelope({"screenshot": base64.b64encode(b"\x89PNG").decode()})))
    assert_type(await cloudflare.investigate.preview("one", lane=Lane.ENRICH), Preview)
    assert (await cloudflare.investigate.render("one", lane=Lane.ENRICH)).screenshot == b"\x89PNG"
    assert json.loads(vendor.requests[1].body) == {"id": "one"}
    vendor.will(answer(envelope({"screenshot": "no base64!"})))
    with pytest.raises(BadAnswer):
        await cloudflare.investigate.preview("one", lane=Lane.ENRICH)


async def test_details_are_made_safe(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """Headers, links and findings are the sender's text: no control character, no endless line."""
    header = {"name": "X\n", "value": "\x1b" + "v" * 20_000}
    vendor.will(answer(envelope({"headers": [header], "links": [{"href": "h\x00", "text": None}]})))
    details = await cloudflare.investigate.detections("one", lane=Lane.ENRICH)
    assert_type(details, Details)
    assert (details.headers[0].name, len(details.headers[0].value)) == ("X ", 10_000)
    assert details.headers[0].value[0] == details.links[0].href[1] == "\ufffd"
    assert (details.findings, details.sender_info.ip) == ((), None)


async def test_a_trace_may_be_pending(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """Times of its lines are aware."""
    line = {"lineno": 1, "logged_at": "2026-11-02T03:04:05", "message": "queued"}
    vendor.will(
        answer(envelope({"inbound": {"lines": [line], "pending": True}, "outbound": {"lines": None}}))
    )
    trace = await cloudflare.investigate.trace("one", lane=Lane.ENRICH)
    assert_type(trace, Trace)
    assert (trace.inbound.pending, trace.outbound.lines) == (True, ())
    assert str(trace.inbound.lines[0].logged_at) == "2026-11-02 03:04:05+00:00"
