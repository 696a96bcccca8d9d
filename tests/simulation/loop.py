"""An event loop whose time passes only when nothing else is left to do: the same tasks, always in the same order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVarTuple

_Ts = TypeVarTuple("_Ts")


class VirtualLoop(asyncio.BaseEventLoop):
    """No sockets, no threads, no waiting: where every task sleeps, the clock jumps to the first that wakes."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0.0
        self.signals: dict[int, Callable[[], Any]] = {}
        self.complaints: list[dict[str, Any]] = []
        self._selector = self
        self.set_exception_handler(lambda _, context: self.complaints.append(context))

    def time(self) -> float:
        return self.elapsed

    def select(self, timeout: float | None) -> list[Any]:
        """What the base class asks for input and output, of which there is none."""
        if timeout is None:
            raise RuntimeError("every task waits for another: nothing will ever happen again")
        self.elapsed += max(0.0, timeout)
        return []

    def add_signal_handler(self, sig: int, callback: Callable[[*_Ts], Any], *args: *_Ts) -> None:
        self.signals[sig] = lambda: callback(*args)

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody has to be woken: there is one thread."""

    def run_for(self, seconds: float) -> None:
        """Lets time pass with whatever is going on."""
        self.run_until_complete(asyncio.sleep(seconds))
