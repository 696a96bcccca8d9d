"""Random days at a desk: playbooks, an analyst, approvals, lost answers, restarts, a lagging log, undos of anything.

Whatever comes in whatever order, an undo that nobody had to confirm brings a message back to the folder where it
truly was.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import ACCOUNT, ENFORCE, catalogue, detection, junk, playbook, vote
from tests.desk import Desk
from tests.fakes import FakeCloudflare, ManualClock, OpenBudget
from worker.cloudflare import LogEntry
from worker.dispatcher import Dispatcher, DispatchOptions
from worker.errors import AnswerLost
from worker.executors import executors
from worker.intake import Intake
from worker.model.actions import LIVE, Mode, State
from worker.model.undoing import REVERSIBLE, UNDO
from worker.ops.metrics import Metrics
from worker.reconciler import Reconciler
from worker.store.engine import Store, sqlite_engine, transact
from worker.store.migrate import migrate
from worker.store.people import reviews
from worker.store.people.undo import Order, Wanted
from worker.store.people.undo import undo as plan_undo

MESSAGES = ("m1", "m2")
VERDICTS = ("MALICIOUS", "SUSPICIOUS", "SPOOF", "SPAM")
DELAY, LAG = 30.0, 20.0
"""The vendor's log lags, but by less than a read-back waits."""
BLIND = LAG + 65.0
"""What the log shows so late, or after the look, nobody can know when the move goes out."""


@dataclass
class Vendor(FakeCloudflare):
    """Every move takes a moment, and the log shows it a while later."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.clock.pass_time(0.01)

    def moved(self, message_id: str, folder: str, seconds: float, by: str = "ann", **more: Any) -> None:
        self.clock.pass_time(0.01)
        super().moved(message_id, folder, seconds, by, **more)

    async def answer(self, operation: str, effect: Callable[[], Any], **arguments: Any) -> Any:
        got = await super().answer(operation, effect, **arguments)
        if operation != "action_log":
            return got
        shown = self.clock.now() - LAG
        return tuple(one for one in got if one.completed_at.timestamp() <= shown)


@dataclass
class Day:
    """One seed's world and what can happen in it."""

    desk: Desk
    tenant: Vendor
    dice: Random
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tenant.add(*(detection(name) for name in MESSAGES))
        self.start()

    def start(self) -> None:
        """A worker on the ledger as it is."""
        ledger, clock, metrics = self.desk.ledger, self.desk.clock, Metrics()
        known = executors(self.tenant.client, ledger, DELAY, 250)
        decide = catalogue(playbook(lambda _: None))
        intake = Intake(ledger, decide, ENFORCE, clock, metrics, wake=lambda: None, keep_all=False)
        options = DispatchOptions(ENFORCE, 600, DELAY, 30.0)
        self.dispatcher = Dispatcher(
            ledger, self.tenant.client, known, OpenBudget(), clock, metrics, options, intake.refresh, lambda: "token"
        )  # fmt: skip
        self.reconciler = Reconciler(ledger, known, clock, metrics, DELAY)

    async def happen(self) -> None:
        """One thing more."""
        things: dict[str, Callable[[], Awaitable[object]]] = {
            "want": self.want, "work": self.work, "analyst": self.analyst, "undo": self.undo,
            "approve": self.approve, "reject": self.reject, "lose": self.lose, "wait": self.wait,
            "restart": self.restart,
        }  # fmt: skip
        (name,) = self.dice.choices(list(things), [4, 8, 2, 6, 2, 1, 1, 4, 1])
        self.told.append(name)
        self.desk.clock.pass_time(1)
        await things[name]()

    async def want(self) -> None:
        """A verdict comes or changes, and a playbook wants the message somewhere."""
        name, verdict = self.dice.choice(MESSAGES), self.dice.choice(VERDICTS)
        self.tenant.add(replace(self.tenant.messages[name], final_disposition=verdict))
        row = self.tenant.messages[name]
        mode = self.dice.choice([Mode.ENFORCE, Mode.ENFORCE, Mode.APPROVE])
        wish = junk(name, vote("rule", mode), to=self.dice.choice(REVERSIBLE), final_disposition=verdict)
        fresh = None if row.has_moved else -1.0
        await self.desk.take_in(wish, read_at=fresh)

    async def work(self) -> None:
        """What is due is looked at, sent and read back."""
        for _ in range(2):
            await self.dispatcher.step()
            await self.dispatcher.settled()
            await self.reconciler.step()

    async def analyst(self) -> None:
        """Somebody moves a message in the dashboard."""
        self.tenant.moved(self.dice.choice(MESSAGES), self.dice.choice(REVERSIBLE), self.desk.clock.now())

    async def undo(self) -> None:
        """A person wants something taken back."""
        rows = await self.desk.rows()
        if rows:
            one = self.dice.choice(rows[-4:])["id"]
            order = Order("ann", None, ENFORCE, 250)
            await self.desk.run(plan_undo, ACCOUNT, Wanted((one,)), order, self.desk.clock.now(), dry=False)

    async def approve(self) -> None:
        """A person lets what is held go."""
        await self.review(reviews.approve)

    async def reject(self) -> None:
        """A person drops what is held."""
        await self.review(reviews.reject)

    async def review(self, decide: Callable[..., Any]) -> None:
        held = [row["id"] for row in await self.desk.rows(state=State.HELD)]
        if held:
            await self.desk.run(decide, ACCOUNT, [self.dice.choice(held)], "ann", self.desk.clock.now())

    async def lose(self) -> None:
        """The answer of the next move is lost, its effect is not."""
        self.tenant.will_lose("move", AnswerLost("reset"))

    async def wait(self) -> None:
        """A while passes."""
        self.desk.clock.pass_time(self.dice.uniform(1, 120))

    async def restart(self) -> None:
        """The worker is started anew."""
        await self.desk.ledger.recover(DELAY)
        self.start()

    async def end(self) -> None:
        """Everything that can be settled is."""
        for _ in range(12):
            self.desk.clock.pass_time(DELAY + 1)
            await self.work()


async def live(seed: int, folder: Path) -> list[str]:
    """One seed's day, from an empty database to its laws; what happened, for whoever looks."""
    clock = ManualClock()
    engine = sqlite_engine(folder / f"{seed}.db")
    transact(engine, migrate)
    store = Store(engine)
    store.start()
    day = Day(Desk(store, clock), Vendor(clock), Random(seed))
    try:
        for _ in range(40):
            await day.happen()
        await day.end()
        for name in MESSAGES:
            holds(day.tenant.logs[name], await day.desk.rows(message_id=name))
        assert await day.desk.intact()
    except AssertionError as error:
        raise AssertionError(f"UNDO_SEED={seed} pytest -k replay {__file__}\n{day.told}\n{error}") from error
    finally:
        await store.close()
        for suffix in ("", "-wal", "-shm"):
            (folder / f"{seed}.db{suffix}").unlink(missing_ok=True)
    return day.told


def holds(log: list[LogEntry], rows: list[dict[str, Any]]) -> None:
    """The laws, of one message: its true moves against the ledger."""
    assert not [row for row in rows if row["state"] in (State.OPEN, State.SUBMITTED, State.UNKNOWN)]
    done = sorted(
        (row for row in rows if row["state"] == State.SUCCEEDED), key=lambda row: row["submitted_at"]
    )
    own = [index for index, entry in enumerate(log) if entry.requested_by == "worker"]
    # Every effect once, and none that the ledger does not know.
    assert [log[index].folder for index in own] == [row["target"] for row in done]
    at = dict(zip((row["id"] for row in done), own, strict=True))
    before = {one: log[index - 1].folder if index else "Inbox" for one, index in at.items()}
    by_id = {row["id"]: row for row in rows}
    causes = [row["cause"] for row in rows if row["cause"] and row["state"] in LIVE]
    assert len(causes) == len(set(causes)), "undone twice"
    put_back = ""
    for row in done:
        if row["cause"] and row["approved_at"] is None:
            undone = by_id[row["cause"]]
            unseen = _unseen(log, at[row["id"]])
            assert unseen or before[row["id"]] == undone["target"], (
                f"{row['id']}: it was not where it was put"
            )
            alike = _unseen(log, at[undone["id"]], undone["target"])
            assert alike or row["target"] == before[undone["id"]], (
                f"{row['id']}: it was somewhere else before"
            )
        if not row["cause"] and put_back not in ("", row["target"]):
            assert row["approved_at"] is not None, f"{row['id']}: against a person's undo, without asking"
        put_back = row["target"] if row["playbook"] == UNDO else put_back


def _unseen(log: list[LogEntry], index: int, folder: str | None = None) -> bool:
    """Whether somebody moved the message so shortly before this move that nothing tells; to this folder, if named."""
    at = _time(log[index])
    return any(
        one.requested_by != "worker" and 0 <= at - _time(one) < BLIND and folder in (None, one.folder)
        for one in log[:index]
    )


def _time(entry: LogEntry) -> float:
    assert entry.completed_at is not None
    return entry.completed_at.timestamp()


async def test_undo_laws_hold_over_random_days(tmp_path: Path) -> None:
    """Back to the true folder or held, each effect once, no undo twice, and no playbook against it."""
    for seed in range(8):
        await live(seed, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(0)
async def test_undo_laws_hold_over_many_random_days(tmp_path: Path) -> None:
    """As many as SEEDS says, from UNDO_SEED on."""
    first, count = int(os.environ.get("UNDO_SEED", "1000")), int(os.environ.get("SEEDS", "2000"))
    for seed in range(first, first + count):
        await live(seed, tmp_path)


@pytest.mark.skipif("UNDO_SEED" not in os.environ, reason="replays the seed of UNDO_SEED")
async def test_replay(tmp_path: Path) -> None:
    """One seed that failed."""
    told = await live(int(os.environ["UNDO_SEED"]), tmp_path)
    assert told
