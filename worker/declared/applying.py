"""Carries a plan out, call by call: looked at again, written down before and after, seen in the tenant at the end."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from worker.clock import Clock
from worker.cloudflare import Cloudflare
from worker.declared.calls import Call, calls_of, send
from worker.declared.entries import Unusable
from worker.declared.planning import Change, Op, Plan
from worker.declared.sections import SECTIONS
from worker.errors import AnswerLost, VendorError
from worker.ids import new_id
from worker.model.ledger import Pause, UnderWay
from worker.ports import Gate, Lane

Compare = Callable[[str], Awaitable[Sequence[Change]]]
"""What a section's plan is by what the tenant shows now."""

_LISTS = {"deletes": Op.DELETE, "patches": Op.EDIT, "posts": Op.ADD}
FRESH_SECONDS = 2.0
"""How old a look may be when a request is sent that goes by it."""
_POINTER = re.compile(r" at /(deletes|patches|posts)/(\d{1,4})\b")


class Books(Protocol):
    """Where each call is written down before it is sent, and what became of it."""

    async def begin(self, call_id: str, section: str, body: dict[str, Any]) -> Pause | float:
        """Until when it may be sent, or the pause that forbids it."""
        ...

    async def answered(self, call_id: str, body: dict[str, Any]) -> None: ...
    async def lost(self, call_id: str, body: dict[str, Any]) -> None: ...
    async def looked(self, call_id: str, body: dict[str, Any]) -> None: ...
    async def under_way(self) -> UnderWay | None: ...


@dataclass(slots=True)
class Report:
    """What came of a plan. `stopped` says why the rest was not done; empty where there is none."""

    done: list[Change] = field(default_factory=list)
    calls: int = 0
    stopped: str = ""


async def settle_left(books: Books, clock: Clock, delay: float, tell: Callable[[str], None]) -> None:
    """A process that ended amid a call has left it: what it may still do is waited for, and the plan made after that."""
    left = await books.under_way()
    if left is None:
        return
    wait = min(max(0.0, left.at + delay - clock.now()), delay)
    tell(f"a call of {left.by} for {left.section} was cut off: looking in {wait:.0f} s at what it did")
    await clock.sleep(wait)
    why = "the process had ended; the next plan shows what is left"
    await books.looked(left.call_id, {"by": left.by, "section": left.section, "why": why})


class _StopError(Exception):
    """Nothing more may be sent; the message is for the person who applies."""


class Applier:
    """Applies plans of one file.

    Args:
        cloudflare: the tenant.
        books: the audit log, with the brake beside it.
        gate: the request budget; each call waits for it before it is written down.
        clock: for the wait after an answer was lost.
        delay: seconds of that wait.
        compare: makes the plan of a section anew.
        about: who applies what; it is part of every intent.
    """

    def __init__(
        self,
        cloudflare: Cloudflare,
        books: Books,
        gate: Gate,
        clock: Clock,
        delay: float,
        compare: Compare,
        about: dict[str, Any],
    ) -> None:
        self._cloudflare = cloudflare
        self._books = books
        self._gate = gate
        self._clock = clock
        self._delay = delay
        self._compare = compare
        self._about = about
        self._looked_at = 0.0

    async def run(self, plan: Plan) -> Report:
        """Does what the plan says, and stops at the first thing that is not as it says."""
        report = Report()
        try:
            for name in SECTIONS:
                if changes := plan.of(name):
                    await self._section(name, changes, report)
        except _StopError as stop:
            report.stopped = str(stop)
        return report

    async def _section(self, name: str, changes: Sequence[Change], report: Report) -> None:
        if tuple(await self._look(name)) != tuple(changes):
            raise _StopError(
                f"{name}: the tenant has changed since the plan was made; nothing of this section was sent: "
                "look at the new plan, `worker settings diff`"
            )
        left = list(changes)
        for call in calls_of(SECTIONS[name], changes):
            # First: nothing waits between the intent and the request.
            await self._gate.admit(Lane.ACTION)
            if self._clock.monotonic() - self._looked_at > FRESH_SECONDS:
                await self._check(name, changes, left)
            await self._call(call, report)
            left = [one for one in left if one not in call.changes]
        await self._see(name)

    async def _check(self, name: str, changes: Sequence[Change], left: Sequence[Change]) -> None:
        """Looks once more: what is left has waited, for the budget or behind other requests."""
        done = [one.mark for one in changes if one not in left]
        # What was done just now may not be shown yet.
        if [one for one in await self._look(name) if one.mark not in done] != list(left):
            raise _StopError(
                f"{name}: the tenant has changed meanwhile; {len(left)} of {len(changes)} changes of this section were "
                "not sent: look at the new plan, `worker settings diff`"
            )

    async def _call(self, call: Call, report: Report) -> None:
        call_id, name = new_id(), call.section.name
        body = {**self._about, "section": name, "batch": call.batch, "changes": call.told()}
        go = await self._books.begin(call_id, name, body)
        if isinstance(go, Pause):
            raise _StopError(
                f"{name}: not sent: paused by {go.by} ({go.how}): {go.reason}; see `worker resume`"
            )
        if self._clock.monotonic() > go:
            why = "the intent took too long to write down"
            await self._books.answered(call_id, {"result": "not_sent", "error": why})
            raise _StopError(f"{name}: not sent: {why}; give the command again")
        report.calls += 1
        try:
            await send(self._cloudflare, call)
        except ValueError as error:
            await self._books.answered(call_id, {"result": "not_sent", "error": str(error)})
            raise _StopError(f"{name}: not sent: no request can be made of it: {error}") from error
        except AnswerLost as error:
            await self._books.lost(call_id, _told("lost", error))
            await self._clock.sleep(self._delay)
            await self._read_back(call, call_id, error, report)
        except VendorError as error:
            if call.section.atomic or not call.batch:
                await self._books.answered(call_id, _told("refused", error))
                raise _StopError(
                    f"{name}: {error}; nothing of this call was done{_where(call, error)}"
                ) from error
            await self._books.lost(call_id, _told("refused", error))
            await self._read_back(call, call_id, error, report)
        else:
            await self._books.answered(call_id, {"result": "done"})
            report.done += call.changes

    async def _read_back(self, call: Call, call_id: str, error: VendorError, report: Report) -> None:
        """Makes the plan anew, and goes by what it still wants. Nothing is sent twice."""
        marks = {one.mark for one in await self._look(call.section.name)}
        seen = [one for one in call.changes if one.mark not in marks]
        left = [one.label for one in call.changes if one.mark in marks]
        await self._books.looked(call_id, {"done": [one.label for one in seen], "not_done": left})
        report.done += seen
        if left:
            raise _StopError(
                f"{call.section.name}: {error}; the tenant shows {len(seen)} of the {len(call.changes)} changes of this "
                f"call{_where(call, error)}, and nothing was sent again: give the command again"
            )

    async def _see(self, name: str) -> None:
        """The vendor's word is not the tenant's state: what was accepted must be seen."""
        left = await self._look(name)
        if left:
            await self._clock.sleep(self._delay)
            left = await self._look(name)
        if left:
            raise _StopError(
                f"{name}: accepted, but the tenant does not show {len(left)} of the changes, first {left[0].label}; "
                "see `worker settings diff` in a while"
            )

    async def _look(self, name: str) -> Sequence[Change]:
        try:
            looked = await self._compare(name)
        except (VendorError, Unusable) as error:
            raise _StopError(f"{name}: the tenant could not be compared: {error}") from error
        self._looked_at = self._clock.monotonic()
        return looked


def _told(result: str, error: VendorError) -> dict[str, Any]:
    return {"result": result, "status": error.status, "cf_ray": error.ray, "error": str(error)}


def _where(call: Call, error: VendorError) -> str:
    """The line of the file at which the API points, or those of the whole call."""
    pointed = _POINTER.search(str(error))
    changes = call.of(_LISTS[pointed[1]])[int(pointed[2]) :][:1] if pointed else call.changes
    lines = [one.line for one in changes if one.line is not None]
    return (
        f" (lines {min(lines)} to {max(lines)})" if len(lines) > 1 else f" (line {lines[0]})" if lines else ""
    )
