"""Events for tests: the fields that matter, all others as in `hit(...)` and `miss(...)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from worker.model.events import Detection, PhishReport, Submission
from worker.model.needs import NEEDS
from worker.playbooks.examples import ExampleError, event_of, hit
from worker.playbooks.given import MISSING

E = TypeVar("E", Detection, PhishReport, Submission)


def detection(**fields: Any) -> Detection:
    """A message. What playbooks need beyond its row is given as the fields are: `raw="From: ..."`.

    Raises:
        ValueError: an unknown field or a value of the wrong type; the text says what to write.
    """
    return _event("detection", fields, Detection, fields)


def report(**fields: Any) -> PhishReport:
    """A report of the PhishGuard team; `message={...}` is the message that it is about, or None."""
    return _event("report", fields, PhishReport, fields.get("message"))


def submission(**fields: Any) -> Submission:
    """A request for another verdict; `message={...}` is the message that it is about, or None."""
    return _event("submission", fields, Submission, fields.get("message"))


def _event(name: str, fields: dict[str, Any], kind: type[E], message: object) -> E:
    beyond = isinstance(message, Mapping) and not {*NEEDS, MISSING}.isdisjoint(message)
    example = hit(**fields)
    if example.before:
        raise ValueError(
            f"{name}() takes no history: give it to `decide`, as history=[...] or sender_history=[...]"
        )
    try:
        event = event_of(example, kind, NEEDS if beyond else ())
    except ExampleError as error:
        what, remedy = error.args
        raise ValueError(f"{what.replace('hit(', f'{name}(', 1)}. Remedy: {remedy}") from None
    return event  # type: ignore[return-value] # of the kind that was asked for
