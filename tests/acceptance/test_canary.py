"""A vendor that repeats the token in everything it says: nothing that the worker leaves behind has it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from tests.acceptance import rules
from tests.acceptance.bench import TOKEN, Bench, Process
from tests.acceptance.intruder import Forward, Intruder, Lie, Reply
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance

RENEWED = "renewed-canary-9876543210-token"
BODY = "canary-of-a-body-5566778899"
SENT = "the-token-that-was-sent"
SPOKEN = f"Invalid bearer {TOKEN} {SENT}; {BODY}"
REFUSAL = {"success": False, "errors": [{"code": 1000, "message": f"{TOKEN} {SENT}"}], "result": SPOKEN}
SHOUT = {"CF-Ray": TOKEN, "X-Request-Id": SPOKEN, "Retry-After": f"0.1; {TOKEN}"}
BROKEN = f'{{"success":true,"result":[{{"id":"{SPOKEN}'.encode()
LIMITED = Reply(429, SPOKEN.encode(), {"Retry-After": "0.1", "CF-Ray": TOKEN})
ANSWERS: list[Reply] = [
    *(
        Reply(status, json.dumps(REFUSAL).encode(), SHOUT)
        for status in (200, 201, 202, 400, 404, 409, 500, 503)
    ),
    Reply(401, SPOKEN.encode(), SHOUT | {"WWW-Authenticate": f"Bearer {TOKEN}"}),
    Reply(403, f"<html>{SPOKEN}</html>".encode(), SHOUT),
    Reply(302, SPOKEN.encode(), {"Location": f"http://127.0.0.1:9/{TOKEN}"}),
    Reply(202, b'{"success":true,"result":[]}', {"Location": f"http://127.0.0.1:9/?token={TOKEN}"}),
    LIMITED,
    Reply(200, BROKEN, SHOUT),
    Reply(200, b"\x1f\x8b" + SPOKEN.encode(), {"Content-Encoding": "gzip"}),
    Reply(
        200,
        json.dumps(
            {"success": True, "result": [{"success": f"{TOKEN} {SENT}", "message_id": TOKEN}]}
        ).encode(),
        SHOUT,
    ),
]
BAD_ROW = {"id": TOKEN, "subject": [SENT, TOKEN]}


def telling(answers: list[Reply]) -> Lie:
    """Each of the answers once, then the truth, with a row more that has the token in it."""
    left = iter(answers)

    async def lie(request: web.Request, forward: Forward) -> Reply:
        sent = request.headers["Authorization"].removeprefix("Bearer ")
        if (answer := next(left, None)) is None:
            answer = await forward()
            if request.method == "GET" and answer.json["result"]:
                answer = answer.saying(answer.json | {"result": [*answer.json["result"], BAD_ROW]})
        headers = {name: value.replace(SENT, sent) for name, value in answer.headers.items()}
        return Reply(answer.status, answer.body.replace(SENT.encode(), sent.encode()), headers)

    return lie


async def pages(daemon: Process) -> str:
    """All that the daemon serves."""
    (listening,) = daemon.events("health.listening")
    found = []
    async with ClientSession() as session:
        for path in ("/livez", "/readyz", "/metrics", f"/{TOKEN[:8]}"):
            async with session.get(f"http://127.0.0.1:{listening['worker.port']}{path}") as response:
                found.append(await response.text())
    return "\n".join(found)


def files(folder: Path) -> Callable[[str], list[str]]:
    """Asks which files in the folder hold a text, in one of the ways in which a program may write it."""

    def holding(needle: str) -> list[str]:
        spellings = {needle.encode(), needle.encode("utf-16-le"), needle.encode().hex().encode()}
        return [
            str(path) for path in sorted(folder.rglob("*"))
            if path.is_file() and "token" not in path.name and any(one in path.read_bytes() for one in spellings)
        ]  # fmt: skip

    return holding


async def test_no_token_and_no_body_is_left_anywhere(
    bench: Bench, tenant: Tenant, intruder: Intruder
) -> None:
    """Log, errors, database with its journals, pages, output of commands: after every fault at every endpoint."""
    secret = bench.folder / "token"
    secret.write_text(TOKEN)
    bench.rule("junk", rules.JUNK)
    bench.rule("reclassify", rules.RECLASSIFY)
    bench.rule("raises", rules.rule("message.nothing", rules.to("JunkEmail"), name="raises"))
    env = {
        "CLOUDFLARE_API_TOKEN": None,
        "CLOUDFLARE_API_TOKEN_FILE": str(secret),
        "WORKER_HTTP_BIND": "127.0.0.1:0",
        "WORKER_LOG_LEVEL": "debug",
        "WORKER_INITIAL_LOOKBACK": "600",
        "WORKER_KEEP_EVENTS": "all",
        "WORKER_POLL_INTERVAL": "0.5",
        "WORKER_REQUEST_BUDGET": "1200",
    }
    moved, *_ = await tenant.mail("MALICIOUS", "SPOOF", "NONE", subject="hello")
    intruder.lie("GET", "/investigate", telling(ANSWERS))
    intruder.lie("GET", "/action_log", telling([ANSWERS[6], ANSWERS[7], ANSWERS[0]]))
    intruder.lie("POST", "/move", telling([LIMITED, *ANSWERS[-4:-2]]))
    intruder.lie("POST", "/reclassify", telling([ANSWERS[3]]))
    daemon = await bench.daemon(**env)
    await daemon.until("poll.row_quarantined", patience=60)
    await tenant.token(RENEWED)
    secret.write_text(RENEWED)
    await daemon.until("action.finished", state="failed", patience=60)
    await daemon.until("action.finished", state="succeeded", patience=60)
    served = await pages(daemon)
    for command in (("status",), ("actions", "list"), ("audit", "show"), ("audit", "export"), ("doctor",)):
        await bench.run(*command, **env)
    killed = await daemon.kill()
    assert (await tenant.effects("move"))["move", moved, "JunkEmail"] == 1
    told = {event["event.action"] for event in killed.events}
    assert told >= {"auth.refused", "rate.limited", "poll.failed", "poll.page_retried", "playbook.failed"}
    holding = files(bench.folder)
    for needle in (TOKEN, RENEWED, TOKEN[:16], RENEWED[:16], BODY):
        assert needle not in served
        assert holding(needle) == [], needle
