"""What must hold at every request and commit, by the vendor's own record of what truly happened."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tests.simulation import books
from tests.simulation.law import law
from tests.simulation.wire import Sent
from worker.model.actions import PURGE, Mode, State
from worker.model.plans import DETECTIONS, PHISHGUARD
from worker.simulator.rows import Effect, parse_rfc3339
from worker.store.calls import followup
from worker.store.plans import closing
from worker.store.tools import event_id

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


class Post(NamedTuple):
    """A mutating request as the vendor saw it."""

    number: int
    at: float
    kind: str
    target: str
    ids: tuple[str, ...]
    call_id: str


class Admitted(NamedTuple):
    """An action that the caps let through: in which poll, for which playbooks."""

    poll_id: str
    playbooks: tuple[str, ...]


class Laws:
    """Watches one history."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.broken: AssertionError | None = None
        self.paused_at: float | None = None
        self.posts: list[Post] = []
        self._requests: deque[float] = deque()
        self.admitted: dict[str, Admitted] = {}
        self.sent: dict[str, float] = {}
        self.people: dict[str, list[tuple[str, float]]] = defaultdict(list)
        self._reading: dict[tuple[int, str], list[tuple[float, float]]] = defaultdict(list)

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
        kind, wanted = self._submitted(body) if tail == "submissions" else _asked(tail, body)
        named = tuple(wanted)
        target = "" if not wanted else next(iter(wanted.values()))
        world.tell(f"POST {sent.number} {kind} {target} {list(named)}")
        law(world.mode is not Mode.SHADOW, "shadow mode sends no mutating request", kind, target, named)
        law(
            self.paused_at is None or sent.at <= self.paused_at + PAUSE_SECONDS,
            "no new write more than 5 s after a pause",
            kind,
            named,
        )
        rows = [row for row in world.rows(State.SUBMITTED) if row["kind"] == kind]
        mine = {row["message_id"]: row for row in rows if wanted.get(row["message_id"]) == row["target"]}
        law(set(mine) == set(named), "an intent is committed before any POST", kind, target, named)
        calls = {row["call_id"] for row in mine.values()}
        law(len(calls) == 1, "one call, one POST", calls)
        call_id = calls.pop()
        law(all(post.call_id != call_id for post in self.posts), "a call is sent once", call_id)
        (intent,) = world.disk.run(books.records, world.account, "intent", call_id) or [None]
        law(intent is not None, "the intent is in the audit log before any POST", call_id)
        law(
            sorted(pair[1] for pair in intent["actions"]) == sorted(named),
            "the intent names exactly what is sent",
            intent,
            named,
        )
        for row in mine.values():
            self._may_act(row, sent.at)
            self.sent[row["id"]] = sent.at
        self.posts.append(Post(sent.number, sent.at, kind, target, named, call_id))

    def _submitted(self, body: dict[str, Any]) -> tuple[str, dict[str, str]]:
        """What a submission asks for, by the messages that its names stand for."""
        tenant = self._world.tenant
        wanted = {}
        for one in body["messages"]:
            alert = "alert_id" in one
            found = tenant.by_alert[one["alert_id"]] if alert else tenant.by_postfix[one["postfix_id"]]
            wanted[found.row.id] = one["expected_disposition"]
        law(len(wanted) == len(body["messages"]), "no submission names a message twice", body)
        return "reclassify", wanted

    def _may_act(self, row: dict[str, Any], now: float) -> None:
        approved = row["approved_at"] is not None
        if self._world.mode is Mode.APPROVE:
            law(approved, "in approve mode nothing is sent without a person", row["id"])
        if row["kind"] == "move" and row["target"] == PURGE:
            law(approved, "a purge needs a person in every mode", row["id"])
        moves = [one for one in self.effects("move") if one.id == row["message_id"]]
        if row["kind"] != "move" or not moves or moves[-1].actor != "analyst":
            return
        since = moves[-1].at
        spoken = [at for _, at in self.people[row["id"]]]
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
        elif function is followup.settle_read_back and result is not None and args[2].state is State.READY:
            self._check_read_back(args[2].action_id)

    def _note_admitted(self, poll_id: str) -> None:
        votes = self._world.disk.run(books.votes, poll_id)
        for row in self._world.rows(State.READY):
            if row["poll_id"] == poll_id and row["id"] not in self.admitted:
                self.admitted[row["id"]] = Admitted(poll_id, tuple(votes[row["id"]]))

    def _check_watermark(self, poll: Any) -> None:
        """Everything that the window showed when it was read is recorded by now."""
        world = self._world
        asked = self._reading.pop((world.lives, poll.source), [])
        read = any(abs(start - poll.start) < ROUNDED for _, start in asked)
        law(read, "a window is read before its watermark moves", poll)
        began = min(at for at, _ in asked)
        seen = world.disk.run(books.seen, world.account)
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
            hits = [one for one in self.effects(row["kind"]) if one.request == post.number]
            hits = [one for one in hits if one.id == row["message_id"]]
            law(not hits, "what is read back as without effect had none", action_id, hits)

    def decided_by_person(self, action_id: str, call: str) -> None:
        """An operator has spoken."""
        self.people[action_id].append((call, self._world.times.true()))

    def effects(self, kind: str | None = None) -> Sequence[Effect]:
        """What truly happened to messages, whoever did it."""
        return [one for one in self._world.tenant.effects if kind in (None, one.kind)]

    def _row(self, action_id: str) -> dict[str, Any]:
        return next(row for row in self._world.rows() if row["id"] == action_id)


def _asked(tail: str, body: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The kind of a request and, by message, what it asks for."""
    target = body.get("destination") or body.get("expected_disposition") or ""
    named = body["ids"] if "ids" in body else [tail.split("/")[1]]
    return tail.rpartition("/")[2], dict.fromkeys(named, target)
