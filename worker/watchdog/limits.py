"""How much more memory author code may take: beyond it Python raises MemoryError, and the kernel kills nobody."""

from __future__ import annotations

import resource
from pathlib import Path

ALLOWANCE = 256 * 2**20
_STATM = Path("/proc/self/statm")
_PAGE = resource.getpagesize()

Limit = tuple[int, int]


def tighten() -> Limit | None:
    """Limits this process to what it has now and ALLOWANCE; what `loosen` needs, or None where nothing was done."""
    try:
        pages = [int(field) for field in _STATM.read_bytes().split()]
    except (OSError, ValueError):
        return None  # no Linux
    resident_own, data = (pages[1] - pages[2]) * _PAGE, pages[5] * _PAGE
    before = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = data + ALLOWANCE
    # A system that counts otherwise than Linux says must not be left without memory.
    if data < resident_own // 2 or resource.RLIM_INFINITY != before[0] < wanted:
        return None
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, before[1]))
    return before


def loosen(before: Limit | None) -> None:
    """Undoes `tighten`."""
    if before is not None:
        resource.setrlimit(resource.RLIMIT_DATA, before)
