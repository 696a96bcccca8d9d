"""The worker, reading every window by one chain of cursors: what its slices of time are compared with."""

from __future__ import annotations

from worker.__main__ import main
from worker.pollers import windows

if __name__ == "__main__":
    windows.SLICES = 1
    main()
