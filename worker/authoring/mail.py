"""Simulated mail that `worker check` compares playbooks on: plausible, and the same every day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, TypeVar

import msgspec

from worker.model.events import Detection, Event, PhishReport, Submission
from worker.playbooks.examples import EXAMPLE_NOW
from worker.simulator.generate import Generator, judgement
from worker.simulator.rows import to_milliseconds

E = TypeVar("E", Detection, PhishReport, Submission)

MESSAGES = 300
_MIX = {
    "MALICIOUS": 15,
    "MALICIOUS-BEC": 5,
    "SPAM": 20,
    "SUSPICIOUS": 15,
    "SPOOF": 15,
    "BULK": 15,
    "NONE": 15,
}
"""More of what playbooks look for than mailboxes get."""
_SEED = "worker check"


def simulated_mail(messages: int = MESSAGES) -> tuple[Event, ...]:
    """So many messages; about every third one a report and a submission too."""
    return tuple(_drawn(Generator(_SEED, _MIX), Random(_SEED), messages))


def _drawn(generator: Generator, draw: Random, messages: int) -> Iterator[Event]:
    now = to_milliseconds(EXAMPLE_NOW)
    for number in range(1, messages + 1):
        row = generator.message(now - generator.offset(3600))
        message = _event(row, Detection, {})
        yield message
        if number % 3 == 0:
            yield _event(generator.report(number, row, now), PhishReport, {"message": message})
            outcome = {"outcome_disposition": judgement(draw, row), "message": message}
            yield _event(generator.user_submission(row, now), Submission, outcome)


def _event(row: msgspec.Struct, kind: type[E], more: Mapping[str, Any]) -> E:
    told = {name: value for name, value in msgspec.to_builtins(row).items() if value is not None}
    return msgspec.convert({**told, **more}, kind)
