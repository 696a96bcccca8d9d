"""What must hold in the end, when everything works again and nothing is left to do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tests.simulation import books, playbooks
from tests.simulation.law import law
from worker.model.actions import Mode, State, lower_mode
from worker.model.events import Detection
from worker.model.plans import DETECTIONS, PHISHGUARD
from worker.simulator.rows import parse_rfc3339
from worker.store.tools import event_id
from worker.store.trail.verification import verify

if TYPE_CHECKING:
    from tests.simulation.laws import Laws
    from tests.simulation.world import World

HOUR = 3600.0
GIVEN_UP = (State.SKIPPED, State.HELD, State.EXPIRED)
SETTLED = (
    State.SUCCEEDED,
    State.FAILED,
    State.REJECTED,
    State.EXPIRED,
    State.DEAD,
    State.HELD,
    State.UNKNOWN,
)


def _detection(wire: bytes) -> Detection:
    told = {name: value for name, value in msgspec.json.decode(wire).items() if value is not None}
    return msgspec.convert(told, Detection)


class Ends:
    """Looks at everything that one history has left behind."""

    def __init__(self, world: World, laws: Laws) -> None:
        self._world = world
        self._laws = laws

    def check(self) -> None:
        """Is everything as promised?"""
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
        trail = world.disk.run(books.trail, world.account)
        ended = {*trail["outcome"], *trail["orphaned"]}
        for call_id in trail["intent"]:
            law(call_id in ended, "every intent has an outcome", call_id)
        for post in self._laws.posts:
            law(post.call_id in trail["intent"], "every POST has an intent", post)
        for row in rows:
            law(row["id"] in trail["decided"], "every action's decision is recorded", row["id"], row["state"])

    def _check_repeats(self, rows: Sequence[dict[str, Any]]) -> None:
        sent: Counter[tuple[str, str, str]] = Counter()
        for row in rows:
            again = sum(1 for call, _ in self._laws.people[row["id"]] if call == "retry")
            if row["submitted_at"] is not None:
                sent[row["message_id"], row["kind"], row["target"]] += 1 + again
        effects: Counter[tuple[str, str, str, str]] = Counter()
        for one in self._laws.effects():
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
        # An action counts in the hour in which it was sent, for the last time where that was more than once.
        mine = [
            (self._laws.admitted[row["id"]], self._laws.sent[row["id"]])
            for row in rows
            if row["id"] in self._laws.admitted and row["id"] in self._laws.sent
            # What was refused and then given up has used up nothing; what a person let go has no cap.
            if row["state"] not in GIVEN_UP and not self._laws.people[row["id"]]
        ]
        self._check_windows("all playbooks", sorted(at for _, at in mine), plan.cap_per_hour)
        capped = {one.id: one.caps for one in self._world.catalogue.playbooks}
        for name, caps in capped.items():
            its = [(one, at) for one, at in mine if name in one.playbooks]
            self._check_windows(name, sorted(at for _, at in its), min(caps.per_hour, plan.cap_per_hour))
            for poll_id, count in Counter(one.poll_id for one, _ in its).items():
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
            done = [one for one in self._laws.effects(row["kind"]) if one.id == row["message_id"]]
            law(any(one.target == row["target"] for one in done), "what succeeded took place", *facts, done)

    def _check_lost(self, by_wish: dict[tuple[str, str, str], list[dict[str, Any]]]) -> None:
        world = self._world
        seen = world.disk.run(books.seen, world.account)
        floor = world.disk.run(books.floor, world.account, DETECTIONS)
        parked = world.disk.run(books.parked, world.account)
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
        floor = world.disk.run(books.floor, world.account, PHISHGUARD)
        law(floor is not None, "a source that can be read is read")
        assert floor is not None
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
        """Whether the target state holds at the vendor, whoever brought it about, or held until a person changed it."""
        if kind == "move":
            moves = [one for one in self._laws.effects("move") if one.id == message.id]
            while moves and moves[-1].target != target and moves[-1].actor != "api":
                moves.pop()
            return bool(moves) and moves[-1].target == target
        if kind == "release":
            return not message.is_quarantined or "QUARANTINE_RELEASE" in message.post_delivery_operations
        return message.final_disposition == target
