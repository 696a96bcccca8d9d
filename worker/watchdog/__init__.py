"""Stops a playbook that runs for too long, and remembers the one that could only be stopped with the process."""

from worker.watchdog.memory import Memory, Stopped, beside
from worker.watchdog.timers import LAST_RESORT
from worker.watchdog.watchdog import Watchdog

__all__ = ["LAST_RESORT", "Memory", "Stopped", "Watchdog", "beside"]
