"""The ledger as the service uses it: store functions bound to one account, each `await` one durable transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from worker.clock import Clock
from worker.errors import StoreError
from worker.model.actions import Mode
from worker.model.calls import Answered, Call, Item, Outcome
from worker.model.caps import DAY
from worker.model.events import Event
from worker.model.history import History
from worker.model.ledger import (
    Aside,
    BulkLane,
    Campaigns,
    Claimed,
    Closed,
    Confirmation,
    Cursor,
    Found,
    Grant,
    JobOrder,
    Keep,
    Left,
    Limits,
    Look,
    Loss,
    OpenJob,
    OurMove,
    Parked,
    Pause,
    Postponed,
    Pruned,
    Shadowed,
    TakenBack,
    TimeMark,
)
from worker.model.levels import Levels
from worker.model.plans import Ceilings, Decided, Poll, Sighting
from worker.model.sweeps import Campaign
from worker.ports import Kept
from worker.store import budget, entries, flags, redating, retention, waiting
from worker.store.batches import Batches
from worker.store.calls import claims, confirmations, followup, losses, outcomes
from worker.store.engine import Store
from worker.store.file import witness
from worker.store.people import approvals, levels
from worker.store.plans import closing, intake, shadows
from worker.store.sweeps import campaigns, jobs
from worker.store.tools import Connection
from worker.store.views import histories, queries

FRESH_SECONDS = 2.0
"""How long after its claim a call may be sent: a pause or a 429 may have come since."""


class StoreLedger:
    """Implements `worker.ports.Ledger` on any engine that `Store` runs on."""

    def __init__(
        self,
        store: Store,
        account_id: str,
        clock: Clock,
        batch: int,
        brake: Callable[[], Pause | None] = lambda: None,
        job_over: int | None = None,
        hold_seconds: float = DAY,
        tell: Callable[[Aside], None] = lambda _: None,
    ) -> None:
        self.store = store
        self._brake = brake
        self.account_id = account_id
        self._clock = clock
        self._batch = batch
        self._job_over = job_over
        self._hold_seconds = hold_seconds
        self._tell = tell
        self._settled: Batches[tuple[Call, Answered], int] = Batches(self._settle)
        file = store.engine.url.database if store.engine.dialect.name == "sqlite" else None
        self._path = Path(file) if file else None
        self._head: witness.Head | None = None

    async def unseen(self, sightings: Sequence[Sighting], read_at: float | None = None) -> list[Sighting]:
        return await self.store.run(intake.unseen, self.account_id, sightings, read_at, self._clock.now())

    async def record(
        self,
        poll: Poll,
        sightings: Sequence[Sighting],
        decided: Sequence[Decided],
        *,
        rows: int,
        read_at: float | None,
        keep_all: bool,
    ) -> list[dict[str, Any]]:
        return await self.store.run(
            intake.record,
            self.account_id,
            poll,
            self._clock.now(),
            sightings,
            decided,
            rows=rows,
            read_at=read_at,
            keep_all=keep_all,
            batch=self._batch,
        )

    async def close(self, poll: Poll, ceilings: Ceilings, advance: Cursor | None) -> Closed:
        return await self.store.run(
            closing.close, self.account_id, poll, self._clock.now(), ceilings, advance
        )

    async def begin(self, source: str, first: Cursor) -> Cursor:
        return await self.store.run(closing.begin, self.account_id, source, first)

    async def cursor(self, source: str) -> Cursor | None:
        """How far the source has been read; None before anybody tried."""
        return await self.store.run(closing.cursor, self.account_id, source)

    async def open_polls(self, source: str) -> list[Poll]:
        return await self.store.run(closing.open_polls, self.account_id, source)

    async def quarantine(self, source: str, rows: Sequence[Any]) -> list[Any]:
        return await self.store.run(waiting.quarantine, self.account_id, source, self._clock.now(), rows)

    async def wait_for_message(self, events: Sequence[Sighting]) -> None:
        await self.store.run(waiting.wait_for_message, self.account_id, self._clock.now(), events)

    async def waiting(self, source: str) -> list[tuple[Event, float]]:
        return await self.store.run(waiting.waiting, self.account_id, source)

    async def parked_for(self) -> list[tuple[str, str]]:
        return await self.store.run(waiting.parked_for, self.account_id)

    async def parked_events(self, source: str, playbook: str, version: str, most: int) -> list[Parked]:
        return await self.store.run(waiting.parked_events, self.account_id, source, playbook, version, most)

    async def due_events(self, source: str, playbooks: Sequence[str], most: int) -> list[Parked]:
        return await self.store.run(
            waiting.due_events, self.account_id, source, playbooks, self._clock.now(), most
        )

    async def postpone(self, rows: Sequence[Postponed]) -> None:
        await self.store.run(waiting.postpone, self.account_id, self._clock.now(), rows)

    async def unasked_events(self, source: str, playbook: str, version: str, most: int) -> list[Parked]:
        return await self.store.run(waiting.unasked_events, self.account_id, source, playbook, version, most)

    async def redecide(self, poll: Poll, rows: Sequence[Parked], decided: Sequence[Decided]) -> None:
        await self.store.run(
            intake.redecide, self.account_id, poll, self._clock.now(), rows, decided, self._batch
        )

    async def shadowed(
        self, source: str, playbooks: Sequence[str], since: float, most: int
    ) -> list[Shadowed]:
        return await self.store.run(shadows.shadowed, self.account_id, source, playbooks, since, most)

    async def decide_again(self, poll: Poll, old: Sequence[Shadowed], decided: Sequence[Decided]) -> None:
        await self.store.run(
            shadows.decide_again, self.account_id, poll, self._clock.now(), old, decided, self._batch
        )

    async def campaigns(self, hold_seconds: float) -> Campaigns:
        return await self.store.run(campaigns.current, self.account_id, self._clock.now(), hold_seconds)

    async def freeze(
        self, campaign: Campaign, found: Found, decided: Sequence[Decided], ceilings: Ceilings
    ) -> Closed | None:
        return await self.store.run(
            campaigns.freeze,
            self.account_id,
            self._clock.now(),
            campaign,
            found,
            decided,
            ceilings,
            self._batch,
            self._job_over,
        )

    async def job_order(self, call: Call) -> JobOrder | None:
        return await self.store.run(jobs.order, call)

    async def no_job(self, call_id: str) -> None:
        await self.store.run(jobs.drop, call_id, self._batch)

    async def open_jobs(self) -> list[OpenJob]:
        return await self.store.run(jobs.open_jobs, self.account_id)

    async def job_call(self, call_id: str) -> Call:
        return await self.store.run(jobs.call, call_id)

    async def note_job(self, call_id: str, told: Mapping[str, Any]) -> None:
        await self.store.run(jobs.note, self.account_id, self._clock.now(), call_id, told)

    async def fail_campaign(self, campaign_id: str, why: str) -> bool:
        return await self.store.run(campaigns.fail, self.account_id, self._clock.now(), campaign_id, why)

    async def histories(self, senders: Mapping[str, str]) -> dict[str, History]:
        return await self.store.run(histories.histories, self.account_id, senders, self._clock.now())

    async def lanes(self, ceiling: Mode) -> list[BulkLane]:
        if self._brake() is not None:
            return []
        return await self.store.run(claims.lanes, self.account_id, self._clock.now(), ceiling)

    async def unverified(self, lane: BulkLane, ceilings: Ceilings, most: int) -> list[Item]:
        items, waiting = await self.store.run(
            claims.unverified, self.account_id, lane, self._clock.now(), ceilings, most
        )
        self._tell(Aside(kind=lane.kind, waiting=waiting))
        return items

    async def claim(self, lane: BulkLane, limits: Limits, *, most: int, calls: int) -> Claimed:
        now = self._clock.now()

        def claim(conn: Connection) -> tuple[Claimed, witness.Head]:
            # Here, beside the pause: what is claimed was not paused a moment before.
            if self._brake() is not None:
                return Claimed([], 0.0), witness.newest(conn, self.account_id)
            claimed = claims.claim(conn, self.account_id, lane, now, limits, most=most, calls=calls)
            send_by = self._clock.monotonic() + FRESH_SECONDS
            claimed = claimed._replace(calls=[replace(call, send_by=send_by) for call in claimed.calls])
            return claimed, witness.newest(conn, self.account_id)

        claimed, head = await self.store.run(claim)
        self._tell(Aside(kind=lane.kind, waiting=claimed.waiting))
        if claimed.calls:
            with suppress(StoreError):  # which the store itself tells; the word of a second ago will do
                await self._leave_word(head)
        return claimed

    async def review(
        self, lane: BulkLane, action_ids: Sequence[str], hold_seconds: float
    ) -> list[dict[str, Any]]:
        return await self.store.run(
            approvals.review,
            self.account_id,
            self._clock.now(),
            lane.kind,
            lane.target,
            action_ids,
            hold_seconds,
        )

    async def settle(self, call: Call, answered: Answered) -> int:
        return await self._settled.put((call, answered))

    async def _settle(self, answers: Sequence[tuple[Call, Answered]]) -> list[int]:
        owned, aside = await self.store.run(
            outcomes.settle, self.account_id, self._clock.now(), answers, self._hold_seconds
        )
        self._tell(aside)
        return owned

    async def recover(self, delay: float) -> list[str]:
        return await self.store.run(outcomes.recover, self.account_id, self._clock.now(), delay)

    async def apply_looks(self, hold_seconds: float, looks: Sequence[Look]) -> int:
        return await self.store.run(
            followup.apply_looks, self.account_id, self._clock.now(), hold_seconds, looks
        )

    async def our_moves(self, message_id: str) -> list[OurMove]:
        return await self.store.run(followup.our_moves, self.account_id, message_id, self._clock.now())

    async def due_read_backs(self, most: int, without: Collection[str] = ()) -> list[Item]:
        return await self.store.run(
            followup.due_read_backs, self.account_id, self._clock.now(), most, without
        )

    async def coming_read_backs(self) -> list[tuple[str, float]]:
        return await self.store.run(followup.coming_read_backs, self.account_id)

    async def parked_actions(self) -> int:
        return await self.store.run(followup.parked_actions, self.account_id)

    async def settle_read_back(
        self, outcome: Outcome, *, counted: bool, sent_at: float | None = None
    ) -> bool:
        aside = await self.store.run(
            followup.settle_read_back,
            self.account_id,
            self._clock.now(),
            outcome,
            counted=counted,
            sent_at=sent_at,
            hold_seconds=self._hold_seconds,
        )
        if aside is None:
            return False
        self._tell(aside)
        return True

    async def made(self, collection: str, entry_ids: Sequence[str]) -> dict[str, dict[str, Any] | None]:
        return await self.store.run(entries.made, self.account_id, collection, entry_ids)

    async def shared_names(self, items: Sequence[Item]) -> set[tuple[str, str]]:
        return await self.store.run(confirmations.shared_names, self.account_id, items)

    async def due_confirmations(self, most: int) -> list[Item]:
        return await self.store.run(confirmations.due_confirmations, self.account_id, self._clock.now(), most)

    async def confirm(self, seen: Sequence[Confirmation]) -> None:
        await self.store.run(confirmations.confirm, self.account_id, self._clock.now(), seen)

    async def expire(self) -> list[dict[str, Any]]:
        return await self.store.run(approvals.expire, self.account_id, self._clock.now())

    async def lower_ceiling(self, ceilings: Ceilings) -> int:
        return await self.store.run(followup.lower_ceiling, self.account_id, self._clock.now(), ceilings)

    async def left(self, ceiling: Mode) -> Left:
        return await self.store.run(followup.left, self.account_id, ceiling)

    async def paused(self) -> Pause | None:
        return self._brake() or await self.store.run(flags.paused, self.account_id)

    async def pause(self, pause: Pause) -> None:
        await self.store.run(flags.pause, self.account_id, pause.reason, pause.by, pause.since, pause.how)

    async def note_pause_file(self, found: Pause | None) -> None:
        await self.store.run(flags.note_pause_file, self.account_id, found, self._clock.now())

    async def note_source(self, source: str, since: float, error: str) -> None:
        await self.store.run(flags.note_source, self.account_id, self._clock.now(), source, since, error)

    async def remember(self, name: Kept, value: Any) -> None:
        await self.store.run(flags.set_value, self.account_id, name, value, self._clock.now())

    async def recall(self, name: Kept) -> Any:
        return await self.store.run(flags.get, self.account_id, name)

    async def introduce(self, daemon: dict[str, Any]) -> None:
        await self.store.run(flags.introduce, self.account_id, daemon, self._clock.now())

    async def suspicion(self) -> str | None:
        return await self.store.run(witness.suspicion, self._path) if self._path else None

    async def begin_loss(self, delay: float, why: str) -> dict[str, int]:
        return await self.store.run(losses.begin, self.account_id, self._clock.now(), delay, why)

    async def loss(self) -> Loss | None:
        return await self.store.run(losses.current, self.account_id, self._clock.now())

    async def keep_head(self) -> None:
        if self._path is None:
            return
        # Only what is durable: a head that is ahead would make an older copy of this very ledger.
        await self._leave_word(await self.store.run(witness.newest, self.account_id))

    async def _leave_word(self, head: witness.Head) -> None:
        if self._path is not None:
            await self.store.run(self._keep, self._path, head)

    def _keep(self, _: Connection, database: Path, head: witness.Head) -> None:
        # On the writer's thread, one at a time: no earlier word takes the place of a later one.
        if self._head is None or head.seq > self._head.seq:
            witness.keep(database, head)
            self._head = head

    async def levels(self) -> Levels:
        return await self.store.run(levels.recorded, self.account_id)

    async def take_back(self, ceilings: Ceilings) -> TakenBack:
        return await self.store.run(
            entries.take_back,
            self.account_id,
            self._clock.now(),
            ceilings.mode,
            ceilings.hold_seconds,
            self._batch,
        )

    async def prune(self, keep: Keep, most: int, now: float) -> Pruned:
        return await self.store.run(retention.step, self.account_id, now, keep, most)

    async def probe(self) -> None:
        await self.store.run(flags.set_value, self.account_id, flags.PROBE, None, self._clock.now())

    async def time_mark(self) -> TimeMark | None:
        return await self.store.run(redating.mark, self.account_id)

    async def follow_clock(self, step: float, mark: TimeMark) -> None:
        await self.store.run(redating.follow, self.account_id, step, mark)

    async def take_budget(self, limit: int) -> Grant:
        return await self.store.run(budget.take, self.account_id, self._clock.now(), 1, limit)

    async def block_until(self, until: float) -> None:
        await self.store.run(flags.block_until, self.account_id, until, self._clock.now())

    async def blocked_until(self) -> float:
        return await self.store.run(flags.blocked_until, self.account_id)

    async def counts_by_kind(self) -> list[tuple[str, str, int]]:
        return await self.store.run(queries.counts_by_kind, self.account_id)
