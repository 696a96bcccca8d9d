"""Three books of the same business: the worker's ledger, its audit log, and the vendor's journal of requests."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]
Letter = tuple[str, tuple[str, ...]]
"""What a request says: its kind and the messages that it names."""
NEVER_LEFT = "no connection"


@dataclass(frozen=True)
class Call:
    """One call as the log has it: its intent and the one record that closes it."""

    intent: Record
    end: Record

    @property
    def letter(self) -> Letter:
        body = self.intent["body"]
        return body["kind"], tuple(sorted(message for _, message in body["actions"]))

    @property
    def left(self) -> bool | None:
        """Whether the request left the process; None where a crash took the answer to that with it."""
        if self.end["kind"] == "orphaned":
            return None
        body = self.end["body"]
        return body["event"] != "call.not_sent" and NEVER_LEFT not in (body["error"] or "")

    @property
    def number(self) -> int | None:
        """The number of the request that it was, where an answer came with one."""
        ray = self.end["body"].get("ray")
        return int(ray.partition("-")[0], 16) if ray else None


@dataclass(frozen=True)
class Books:
    """All of it, after the worker has stopped; each law raises AssertionError where it does not hold."""

    log: list[Record]
    """`audit export`."""
    ledger: list[Record]
    """`actions list --json`."""
    posts: list[Record]
    """The vendor's journal of writes."""
    deeds: list[Record]
    """What truly happened."""

    def agree(self) -> list[Call]:
        """One to one, in both directions. Returns the calls."""
        calls = self._calls()
        self._every_request_was_intended(calls)
        self._every_answer_is_the_one_that_was_sent(calls)
        self._every_deed_is_in_the_ledger(calls)
        self._the_ledger_is_as_the_log_says()
        return calls

    def _calls(self) -> list[Call]:
        """Every intent has exactly one end, and no end is without its intent."""
        intents = {one["call_id"]: one for one in self.log if one["kind"] == "intent"}
        ends: dict[str, list[Record]] = defaultdict(list)
        for one in self.log:
            if one["kind"] in ("outcome", "orphaned"):
                ends[one["call_id"]].append(one)
        assert ends.keys() == intents.keys()
        assert all(len(of_call) == 1 for of_call in ends.values())
        assert all(intents[call]["seq"] < end["seq"] for call, (end,) in ends.items())
        for call, (end,) in ends.items():
            named = [action for action, _ in intents[call]["body"]["actions"]]
            told = end["body"].get("actions") or [action for action, *_ in end["body"]["outcomes"]]
            assert sorted(named) == sorted(told), call
        return [Call(intents[call], end) for call, (end,) in ends.items()]

    def _every_request_was_intended(self, calls: list[Call]) -> None:
        sent = Counter(call.letter for call in calls if call.left)
        perhaps = Counter(call.letter for call in calls if call.left is None)
        came = Counter(map(letter, self.posts))
        assert sent - came == Counter(), "said to be sent, never arrived"
        assert came - sent - perhaps == Counter(), "arrived without an intent"

    def _every_answer_is_the_one_that_was_sent(self, calls: list[Call]) -> None:
        posts = {one["number"]: one for one in self.posts}
        answered = {call.number: call for call in calls if call.number is not None}
        assert len(answered) == sum(call.number is not None for call in calls), "two calls claim one answer"
        for number, call in answered.items():
            assert letter(posts[number]) == call.letter
            assert posts[number]["status"] == call.end["body"]["status"]
        crashed = Counter(call.letter for call in calls if call.left is None)
        unread = Counter(letter(one) for one in self.posts if one["status"] and one["number"] not in answered)
        assert unread - crashed == Counter(), "answered, but no outcome has the answer's id"

    def _every_deed_is_in_the_ledger(self, calls: list[Call]) -> None:
        posts = {one["number"]: one for one in self.posts}
        actions = {identity(one): one for one in self.ledger}
        done: Counter[tuple[str, str, str]] = Counter()
        for deed in self.deeds:
            name = (deed["kind"], deed["id"], deed["target"])
            done[name] += 1
            assert deed["id"] in posts[deed["request"]]["ids"]
            assert actions[name]["state"] in ("succeeded", "failed"), name
        assert set(done.values()) <= {1}, "done twice"
        succeeded = {name for name, one in actions.items() if one["state"] == "succeeded"}
        assert succeeded <= done.keys(), "succeeded, but never happened"

    def _the_ledger_is_as_the_log_says(self) -> None:
        last = dict(states(self.log))
        for one in self.ledger:
            assert last[one["id"]] == one["state"], one
        sends = Counter(
            action for one in self.log if one["kind"] == "intent" for action, _ in one["body"]["actions"]
        )
        accepted = sends - Counter(
            action
            for one in self.log
            if one["kind"] == "outcome"
            for action, state, _ in one["body"]["outcomes"]
            if state == "ready"
        )
        retried = {one["action_id"] for one in self.log if one["kind"] == "retried"}
        for one in self.ledger:
            assert one["attempts"] == accepted[one["id"]] or one["id"] in retried, one


def letter(post: Record) -> Letter:
    """What a request of the journal says."""
    return post["endpoint"], tuple(sorted(post["ids"]))


def identity(action: Record) -> tuple[str, str, str]:
    """Kind, message and target of an action."""
    params = action["params"]
    return (
        action["kind"],
        action["message_id"],
        params.get("destination") or params.get("expected_disposition") or "",
    )


def states(log: Iterable[Record]) -> Iterable[tuple[str, str]]:
    """Each change of an action's state in the log, in order: the last one stands."""
    for one in log:
        body, kind = one["body"], one["kind"]
        if kind == "decided":
            yield one["action_id"], "ready"
        elif kind == "intent":
            yield from ((action, "submitted") for action, _ in body["actions"])
        elif kind == "outcome":
            yield from ((action, state) for action, state, _ in body["outcomes"])
        elif kind == "orphaned":
            yield from ((action, "unknown") for action in body["actions"])
        elif one["action_id"] and "state" in body:
            yield one["action_id"], body["state"]
