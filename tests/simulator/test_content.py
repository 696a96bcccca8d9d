from __future__ import annotations

import base64
import hashlib
from email import message_from_string, policy
from email.message import EmailMessage
from typing import Any

import pytest

from tests.simulator.api import Api, Clock, Simulate

HOSTILE = (
    "a\r\nBcc: eve@evil.example",
    "\x1b[31mred",
    "line\u2028end",
    "naïve ☃ " * 40,
    "x" * 5000,
    "=?utf-8?q?=0A?=",
)


async def parsed(api: Api, name: str) -> EmailMessage:
    """A message's raw form, read by the standard library."""
    text = (await api.get(f"investigate/{name}/raw")).result["raw"]
    message = message_from_string(text, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


async def files(api: Api, verdict: str) -> str:
    """The id of a message with an attachment."""
    while True:
        name = await api.given(final_disposition=verdict)
        if (await api.get(f"investigate/{name}/detections")).result["attachments"]:
            return name


async def test_raw_is_the_message_of_the_row(api: Api) -> None:
    """Headers tell what the row tells, and the body has a plain and a marked-up form."""
    name = await api.given(
        final_disposition="MALICIOUS", subject="Grüße, dringend", sent_at="2027-01-15T07:59:30Z"
    )
    row, message = await api.row(name), await parsed(api, name)
    assert (message["Subject"], message["Message-ID"]) == ("Grüße, dringend", row["message_id"])
    assert message["From"].addresses[0].addr_spec == row["from"]
    assert [address.addr_spec for address in message["To"].addresses] == row["to"]
    assert message["Date"].datetime.isoformat() == "2027-01-15T07:59:30+00:00"
    assert f"dmarc={row['validation']['dmarc']}" in message["Authentication-Results"]
    for kind in ("plain", "html"):
        body = message.get_body((kind,))
        assert body is not None
        assert "https://login.account-alerts.example/" in body.get_content()


async def test_bulk_mail_says_how_to_leave(api: Api) -> None:
    """The header that its detection reason names is there, and leads where the link in the text does."""
    name = await api.given(final_disposition="BULK")
    links = (await api.get(f"investigate/{name}/detections")).result["links"]
    assert (await parsed(api, name))["List-Unsubscribe"] == f"<{links[-1]['href']}>"


@pytest.mark.parametrize("verdict", ["MALICIOUS", "SPOOF"])
async def test_attachments_are_the_ones_that_were_scanned(api: Api, verdict: str) -> None:
    """Name, size and hashes in the detections are those of the files in the raw message."""
    name = await files(api, verdict)
    (told,) = (await api.get(f"investigate/{name}/detections")).result["attachments"]
    (part,) = (await parsed(api, name)).iter_attachments()
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    assert (told["filename"], told["content_type"]) == (part.get_filename(), part.get_content_type())
    assert (told["size"], told["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert told["encrypted"] is (told["content_type"] == "application/zip")


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_adds_no_header(api: Api, text: str) -> None:
    """Whatever stands in a subject, a name or an id, the raw message parses and has the same headers."""
    fields = {
        "subject": text,
        "from_name": text,
        "from": text,
        "message_id": text,
        "to": [text],
        "postfix_id": text,
    }
    name = await api.given(final_disposition="SPAM", **fields)
    raw = (await api.get(f"investigate/{name}/raw")).result["raw"]
    message = message_from_string(raw)
    assert "Bcc" not in message
    assert message.is_multipart()
    for path in ("detections", "trace", "preview"):
        assert (await api.get(f"investigate/{name}/{path}")).status == 200


async def test_detections_tell_why(api: Api) -> None:
    """Findings, categories, links, sender and validation of the row."""
    name = await api.given(final_disposition="SPAM")
    row, told = await api.row(name), (await api.get(f"investigate/{name}/detections")).result
    assert told["final_disposition"] == "SPAM"
    assert [finding["reason"] for finding in told["findings"]] == row["detection_reasons"]
    assert [category["name"] for category in told["threat_categories"]] == row["threat_categories"]
    assert told["validation"] == row["validation"]
    assert told["sender_info"]["pld"] == row["from"].partition("@")[2]
    assert told["links"][0]["href"].startswith("https://cheap-deals.example/")
    assert {"name": "Message-ID", "value": row["message_id"]} in told["headers"]


@pytest.mark.parametrize("path", ["detections", "raw", "preview"])
async def test_benign_mail_has_no_detection(api: Api, path: str) -> None:
    """What is kept of detections only is not found for other mail, which has a trace nevertheless."""
    name = await api.given(final_disposition="NONE")
    answer = await api.get(f"investigate/{name}/{path}")
    assert answer.error == (404, 1005)
    assert "detection" in answer.json["errors"][0]["message"]
    assert (await api.get(f"investigate/{name}/trace")).status == 200
    assert (await api.get(f"investigate/unknown/{path}")).error == (404, 1005)


async def test_trace_comes_when_the_logs_are_complete(api: Api, clock: Clock) -> None:
    """Fresh mail has a trace that is pending; later it has lines in order of time."""
    name = await api.given(client_recipients=["a@c.example", "b@c.example"])
    path = f"investigate/{name}/trace"
    assert (await api.get(path)).result["inbound"] == {"lines": None, "pending": True}
    clock.advance(2)
    told = (await api.get(path)).result
    assert len(told["outbound"]["lines"]) == 2
    lines = told["inbound"]["lines"] + told["outbound"]["lines"]
    times = [line["logged_at"] for line in lines]
    assert times == sorted(times) == [line["ts"] for line in lines]


async def test_previews_are_pictures(api: Api) -> None:
    """A PNG each, another one for another message."""
    pictures = []
    for _ in "12":
        name = await api.given(final_disposition="SPAM")
        pictures.append((await api.get(f"investigate/{name}/preview")).result["screenshot"])
    assert all(base64.b64decode(picture).startswith(b"\x89PNG\r\n\x1a\n") for picture in pictures)
    assert pictures[0] != pictures[1]


async def test_preview_of_mail_in_the_inbox_is_logged(api: Api) -> None:
    """Benign mail can be looked at while it is in the inbox, and the log tells so."""
    name = await api.given(final_disposition="NONE", delivery_status=["delivered"])
    assert (await api.post("investigate/preview", {"id": name})).result["screenshot"]
    (entry,) = (await api.get(f"investigate/{name}/action_log")).result
    assert (entry["operation"], (await api.row(name))["post_delivery_operations"]) == ("PREVIEW", ["PREVIEW"])
    await api.post(f"investigate/{name}/move", {"destination": "JunkEmail"})
    assert (await api.post("investigate/preview", {"id": name})).error == (409, 1006)
    assert (await api.post("investigate/preview", {"id": "unknown"})).error == (404, 1005)
    assert (await api.post("investigate/preview", {"postfix_id": name})).error == (400, 1004)


async def test_content_comes_from_the_seed(simulate: Simulate) -> None:
    """The same seed gives the same bytes of everything that is read about a message."""
    bodies = []
    for seed in (5, 5, 6):
        api = await simulate(seed=seed, messages=20)
        (row,) = (await api.get("investigate", per_page=1)).result
        paths = ("detections", "raw", "trace", "preview")
        bodies.append([(await api.get(f"investigate/{row['id']}/{path}")).body for path in paths])
    assert bodies[0] == bodies[1] != bodies[2]


async def test_faults_strike_reads(api: Api) -> None:
    """Each read about a message is a class of its own."""
    name = await api.given(final_disposition="SPAM", delivery_status=["delivered"])
    reads: dict[str, Any] = {
        kind: f"investigate/{name}/{kind}" for kind in ("detections", "raw", "trace", "preview")
    }
    for kind, path in reads.items():
        await api.admin("faults", [{"on": kind, "kind": "500"}])
        assert (await api.get(path)).status == 500
        others = [other for other in reads.values() if other != path]
        assert [(await api.get(other)).status for other in others] == [200] * 3
