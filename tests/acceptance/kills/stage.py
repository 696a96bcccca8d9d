"""One tenant, one database, one worker that is killed again and again; and what must be true of them afterwards."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import count
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection, Engine, func, select, update

from tests.acceptance import rules
from tests.acceptance.bench import Bench, Process
from tests.acceptance.conftest import connect
from tests.acceptance.kills.laws import Books, Effect, Key, Post, of_effects, of_ledger, of_requests
from tests.acceptance.kills.points import Point
from tests.acceptance.tenants import Tenant, ago
from worker.model.actions import State
from worker.ports import Kept
from worker.store import flags, schema
from worker.store.engine import sqlite_engine, transact
from worker.store.migrate import migrate
from worker.store.people import reviews
from worker.store.trail import audit, verification

T = TypeVar("T")

DELAY = 0.4
FEWEST_ROUNDS, ROUNDS = 4, 12
"""How often the worker works off what is left, with a person who decides in between."""
ROOMY = "Caps(per_poll=5000, per_hour=50000)"
WANTED = {
    "MALICIOUS": ("move", "JunkEmail"),
    "SPAM": ("release", ""),
    "SPOOF": ("reclassify", "NONE"),
    "UNKNOWN": ("move", "JunkEmail"),
    "SUSPICIOUS": ("move", "DeletedItems"),
    "BULK": ("move", "DeletedItems"),
    "NONE": ("reclassify", "SPAM"),
}
"""What the playbooks below want of a message, by its verdict; NONE only where it was reported."""
HISTORIAN = f"""\
from worker.playbooks import Caps, Context, Detection, Move, hit, playbook


@playbook(on=Detection, id="historian", mode="enforce", owner="soc@example.com", caps={ROOMY})
def historian(message: Detection, context: Context) -> Move | None:
    \"\"\"Looks back.\"\"\"
    if message.final_disposition == "UNKNOWN" and len(context.history) < 3:
        return Move(message, to="JunkEmail", reason="test")
    return None
"""


CURIOUS = f"""\
from worker.playbooks import Caps, Detection, Move, playbook


@playbook(on=Detection, id="curious", mode="enforce", owner="soc@example.com", needs=["trace"], caps={ROOMY})
def curious(message: Detection) -> Move | None:
    \"\"\"Wants what the historian wants, and must have seen the trace.\"\"\"
    if message.final_disposition == "UNKNOWN" and message.trace is not None:
        return Move(message, to="JunkEmail", reason="test")
    return None
"""


SULKING = f"""\
from worker.playbooks import Caps, Context, Detection, Move, playbook


@playbook(on=Detection, id="moody", mode="enforce", owner="soc@example.com", caps={ROOMY})
def moody(message: Detection, context: Context) -> Move | None:
    \"\"\"Fails where the list says so.\"\"\"
    if message.final_disposition == "BULK" and [1 / int(mood) for mood in context.lists["moods"]]:
        return Move(message, to="DeletedItems", reason="test")
    return None
"""
PROTECTED = "ceo@corp.example"
"""Whose mail no playbook may touch."""
Mood = Literal["fine", "moody", "sulking", "cheered"]


class Stage:
    """The scene of one trial."""

    def __init__(self, bench: Bench, tenant: Tenant, seed: int) -> None:
        self.bench = bench
        self.tenant = tenant
        self.chance = random.Random(seed)
        self.mail: dict[str, str] = {}
        """Every message that a playbook must act on, with its verdict."""
        self.disturbed: set[str] = set()
        """Messages that somebody else touched: they may end in any consistent way."""
        self.starts = 0
        connect(bench, tenant)
        bench.env |= {
            "WORKER_READ_BACK_DELAY": str(DELAY),
            "WORKER_REQUEST_BUDGET": "100000",
            "WORKER_CAP_PER_POLL": "5000",
            "WORKER_CAP_PER_HOUR": "50000",
            "WORKER_LOG_LEVEL": "debug",
        }
        self.write_rules()
        self._engine(lambda engine: transact(engine, migrate))

    # -- playbooks and mail

    def write_rules(self, mood: Mood = "fine") -> None:
        """Writes the playbooks.

        Moody: one fails, one cannot be loaded, one is empty. Sulking: one fails because of a list, and is fine
        again, as the same version, where the list cheers it up.
        """

        def verdict(value: str, action: str, name: str, **more: Any) -> None:
            self.bench.rule(name, rules.on_verdict(value, action, name=name, **{"caps": ROOMY, **more}))

        verdict("MALICIOUS", rules.to("JunkEmail"), "junk")
        verdict("MALICIOUS", rules.to("JunkEmail"), "agrees")
        verdict("SPAM", 'Release(message, reason="test")', "release")
        verdict("SPOOF", 'Reclassify(message, to="NONE", reason="test")', "ask")
        verdict("SUSPICIOUS", rules.to("DeletedItems"), "tried")
        verdict("ENCRYPTED", rules.to("JunkEmail"), "left")
        verdict("ENCRYPTED", rules.to("DeletedItems"), "right")
        verdict("EXTERNAL", rules.to("RecoverableItemsPurges"), "purge")
        elsewhere = "JunkEmail" if mood == "cheered" else "DeletedItems"
        verdict("EXTERNAL", rules.to(elsewhere), "timid", mode="shadow")
        verdict(
            "EXTERNAL",
            'BlockSender(message, sender=message.envelope_from, reason="test")',
            "bar",
            mode="shadow",
        )
        hunt = f'Sweep(message, by=["edf_hash"], window="1h", then={rules.to("DeletedItems")}, reason="test")'
        verdict("EXTERNAL", hunt, "hunt", mode="shadow")
        verdict("HUNTED", hunt, "hunter")
        verdict("MALICIOUS-BEC", rules.to("JunkEmail"), "capped", caps="Caps(per_poll=1)")
        moody = mood == "moody"
        if mood in ("sulking", "cheered"):
            self.bench.rule("moody", SULKING)
        else:
            verdict("BULK", "int('mood')" if moody else rules.to("DeletedItems"), "moody")
        lists = self.bench.folder / "rules" / "lists"
        lists.mkdir(exist_ok=True)
        (lists / "_protected.txt").write_text(f"{PROTECTED}\n", encoding="utf-8")
        (lists / "moods.txt").write_text("0\n" if mood == "sulking" else "1\n", encoding="utf-8")
        reported = rules.rule(
            "message.message is not None",
            'Reclassify(message.message, to="SPAM", reason="test")',
            name="reported",
            on="PhishReport",
            caps=ROOMY,
        )
        self.bench.rule("reported", "def (" if moody else reported)
        self.bench.rule("historian", "" if moody else HISTORIAN)
        self.bench.rule("curious", CURIOUS)

    async def deliver(self, *verdicts: str, **fields: Any) -> list[str]:
        """Mail that playbooks act on; returns the ids."""
        ids: list[str] = []
        for verdict, many in Counter(verdicts).items():
            caught = {"delivery_status": ["quarantined"], "is_quarantined": True} if verdict == "SPAM" else {}
            fresh = await self.tenant.mail(*[verdict] * many, **caught | fields)
            if verdict == "NONE":
                for one in fresh:
                    await self.tenant.report(one)
            if verdict in WANTED:
                self.mail |= dict.fromkeys(fresh, verdict)
            ids += fresh
        return ids

    async def deliver_some(self) -> None:
        """A little of everything, some of it late."""
        await self.deliver(*WANTED, "MALICIOUS", "ENCRYPTED", "EXTERNAL")
        await self.tenant.mail("MALICIOUS", client_recipients=[PROTECTED])
        await self.deliver("MALICIOUS", "SPOOF", scanned_at=ago(self.chance.uniform(1, 600), time.time()))

    def some(self, verdict: str, count: int = 2) -> list[str]:
        """A few of the messages of a verdict; whatever becomes of them is not held against the worker."""
        known = sorted(one for one, each in self.mail.items() if each == verdict)
        chosen = self.chance.sample(known, min(count, len(known)))
        self.disturbed.update(chosen)
        return chosen

    # -- the worker

    async def start(
        self, point: Point | None, *arguments: str, breaks: Sequence[str] = (), **env: str
    ) -> Process:
        """Starts the worker with a bomb at this point."""
        self.starts += 1
        self.bench.module = "tests.acceptance.kills.victim"
        orders = {"VICTIM_SEEN": str(self.seen), "VICTIM_BREAKS": ",".join(breaks)}
        if point is not None:
            orders["VICTIM_AT"] = str(point)
        try:
            return await self.bench.start(*arguments, **orders | env)
        finally:
            self.bench.module = "worker.__main__"

    @property
    def seen(self) -> Any:
        """Where the process that was started last writes the lines that it passes."""
        return self.bench.folder / f"seen{self.starts}"

    def passed(self) -> tuple[set[tuple[str, int]], tuple[str, int] | None]:
        """The lines that the last process passed, and the one where it was struck."""
        lines, struck = set(), None
        for told in self.seen.read_text(encoding="utf-8").splitlines() if self.seen.exists() else ():
            what, _, place = told.partition(" ")
            module, _, line = place.partition(":")
            lines.add((module, int(line)))
            if what == "struck":
                struck = module, int(line)
        return lines, struck

    # -- the database, beside the worker

    def store(self, function: Callable[..., T], *args: Any) -> T:
        """A store function, in a process and on a connection of its own."""
        account = self.tenant.account_id
        return self._engine(lambda engine: transact(engine, lambda conn: function(conn, account, *args)))

    def _engine(self, use: Callable[[Engine], T]) -> T:
        engine = sqlite_engine(self.bench.database)
        try:
            return use(engine)
        finally:
            engine.dispose()

    def pause(self) -> None:
        """Nothing is sent from here on."""
        self.store(flags.pause, "test", "tester", time.time())

    def resume(self) -> None:
        """What waited goes on."""
        self.store(flags.resume, "tester", time.time())

    def grow_old(self, seconds: float = 120.0) -> None:
        """What was read, and what is held, becomes older, as if the time had passed."""

        def age(conn: Connection, _account: str) -> None:
            a = schema.actions
            conn.execute(update(a).values(verified_at=a.c.verified_at - seconds))
            conn.execute(
                update(a)
                .where(a.c.playbook == "purge", a.c.state == State.HELD)
                .values(held_until=time.time())
            )

        self.store(age)

    def wear_out(self, attempts: int) -> None:
        """What is ready has been sent so often."""

        def wear(conn: Connection, _account: str) -> None:
            a = schema.actions
            conn.execute(update(a).where(a.c.state == State.READY).values(attempts=attempts))

        self.store(wear)

    async def disguise(self) -> None:
        """A ready action is of a kind that this version does not know."""
        await self.decide_only()

        def change(conn: Connection, _account: str) -> None:
            a = schema.actions
            chosen = select(a.c.id).where(a.c.state == State.READY, a.c.playbook == "tried").limit(1)
            conn.execute(
                update(a)
                .where(a.c.id == chosen.scalar_subquery())
                .values(kind="forward", target="", lane="forward")
            )

        self.store(change)

    def disguise_unknown(self) -> None:
        """So is an action that was sent and never answered; all of these are due."""

        def change(conn: Connection, _account: str) -> None:
            a = schema.actions
            chosen = select(a.c.id).where(a.c.state == State.UNKNOWN, a.c.kind == "move").limit(1)
            conn.execute(update(a).where(a.c.id == chosen.scalar_subquery()).values(kind="forward"))
            waiting = a.c.state == State.UNKNOWN, a.c.due_at.is_not(None)
            conn.execute(update(a).where(*waiting).values(due_at=time.time()))

        self.store(change)

    def undisguise(self) -> None:
        """It is of a known kind again."""

        def change(conn: Connection, _account: str) -> None:
            a = schema.actions
            ready = {"target": "DeletedItems", "lane": "move:DeletedItems"}
            conn.execute(update(a).where(a.c.kind == "forward", a.c.target == "").values(**ready))
            conn.execute(update(a).where(a.c.kind == "forward").values(kind="move"))

        self.store(change)

    def make_due(self) -> None:
        """What was put off is due, as if the time had passed."""

        def due(conn: Connection, _account: str) -> None:
            a, p = schema.actions, schema.parked
            conn.execute(update(a).where(a.c.state == State.READY).values(due_at=time.time()))
            conn.execute(update(p).where(p.c.due_at.is_not(None)).values(due_at=time.time()))

        self.store(due)
        for name in (Kept.BREAKERS, Kept.QUARANTINE):
            told = self.store(flags.get, name) or {}
            again = {one: about | {"next_try": time.time()} for one, about in told.items()}
            self.store(flags.set_value, name, again, time.time())

    async def void_approvals(self) -> None:
        """What a person let go was altered since."""
        await self.decide_only(WORKER_MODE="approve")
        self.decide_as_a_person(last=False)

        def void(conn: Connection, _account: str) -> list[str]:
            p, a = schema.approvals, schema.actions
            conn.execute(update(p).values(digest="0" * 64))
            return list(conn.scalars(select(a.c.message_id).where(a.c.state == State.READY)))

        self.disturbed.update(self.store(void))

    async def decide_only(self, **env: str) -> None:
        """Everything is decided, and nothing is sent yet."""
        self.pause()
        await (await self.bench.start("run", "--once", **env)).wait(60)
        self.resume()

    async def lock_now_and_then(self, process: Process, seconds: float) -> None:
        """Another process holds the file for so long, again and again."""
        while not process.ended:
            await asyncio.sleep(self.chance.uniform(0.02, 0.3))
            with closing(sqlite3.connect(self.bench.database, isolation_level=None, timeout=0)) as connection:
                try:
                    connection.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError:
                    continue
                await asyncio.sleep(seconds)
                connection.execute("ROLLBACK")

    def decide_as_a_person(self, *, last: bool) -> None:
        """Approves what waits for approval; in the end also tries again what was given up."""

        def decide(conn: Connection, account: str) -> None:
            a = schema.actions
            rows = conn.execute(
                select(a.c.id, a.c.state).where(
                    a.c.playbook.not_in(["left", "right", "purge"]),
                    a.c.state.in_([State.HELD, State.DEAD] if last else [State.HELD]),
                )
            ).all()
            now = time.time()
            held = [row.id for row in rows if row.state == State.HELD]
            reviews.approve(conn, account, held, "tester", now)
            dead = [row.id for row in rows if row.state == State.DEAD]
            reviews.retry(conn, account, dead, "tester", now, checked=False)

        self.store(decide)

    # -- the laws

    async def check(self) -> None:
        """What must hold at any moment."""
        await self._check()

    async def _check(self) -> tuple[Books, list[Effect]]:
        count, broken = self.store(verification.verify)
        assert broken is None, f"the audit log of {count} records breaks: {broken}"
        # The server first: what happens meanwhile has an intent in what is read afterwards.
        effects = await self.effects()
        requests = await self.tenant.requests("POST")
        posts = [Post(one["endpoint"], tuple(one["ids"]), one["at"]) for one in requests]
        records = self.store(lambda conn, account: list(audit.records(conn, account)))
        books = Books(records, DELAY)
        faults = [*books.faults, *of_requests(books, posts)] or list(of_effects(books, effects))
        assert not faults, "\n".join(faults)
        return books, effects

    async def settle(self) -> None:
        """The faults end, a person decides, the worker works off what is left."""
        await self.tenant.faults()
        await self.tenant.token(self.bench.env["CLOUDFLARE_API_TOKEN"])
        self.write_rules()
        self.undisguise()
        for number in count(1):
            self.make_due()
            result = await (await self.bench.start("run", "--once")).wait(60)
            # A breaker that a vanished message opened again lets only one through, each time.
            assert result.code in (0, 3) or (result.code == 1 and number < ROUNDS), result
            if result.code != 1 and number >= FEWEST_ROUNDS and (number >= ROUNDS or not self._looks_on()):
                return
            self.decide_as_a_person(last=number >= FEWEST_ROUNDS - 2)

    def _looks_on(self) -> bool:
        """Whether something is still to be read back: each run looks once."""
        a = schema.actions.c
        doubtful = select(func.count()).where(a.state == State.UNKNOWN, a.due_at.is_not(None))
        return self.store(lambda conn, _: bool(conn.scalar(doubtful)))

    async def check_all(self) -> None:
        """What must hold at rest: nothing lost, nothing repeated, nothing left over."""
        books, effects = await self._check()
        assert not books.unanswered(), f"calls without an end: {books.unanswered()}"
        rows = self.store(
            lambda conn, _: [dict(row) for row in conn.execute(select(schema.actions)).mappings()]
        )
        faults = [*of_ledger(rows, effects, await self._by_others()), *self._lost(rows, effects)]
        assert not faults, "\n".join(faults)
        verified = await self.bench.run("audit", "verify")
        assert verified.code == 0, verified

    def _lost(self, rows: Sequence[dict[str, Any]], effects: Sequence[Effect]) -> list[str]:
        states: dict[Key, set[str]] = {}
        for row in rows:
            key = Key(row["kind"], row["message_id"], row["target"])
            states.setdefault(key, set()).add(row["state"])
        happened = {Key(*effect[:3]) for effect in effects}
        faults = []
        for message, verdict in self.mail.items():
            kind, target = WANTED[verdict]
            key = Key(kind, message, target)
            if key not in states:
                faults.append(f"{key}: lost: nothing in the ledger for {verdict} mail")
            elif message not in self.disturbed:
                good = {"succeeded"} if key in happened else set()
                good |= {"unknown"} if kind == "release" else set()
                if not states[key] & good:
                    faults.append(f"{key}: {states[key]}, effect: {key in happened}")
        return faults

    async def effects(self) -> list[Effect]:
        """What the server did at the API's request."""
        names = ("kind", "id", "target", "at")
        return [Effect(*(one[name] for name in names)) for one in await self.tenant.deeds()]

    async def _by_others(self) -> set[Key]:
        found = await self.tenant.journal()
        return {Key(one["kind"], one["id"], one["target"]) for one in found if one["actor"] != "api"}
