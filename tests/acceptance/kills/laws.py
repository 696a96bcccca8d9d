"""What must hold after every kill, from three sides: the ledger, the audit log, and what the server knows it did."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from worker.store.tools import from_json

ROUNDING = 0.01
"""Seconds by which two times of one moment may differ."""
ONCE_ONLY = ("release", "reclassify")


class StarvedError(Exception):
    """The machine was too slow to judge: the server took a request after the read-back had looked for its effect."""


class Effect(NamedTuple):
    """What the server did at the API's request."""

    kind: str
    message: str
    target: str
    at: float


class Post(NamedTuple):
    """A request to change something, as the server got it."""

    kind: str
    messages: tuple[str, ...]
    at: float


class Key(NamedTuple):
    """What an action wants."""

    kind: str
    message: str
    target: str


@dataclass
class Sent:
    """One action on its way through the audit log."""

    kind: str
    state: str = "idle"
    call: str | None = None
    at: float = 0.0
    sends: int = 0
    empty_looks: list[float] = field(default_factory=list)
    looked: bool = False


class Books:
    """Reads the audit log of one account record by record; `faults` are the places where it breaks a law."""

    def __init__(self, records: Sequence[Mapping[str, Any]], delay: float) -> None:
        self.faults: list[str] = []
        self.actions: dict[str, Sent] = {}
        self.intents: dict[Key, list[float]] = defaultdict(list)
        self.calls = Counter[str]()
        self.delay = delay
        self._open: dict[str, list[str]] = {}
        for record in records:
            read = getattr(self, f"_{record['kind']}", None)
            if read is not None:
                read(record, from_json(record["body"]), _seconds(record["at"]))

    def unanswered(self) -> set[str]:
        """Calls with an intent and nothing after it."""
        return set(self._open)

    def _intent(self, record: Mapping[str, Any], body: Any, at: float) -> None:
        self.calls[body["kind"]] += 1
        self._open[record["call_id"]] = [action for action, _ in body["actions"]]
        for action, message in body["actions"]:
            sent = self.actions.setdefault(action, Sent(body["kind"]))
            if sent.state != "idle":
                self._fault(record, action, f"sent again while it was {sent.state}")
            sent.state, sent.call, sent.at = "sent", record["call_id"], at
            sent.sends += 1
            sent.empty_looks, sent.looked = [], False
            self.intents[Key(body["kind"], message, body["target"])].append(at)

    def _outcome(self, record: Mapping[str, Any], body: Any, _at: float) -> None:
        self._close(record, [action for action, _, _ in body["outcomes"]])
        for action, state, _ in body["outcomes"]:
            self.actions[action].state = {"ready": "idle", "unknown": "in doubt"}.get(state, state)

    def _orphaned(self, record: Mapping[str, Any], body: Any, _at: float) -> None:
        self._close(record, body["actions"])
        for action in body["actions"]:
            self.actions[action].state = "in doubt"

    def _unknown(self, record: Mapping[str, Any], _body: Any, _at: float) -> None:
        """A look before acting saw what an earlier request of the action may have done."""
        sent = self.actions.get(record["action_id"])
        if sent is None or sent.state != "idle":
            self._fault(record, record["action_id"], "in doubt by a look, and not sent before or not ready")
        else:
            sent.state = "in doubt"

    def _expired(self, record: Mapping[str, Any], body: Any, at: float) -> None:
        if body["state"] == "unknown":
            self._unknown(record, body, at)

    def _read_back(self, record: Mapping[str, Any], body: Any, at: float) -> None:
        sent = self.actions[record["action_id"]]
        if sent.state != "in doubt":
            self._fault(record, record["action_id"], f"read back while it was {sent.state}")
        if not sent.looked and at < sent.at + self.delay - ROUNDING:
            self._fault(record, record["action_id"], f"read back {at - sent.at:.3f} s after it was sent")
        sent.looked = True
        if body["state"] == "ready":
            self._proven(record, sent, at)
            sent.state = "idle"
        elif body["state"] == "unknown" and body["error"] == "no effect seen yet":
            sent.empty_looks.append(at)
        elif body["state"] != "unknown":
            sent.state = body["state"]

    def _proven(self, record: Mapping[str, Any], sent: Sent, at: float) -> None:
        """A release never goes back by itself; a reclassify after two looks, one delay apart."""
        if sent.kind == "release":
            self._fault(record, record["action_id"], "a release was made ready by a read-back")
        if sent.kind == "reclassify" and not any(
            at - look >= self.delay - ROUNDING for look in sent.empty_looks
        ):
            self._fault(record, record["action_id"], "a reclassify was made ready by one look")

    def _retried(self, record: Mapping[str, Any], _body: Any, _at: float) -> None:
        self.actions.setdefault(record["action_id"], Sent("")).state = "idle"

    def _close(self, record: Mapping[str, Any], actions: Sequence[str]) -> None:
        named = self._open.pop(record["call_id"], None)
        if named is None:
            self._fault(record, str(record["call_id"]), "a second end of one call, or one without an intent")
        elif sorted(named) != sorted(actions):
            self._fault(record, str(record["call_id"]), "its end names other actions than its intent")

    def _fault(self, record: Mapping[str, Any], what: str, why: str) -> None:
        self.faults.append(f"record {record['seq']}, {what}: {why}")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def of_requests(books: Books, posts: Sequence[Post]) -> Iterator[str]:
    """No request without an intent before it, for all that it names."""
    if len(posts) > books.calls.total():
        yield f"{len(posts)} POSTs, but only {books.calls.total()} intents"
    meant: dict[tuple[str, str], float] = {}
    for key, intents in books.intents.items():
        meant[key.kind, key.message] = min(intents[0], meant.get((key.kind, key.message), math.inf))
    for post in posts:
        for message in post.messages:
            if meant.get((post.kind, message), math.inf) > post.at + ROUNDING:
                yield f"{post.kind} {message}: requested without an intent before it"


def of_effects(books: Books, effects: Sequence[Effect]) -> Iterator[str]:
    """Every effect has an intent before it, and none happened twice."""
    times: dict[Key, list[float]] = defaultdict(list)
    for effect in effects:
        times[Key(*effect[:3])].append(effect.at)
    for key, happened in times.items():
        intents = books.intents.get(key, [])
        if not intents or min(intents) > min(happened) + ROUNDING:
            yield f"{key}: happened without an intent before it"
        if len(happened) > 1:
            if any(done - intended >= books.delay for done, intended in zip(happened, intents, strict=False)):
                raise StarvedError(f"{key} came later than its read-back: {happened}, intents at {intents}")
            yield f"{key}: happened {len(happened)} times, first at {happened[:3]}; intents at {intents[:3]}"


def of_ledger(
    rows: Sequence[Mapping[str, Any]], effects: Sequence[Effect], by_others: set[Key]
) -> Iterator[str]:
    """At rest: what is called done has happened, and what happened is called done (or open to a person)."""
    happened = {Key(*effect[:3]) for effect in effects}
    standing: dict[Key, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        key = Key(row["kind"], row["message_id"], row["target"])
        standing[key].append(row)
        if row["state"] in ("open", "ready", "submitted") or (row["state"] == "unknown" and row["due_at"]):
            yield f"{key}: still {row['state']}: {row['error']}"
        # What a sweep has done is what its siblings' moves did.
        if row["state"] == "succeeded" and row["kind"] != "sweep" and key not in happened | by_others:
            yield f"{key}: succeeded, but nothing happened"
    for key in happened:
        ends = {row["state"] for row in standing[key]}
        # What was given up may have been wanted once more, by a playbook that was mended since.
        if "dead" in ends and not ends & {"succeeded", "unknown"}:
            yield f"{key}: given up, but it happened"
        # A partial failure is an effect for some; a release in doubt stays so; a lagging log shows what was ours.
        if not any(_admits(row) for row in standing[key]):
            states = [(row["state"], row["error"]) for row in standing[key]]
            yield f"{key}: happened, but the ledger says {states}"


def _admits(row: Mapping[str, Any]) -> bool:
    if row["state"] == "skipped":
        return str(row["error"]).startswith("already")
    return row["state"] in ("succeeded", "failed", "unknown")
