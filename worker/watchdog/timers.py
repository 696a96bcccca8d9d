"""Two timers over author code: one that interrupts Python, and behind it one that ends the process.

Both count computing time, not time: a process that is stopped, swapped out or starved has not overrun anything.
"""

from __future__ import annotations

import ctypes
import faulthandler
import signal
import threading
import time
from types import CodeType, FrameType

from worker.playbooks.guard import PACKAGE, Overran

TICK = 0.1
LAST_RESORT = 3.0
"""Seconds of computing without an end that no exception could bring about; then the process exits with code 27."""


class Timers:
    """Interrupts what `guarded` functions call. Works in the main thread alone: Python handles signals there.

    Args:
        guarded: functions that call author code and turn its exceptions, Overran too, into their own.
        deadline, last_resort: seconds of computing until the one timer, and until the other.
        dump: the file to which the last resort writes where every thread stood; without one there is no last resort.
    """

    def __init__(
        self, guarded: tuple[CodeType, ...], dump: int | None, deadline: float, last_resort: float
    ) -> None:
        self._guarded = frozenset(guarded)
        self._dump = dump
        self._deadline = deadline
        self._last_resort = last_resort
        self._tick_seconds = min(TICK, deadline / 4)
        self._installed = False
        self._running: FrameType | None = None
        self._since = 0.0

    def start(self) -> bool:
        """Begins to watch; False where this thread or system cannot."""
        if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
            return False
        if not self._installed:
            self._install()
        signal.setitimer(signal.ITIMER_VIRTUAL, self._tick_seconds, self._tick_seconds)
        self._put_off_the_last_resort()
        return True

    def stop(self) -> None:
        """Watches no more."""
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        self._running = None

    def _install(self) -> None:
        signal.signal(signal.SIGVTALRM, self._tick)
        if self._dump is not None:
            # C alone, because whoever holds the interpreter does not give it back: the tracebacks are written by
            # faulthandler, and `_exit` itself is the handler behind it. SIGPROF's default would not end process 1.
            faulthandler.unregister(signal.SIGPROF)
            libc = ctypes.CDLL(None)
            libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
            libc.signal(signal.SIGPROF, ctypes.cast(libc._exit, ctypes.c_void_p))  # noqa: SLF001 - libc's name
            faulthandler.register(signal.SIGPROF, file=self._dump, all_threads=True, chain=True)
        self._installed = True

    def _tick(self, _: int, frame: FrameType | None) -> None:
        """Every TICK of computing: raises in author code that was running long ago, and is still at the same call."""
        running, used = self._author(frame), time.thread_time()
        if running is None or running is not self._running:
            self._running, self._since = running, used
            self._put_off_the_last_resort()
        elif used - self._since >= self._deadline:
            # Whoever swallows it is interrupted again; while it is on its way out, no second one comes.
            self._since += self._tick_seconds
            raise Overran(f"computed for more than {self._deadline:g} s")

    def _put_off_the_last_resort(self) -> None:
        if self._dump is not None:
            signal.setitimer(signal.ITIMER_PROF, self._last_resort)

    def _author(self, frame: FrameType | None) -> FrameType | None:
        """The author's call that a guarded function has under way: only there is Overran sure to be caught."""
        call = None
        while frame is not None and frame.f_code not in self._guarded:
            if str(frame.f_globals.get("__package__")).startswith(PACKAGE):
                call = frame
            frame = frame.f_back
        return call if frame is not None else None
