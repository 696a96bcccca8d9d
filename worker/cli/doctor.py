"""`worker doctor`: token, permissions, clock, database, rules; one line each with a remedy."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import typer

from worker import settings as settings_module
from worker.cli.printing import Json, print_json, say
from worker.errors import RateLimited, StoreError, Unauthorized, UsageError, VendorError
from worker.settings import Settings
from worker.store import budget, flags
from worker.store.engine import sqlite_engine, sqlite_path, transact
from worker.store.file import witness
from worker.store.file.soundness import check
from worker.store.migrate import HEAD, revision
from worker.store.tools import Connection

if TYPE_CHECKING:
    from worker.cloudflare import Cloudflare

SKEW_SECONDS = 30.0
REQUESTS = 5
"""What the vendor is asked at most: a token that belongs to the account is verified at another place than a user's."""
FREE_BYTES = 64 * 2**20
"""On the database's volume: its log alone may take half of that."""


class Finding(NamedTuple):
    """One line of the report."""

    name: str
    ok: bool
    message: str


def doctor(json_: Json = False) -> None:
    """Checks token, permissions, clock skew, database and rules; sends no mutating request. Exit code 1 on a problem."""
    settings = settings_module.load()
    database = _database(settings)
    findings = [*_environment(), database, _rules(settings)]
    shared = database.ok and sqlite_path(settings.database_url).exists()
    if shared and (why := _held_up(settings)):
        findings.append(Finding("vendor", False, why))
    else:
        findings += asyncio.run(_vendor(settings))
    findings.append(_notify(settings))
    if json_:
        print_json([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            say(f"{'ok     ' if finding.ok else 'PROBLEM'}  {finding.name:<12} {finding.message}")
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


def _environment() -> list[Finding]:
    """One line for each variable that is not read although somebody means it to be."""
    return [
        Finding("environment", False, f"{name} is not a setting, and not read; did you mean {meant}?")
        for name, meant in settings_module.misspelt().items()
    ]


def _database(settings: Settings) -> Finding:
    try:
        path = sqlite_path(settings.database_url)
        if not path.exists():
            if (head := witness.read(path)) is not None and head.seq:
                why = f"{path} is gone, but had {head.seq} audit records; restore a backup: `worker restore FILE`"
                return Finding("database", False, why)
            return Finding("database", True, f"{path} does not exist yet; `worker run` makes it")
        free = shutil.disk_usage(path.parent).free
        engine = sqlite_engine(path)
        try:
            current = transact(engine, revision)
            check(engine)
            # An empty one where records were is refused, as by `worker run`.
            doubt = transact(engine, lambda conn: witness.suspicion(conn, path)) if current == HEAD else None
            if current is None:
                witness.refuse_empty(path)
        finally:
            engine.dispose()
    except (StoreError, UsageError) as error:
        return Finding("database", False, str(error))
    if current not in (HEAD, None):
        return Finding(
            "database", False, f"revision {current}, this program knows {HEAD}; start the newer version"
        )
    if free < FREE_BYTES:
        return Finding(
            "database", False, f"{path}: only {free // 2**20} MB are left on its volume; free space there"
        )
    told = f"{path}, revision {current or 'none'}, every page reads well"
    if doubt:
        told += f"; {doubt}: `worker run` looks at the vendor's records before it acts"
    return Finding("database", True, told)


def _rules(settings: Settings) -> Finding:
    from worker.deciding.containment import check_apart  # noqa: PLC0415
    from worker.playbooks.problems import problem_of  # noqa: PLC0415

    report = check_apart(settings.worker_rules_dir)
    if problems := report["problems"]:
        return Finding("rules", False, f"{len(problems)} problems, the first: {problem_of(problems[0])}")
    return Finding("rules", True, f"{len(report['playbooks'])} playbooks in {settings.worker_rules_dir}")


async def _vendor(settings: Settings) -> list[Finding]:
    from worker.cli.gate import Ungated  # noqa: PLC0415
    from worker.cloudflare import Cloudflare  # noqa: PLC0415
    from worker.ports import Lane  # noqa: PLC0415

    gate = Ungated()
    cloudflare = Cloudflare(
        base_url=settings.cloudflare_base_url,
        account_id=settings.account(),
        token=settings.token(),
        gate=gate,
        timeout=15,
    )
    now = datetime.now(UTC)
    async with cloudflare:
        read = await _try(
            "read",
            lambda: cloudflare.investigate.list(
                start=now - timedelta(hours=1), end=now, per_page=1, detections_only=True, lane=Lane.POLL
            ),
            "the token may read detections",
        )
        token = await _token(cloudflare, works=read.ok)
        reports = await _try(
            "phishguard",
            lambda: cloudflare.phishguard.reports(
                start=now - timedelta(hours=1), end=now, page=1, per_page=1, lane=Lane.POLL
            ),
            "the token may read PhishGuard reports",
        )
        submissions = await _try(
            "submissions",
            lambda: cloudflare.submissions.list(
                start=now - timedelta(hours=1), end=now, page=1, per_page=1, lane=Lane.POLL
            ),
            "the token may read submissions",
        )
    write = Finding(
        "write",
        True,
        "not tried: acting needs `Cloud Email Security: Write`; a token without it is told as auth.refused",
    )
    return [token, read, reports, submissions, write, _clock(gate.server_time)]


def _held_up(settings: Settings) -> str:
    """Why the vendor may not be asked now; empty where it may, and then a daemon on the same ledger counts it too."""
    engine = sqlite_engine(sqlite_path(settings.database_url))
    try:
        if transact(engine, revision) != HEAD:
            return ""
        return transact(engine, partial(_take, account_id=settings.account(), settings=settings))
    except StoreError as error:
        return f"not asked: the ledger, which counts its requests, cannot be written: {error}"
    finally:
        engine.dispose()


def _take(conn: Connection, account_id: str, settings: Settings) -> str:
    now = time.time()
    blocked = flags.blocked_until(conn, account_id) - now
    if blocked > 0:
        return f"not asked: it has answered 429 and wants no request for {blocked:.0f} s more; try again then"
    daemon = flags.get(conn, account_id, flags.DAEMON) or {}
    limit = max(settings.worker_request_budget, daemon.get("request_budget", 0))
    if limit < REQUESTS:
        return (
            f"not asked: a budget of {limit} requests in 300 s has no room for the {REQUESTS} that this takes"
        )
    used = budget.used(conn, account_id, now)
    # All of them or none: what it took and did not send, the daemon would miss.
    grant = budget.take(conn, account_id, now, REQUESTS, limit if used + REQUESTS <= limit else used)
    if grant.granted == REQUESTS:
        return ""
    return (
        f"not asked: the budget of {limit} requests in 300 s is used up; try again in {grant.wait + 1:.0f} s"
    )


async def _token(cloudflare: Cloudflare, *, works: bool) -> Finding:
    """What the API says of the token; of one that `works` elsewhere nothing needs to be said."""
    from worker.ports import Lane  # noqa: PLC0415

    status = "active"

    async def verify() -> None:
        nonlocal status
        status = (await cloudflare.tokens.verify(lane=Lane.POLL)).status

    found = await _try("token", verify, "is active")
    if found.ok and status != "active":
        return Finding("token", False, f"is {status}; make a new one")
    if works and not found.ok:
        return Finding("token", True, f"works; its status cannot be asked: {found.message.partition(';')[0]}")
    return found


async def _try(name: str, ask: Callable[[], Awaitable[object]], good: str) -> Finding:
    try:
        await ask()
    except Unauthorized as error:
        return Finding(
            name, False, f"{error}; make a token with `Cloud Email Security: Write` for this account"
        )
    except RateLimited as error:
        return Finding(name, False, f"{error}; wait, or lower WORKER_REQUEST_BUDGET")
    except VendorError as error:
        return Finding(
            name, False, f"{type(error).__name__}: {error}; check CLOUDFLARE_BASE_URL and the network"
        )
    return Finding(name, True, good)


def _notify(settings: Settings) -> Finding:
    try:
        target = settings.notify()
    except UsageError as error:
        return Finding("notify", False, str(error))
    told = (
        f"{target}; not tried"
        if target
        else "WORKER_NOTIFY_URL is not set: a Notify is skipped, and nobody is told"
    )
    return Finding("notify", True, told)


def _clock(server_time: float | None) -> Finding:
    if server_time is None:
        return Finding("clock", True, "the vendor told no time")
    skew = time.time() - server_time
    if abs(skew) > SKEW_SECONDS:
        return Finding("clock", False, f"{skew:+.0f} s against the vendor; run an NTP client on this host")
    return Finding("clock", True, f"{skew:+.0f} s against the vendor")
