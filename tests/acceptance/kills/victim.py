"""The worker with a bomb in it: a process that ends, or stops, at one line of its code. Nothing in worker/ knows of it.

The fork server starts this instead of `worker.__main__`; the orders come in the environment:

    VICTIM_AT      dispatcher.py:158:2, the line and how often it is passed before the signal strikes
    VICTIM_SIGNAL  KILL or STOP
    VICTIM_SEEN    a file that gets each line once, when it is first passed, and the line where the signal struck
    VICTIM_BREAKS  mistakes to make, names of functions in `tests.acceptance.kills.mistakes`
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from importlib import import_module
from types import FrameType
from typing import Any

from tests.acceptance.kills.points import AROUND, CORE, WORKER, Point

Trace = Any
"""What a trace function returns: the next one, or None."""


class Bomb:
    """Counts the lines that are passed and strikes at one of them."""

    def __init__(self, point: Point | None, number: signal.Signals, seen: int) -> None:
        self._at = (point.module, point.line) if point else None
        self._left = point.hit if point else 0
        self._number = number
        self._seen = seen
        self._known: set[tuple[str, int]] = set()
        self._tracers = {str(WORKER / module): self._tracer(module) for module in (*CORE, *AROUND)}

    def arm(self) -> None:
        """From here on, in every thread."""
        threading.settrace(self._call)
        sys.settrace(self._call)

    def _call(self, frame: FrameType, _event: str, _arg: object) -> Trace:
        return self._tracers.get(frame.f_code.co_filename)

    def _tracer(self, module: str) -> Trace:
        def line(frame: FrameType, event: str, _arg: object) -> Trace:
            if event == "line":
                self._passes((module, frame.f_lineno))
            return line

        return line

    def _passes(self, place: tuple[str, int]) -> None:
        if place not in self._known:
            self._known.add(place)
            self._tell(f"passed {place[0]}:{place[1]}")
        if place == self._at:
            self._left -= 1
            if self._left == 0:
                self._tell(f"struck {place[0]}:{place[1]}")
                os.kill(os.getpid(), self._number)

    def _tell(self, line: str) -> None:
        os.write(self._seen, f"{line}\n".encode())


def main() -> None:
    """As `worker`, until the bomb goes off."""
    for name in filter(None, os.environ.pop("VICTIM_BREAKS", "").split(",")):
        getattr(import_module("tests.acceptance.kills.mistakes"), name)()
    at = os.environ.pop("VICTIM_AT", "")
    number = signal.Signals[f"SIG{os.environ.pop('VICTIM_SIGNAL', 'KILL')}"]
    seen = os.open(os.environ.pop("VICTIM_SEEN"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    Bomb(Point.parse(at) if at else None, number, seen).arm()
    import_module("worker.__main__").main()
