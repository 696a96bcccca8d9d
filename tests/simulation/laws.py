"""What must hold, at every request and commit and at the end, by the vendor's own record of what truly happened."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import Connection, select

from tests.simulation import playbooks
from tests.simulation.wire import Sent
from worker.model.actions import PURGE, Mode, State, lower_mode
from worker.model.events import Detection
from worker.model.plans import DETECTIONS, PHISHGUARD
from worker.simulator.rows import Effect, parse_rfc3339
from worker.store import audit, closing, followup, schema
from worker.store.tools import event_id, from_json
from worker.store.verification import verify

if TYPE_CHECKING:
    from tests.simulation.world import World

WINDOW, HOUR = 300.0, 3600.0
FRESH, GRACE = 60.0, 6.0
PAUSE_SECONDS = 5.0
ROUNDED = 0.01
SETTLED = (
    State.SUCCEEDED,
    State.FAILED,
    State.REJECTED,
    State.EXPIRED,
    State.DEAD,
    State.HELD,
    State.UNKNOWN,
)


class BrokenLawError(AssertionError):
    """A promise was broken; the message names which, and the facts."""


class Post(NamedTuple):
    """A mutating request as the vendor saw it."""

    number: int
    at: float
    kind: str
    target: str
    ids: tuple[str, ...]
    call_id: str


class Admitted(NamedTuple):
    """An action that the caps let through: when, in which poll, for which playbooks."""

    at: float
    poll_id: str
    playbooks: tuple[str, ...]


def _detection(wire: bytes) -> Detection:
    told = {name: value for name, value in msgspec.json.decode(wire).items() if value is not None}
    return msgspec.convert(told, Detection)


def law(holds: object, promise: str, *facts: object) -> None:
    """Raises where it does not hold."""
    if not holds:
        raise BrokenLawError(f"{promise}: {', '.join(map(str, facts))}")


class Laws:
    """Watches one history."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.broken: AssertionError | None = None
        self.paused_at: float | None = None
        self.posts: list[Post] = []
        self._requests: deque[float] = deque()
        self._admitted: dict[str, Admitted] = {}
        self._people: dict[str, list[tuple[str, float]]] = defaultdict(list)
        self._reading: dict[tuple[int, str], list[tuple[float, float]]] = defaultdict(list)

    # While it runs.

    def arriving(self, sent: Sent) -> None:
        """A request is about to reach the vendor."""
        self._watch(self._arriving, sent)

    def committed(self, function: Callable[..., Any], args: tuple[Any, ...], result: Any) -> None:
        """A store function's transaction is durable."""
        self._watch(self._committed, function, args, result)

    def _watch(self, check: Callable[..., None], *facts: Any) -> None:
        """Inside the worker an error would be caught by the worker: it is kept, and the process ends here."""
        if self.broken is None:
            try:
                check(*facts)
            except AssertionError as error:
                self.broken = error
                self._world.process.die("a law is broken")

    def _arriving(self, sent: Sent) -> None:
        world = self._world
        world.stats["requests"] += 1
        self._requests.append(sent.at)
        while self._requests[0] <= sent.at - WINDOW:
            self._requests.popleft()
        law(
            len(self._requests) <= world.plan.budget,
            "never more than the request budget in any 300 s",
            len(self._requests),
            world.plan.budget,
        )
        tail = sent.path.rpartition("/email-security/")[2]
        if sent.method == "POST":
            self._note_post(sent, tail)
        elif tail in ("investigate", "phishguard/reports") and "cursor" not in sent.query:
            start = parse_rfc3339(sent.query["start"]) / 1000
            source = DETECTIONS if tail == "investigate" else PHISHGUARD
            self._reading[sent.life, source].append((sent.at, start))

    def _note_post(self, sent: Sent, tail: str) -> None:
        world = self._world
        body = msgspec.json.decode(sent.body)
        kind = tail.rpartition("/")[2]
        target = body.get("destination") or body.get("expected_disposition") or ""
        named = tuple(body["ids"]) if "ids" in body else (tail.split("/")[1],)
        world.tell(f"POST {sent.number} {kind} {target} {list(named)}")
        law(world.mode is not Mode.SHADOW, "shadow mode sends no mutating request", kind, target, named)
        law(
            self.paused_at is None or sent.at <= self.paused_at + PAUSE_SECONDS,
            "no new write more than 5 s after a pause",
            kind,
            named,
        )
        rows = [row for row in world.rows(State.SUBMITTED) if row["kind"] == kind and row["target"] == target]
        mine = {row["message_id"]: row for row in rows if row["message_id"] in named}
        law(set(mine) == set(named), "an intent is committed before any POST", kind, target, named)
        calls = {row["call_id"] for row in mine.values()}
        law(len(calls) == 1, "one call, one POST", calls)
        call_id = calls.pop()
        law(all(post.call_id != call_id for post in self.posts), "a call is sent once", call_id)
        (intent,) = world.disk.run(_records, world.account, "intent", call_id) or [None]
        law(intent is not None, "the intent is in the audit log before any POST", call_id)
        law(
            sorted(pair[1] for pair in intent["actions"]) == sorted(named),
            "the intent names exactly what is sent",
            intent,
            named,
        )
        for row in mine.values():
            self._may_act(row, sent.at)
        self.posts.append(Post(sent.number, sent.at, kind, target, named, call_id))

    def _may_act(self, row: dict[str, Any], now: float) -> None:
        approved = row["approved_at"] is not None
        if self._world.mode is Mode.APPROVE:
            law(approved, "in approve mode nothing is sent without a person", row["id"])
        if row["kind"] == "move" and row["target"] == PURGE:
            law(approved, "a purge needs a person in every mode", row["id"])
        moves = [one for one in self._effects("move") if one.id == row["message_id"]]
        if row["kind"] != "move" or not moves or moves[-1].actor != "analyst":
            return
        since = moves[-1].at
        spoken = [at for _, at in self._people[row["id"]]]
        law(
            since > now - FRESH - GRACE or any(at > since for at in spoken),
            "what somebody moved first is not moved again",
            row["id"],
            f"moved to {moves[-1].target} {now - since:.1f} s ago",
        )

    def _committed(self, function: Callable[..., Any], args: tuple[Any, ...], result: Any) -> None:
        self._world.stats["commits"] += 1
        if function is closing.close:
            _, poll, _, _, advance = args
            self._note_admitted(poll.id)
            if advance is not None:
                self._check_watermark(poll)
        elif function is followup.settle_read_back and result and args[2].state is State.READY:
            self._check_read_back(args[2].action_id)

    def _note_admitted(self, poll_id: str) -> None:
        votes = self._world.disk.run(_votes, poll_id)
        for row in self._world.rows(State.READY):
            if row["poll_id"] == poll_id and row["id"] not in self._admitted:
                now = self._world.times.true()
                self._admitted[row["id"]] = Admitted(now, poll_id, tuple(votes[row["id"]]))

    def _check_watermark(self, poll: Any) -> None:
        """Everything that the window showed when it was read is recorded by now."""
        world = self._world
        asked = self._reading.pop((world.lives, poll.source), [])
        read = any(abs(start - poll.start) < ROUNDED for _, start in asked)
        law(read, "a window is read before its watermark moves", poll)
        began = min(at for at, _ in asked)
        seen = world.disk.run(_seen, world.account)
        if poll.source != DETECTIONS:
            return
        for message_id, arrived in world.arrived.items():
            scanned = parse_rfc3339(world.message(message_id).row.scanned_at) / 1000
            if arrived <= began and poll.start <= scanned <= poll.end:
                law(
                    event_id(world.account, DETECTIONS, message_id) in seen or message_id in seen,
                    "the watermark never stands before the rows",
                    message_id,
                    poll,
                )

    def _check_read_back(self, action_id: str) -> None:
        """`Without effect` is a proof: the request that was read back really had none."""
        row = self._row(action_id)
        post = next(
            (
                one
                for one in reversed(self.posts)
                if row["message_id"] in one.ids and one.call_id == row["call_id"]
            ),
            None,
        )
        if post is not None:
            hits = [one for one in self._effects(row["kind"]) if one.request == post.number]
            hits = [one for one in hits if one.id == row["message_id"]]
            law(not hits, "what is read back as without effect had none", action_id, hits)

    def decided_by_person(self, action_id: str, call: str) -> None:
        """An operator has spoken."""
        self._people[action_id].append((call, self._world.times.true()))

    # At the end.

    def final(self) -> None:
        """Nothing is left to do: is everything as promised?"""
        world = self._world
        world.check()
        records, broken = world.disk.run(verify, world.account)
        law(broken is None, "the audit chain is whole", records, broken)
        rows = world.rows()
        self._check_trail(rows)
        self._check_repeats(rows)
        self._check_caps(rows)
        for row in rows:
            self._check_end(row)
        by_wish: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            by_wish[row["message_id"], row["kind"], row["target"]].append(row)
        self._check_lost(by_wish)

    def _check_trail(self, rows: Sequence[dict[str, Any]]) -> None:
        world = self._world
        trail = world.disk.run(_trail, world.account)
        ended = {*trail["outcome"], *trail["orphaned"]}
        for call_id in trail["intent"]:
            law(call_id in ended, "every intent has an outcome", call_id)
        for post in self.posts:
            law(post.call_id in trail["intent"], "every POST has an intent", post)
        for row in rows:
            law(row["id"] in trail["decided"], "every action's decision is recorded", row["id"], row["state"])

    def _check_repeats(self, rows: Sequence[dict[str, Any]]) -> None:
        sent: Counter[tuple[str, str, str]] = Counter()
        for row in rows:
            again = sum(1 for call, _ in self._people[row["id"]] if call == "retry")
            if row["submitted_at"] is not None:
                sent[row["message_id"], row["kind"], row["target"]] += 1 + again
        effects: Counter[tuple[str, str, str, str]] = Counter()
        for one in self._effects():
            if one.actor == "api":
                effects.update((one.id, one.kind, one.target, to) for to in one.recipients)
        for (message_id, kind, target, to), count in effects.items():
            allowed = sent[message_id, kind, target]
            law(
                count <= allowed,
                "nothing is done twice",
                kind,
                target,
                message_id,
                to,
                f"{count} > {allowed}",
            )

    def _check_caps(self, rows: Sequence[dict[str, Any]]) -> None:
        plan = self._world.plan
        mine = [
            self._admitted[row["id"]]
            for row in rows
            if row["id"] in self._admitted and row["submitted_at"] is not None
            # What was refused and then given up has used up nothing; what a person let go has no cap.
            if row["state"] != State.SKIPPED and not self._people[row["id"]]
        ]
        self._check_windows("all playbooks", sorted(one.at for one in mine), plan.cap_per_hour)
        capped = {one.id: one.caps for one in self._world.catalogue.playbooks}
        for name, caps in capped.items():
            its = [one for one in mine if name in one.playbooks]
            self._check_windows(name, sorted(one.at for one in its), min(caps.per_hour, plan.cap_per_hour))
            for poll_id, count in Counter(one.poll_id for one in its).items():
                most = min(caps.per_poll, plan.cap_per_poll)
                law(count <= most, "never more than the cap per poll", name, poll_id, f"{count} > {most}")

    def _check_windows(self, name: str, times: Sequence[float], most: int) -> None:
        for index, at in enumerate(times):
            inside = sum(1 for other in times[: index + 1] if other > at - HOUR)
            law(inside <= most, "never more than the cap per hour", name, f"{inside} > {most}")

    def _check_end(self, row: dict[str, Any]) -> None:
        """No action is left behind in between, and what it says of itself is true."""
        state, facts = row["state"], (row["id"], row["kind"], row["message_id"], row["state"], row["error"])
        # What was approved before the mode was lowered waits for a higher one.
        waits = state == State.READY and self._world.mode is Mode.SHADOW and row["approved_at"] is not None
        undone = state in (State.OPEN, State.SUBMITTED, State.READY) and not waits
        law(not undone, "nothing is left undone", *facts)
        law(state != State.UNKNOWN or row["due_at"] is None, "what is unknown is read back or parked", *facts)
        if state not in (State.SUCCEEDED, State.SHADOWED, State.READY):
            law(row["error"], "every end has its reason", *facts)
        if state == State.SUCCEEDED:
            done = [one for one in self._effects(row["kind"]) if one.id == row["message_id"]]
            law(any(one.target == row["target"] for one in done), "what succeeded took place", *facts, done)

    def _check_lost(self, by_wish: dict[tuple[str, str, str], list[dict[str, Any]]]) -> None:
        world = self._world
        seen = world.disk.run(_seen, world.account)
        floor = world.disk.run(_floor, world.account)
        parked = world.disk.run(_parked, world.account)
        law(floor is not None, "a source that can be read is read")
        assert floor is not None
        for message_id, held in world.tenant.messages.items():
            if parse_rfc3339(held.row.scanned_at) / 1000 < floor:
                continue
            message = _detection(world.tenant.wire(held))
            key = event_id(world.account, DETECTIONS, message_id)
            law(
                seen.get(key) == (message.final_disposition or ""),
                "no detection is lost: its verdict is known",
                message_id,
                seen.get(key),
                message.final_disposition,
            )
            if playbooks.FRAGILE in (message.from_name or "") and not world.versions.mended:
                law((message_id, message.final_disposition) in parked, "what failed is parked", message_id)
            for playbook, action in playbooks.wanted(world.catalogue, message):
                mode = lower_mode(playbook.mode, world.mode)
                rows = by_wish[message_id, action.kind, action.target]
                self._check_wish(message, playbook.id, mode, action.kind, action.target, rows)
        for number, report in world.tenant.reports:
            if number / 1000 >= floor:
                key = event_id(world.account, PHISHGUARD, str(report.id))
                law(key in seen, "no report is lost", report.id)

    def _check_wish(
        self,
        message: Detection,
        playbook: str,
        mode: Mode,
        kind: str,
        target: str,
        rows: Sequence[dict[str, Any]],
    ) -> None:
        states = {row["state"] for row in rows}
        facts = (
            playbook,
            kind,
            target,
            message.id,
            message.final_disposition,
            [(r["state"], r["error"]) for r in rows],
        )
        if mode is Mode.SHADOW:
            law(states, "no detection is lost: shadow records it", *facts)
        elif not states & set(SETTLED):
            law(
                State.SKIPPED in states and self._holds(message, kind, target), "no detection is lost", *facts
            )

    def _holds(self, message: Detection, kind: str, target: str) -> bool:
        """Whether the target state holds at the vendor, whoever brought it about."""
        if kind == "move":
            moves = [one for one in self._effects("move") if one.id == message.id]
            return bool(moves) and moves[-1].target == target
        if kind == "release":
            return not message.is_quarantined or "QUARANTINE_RELEASE" in message.post_delivery_operations
        return message.final_disposition == target

    def _effects(self, kind: str | None = None) -> Iterable[Effect]:
        return [one for one in self._world.tenant.effects if kind in (None, one.kind)]

    def _row(self, action_id: str) -> dict[str, Any]:
        return next(row for row in self._world.rows() if row["id"] == action_id)


def _records(conn: Connection, account_id: str, kind: str, call_id: str) -> list[Any]:
    return [from_json(row["body"]) for row in audit.records(conn, account_id, kind=kind, call_id=call_id)]


def _trail(conn: Connection, account_id: str) -> dict[str, set[str]]:
    """Call ids, or for decisions action ids, by kind of record."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in audit.records(conn, account_id):
        found[row["kind"]].add(row["action_id"] if row["kind"] == "decided" else row["call_id"])
    return found


def _votes(conn: Connection, poll_id: str) -> dict[str, list[str]]:
    d = schema.decisions.c
    found: dict[str, list[str]] = defaultdict(list)
    for row in conn.execute(select(d.action_id, d.playbook, d.mode).where(d.poll_id == poll_id)):
        if row.mode == Mode.ENFORCE:
            found[row.action_id].append(row.playbook)
    return found


def _seen(conn: Connection, account_id: str) -> dict[Any, str]:
    """Revisions by event; rows in quarantine by their own ids."""
    e, q = schema.events.c, schema.quarantine.c
    found: dict[Any, str] = {row.id: row.revision for row in conn.execute(select(e.id, e.revision))}
    found.update((one, "") for one in conn.scalars(select(q.row_id).where(q.account_id == account_id)))
    return found


def _parked(conn: Connection, account_id: str) -> set[tuple[str, str]]:
    p = schema.parked.c
    return {(row.key, row.revision) for row in conn.execute(select(p.key, p.revision))}


def _floor(conn: Connection, account_id: str) -> float | None:
    cursor = closing.cursor(conn, account_id, DETECTIONS)
    return cursor.floor if cursor else None
