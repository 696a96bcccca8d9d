"""Signals that come while the daemon starts wait until it listens: their defaults would end it half-way."""

from __future__ import annotations

import signal

_HELD_BACK = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1}


def hold_back() -> None:
    """From here on they are kept for later, also for threads that are started now."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)


def let_in() -> None:
    """What came meanwhile is delivered to whoever listens by now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD_BACK)
