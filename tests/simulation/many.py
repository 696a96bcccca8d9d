"""Many histories, on every processor: what happened in them, and which seeds broke a law."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation.disk import Disk
from tests.simulation.history import play

CHUNK = 25
FIRST = 1
MOST_TOLD = 5


@dataclass
class Tally:
    """The sum of some histories."""

    histories: int = 0
    stats: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Counts another sum in."""
        self.histories += other.histories
        self.stats += other.stats
        self.broken += other.broken

    def __str__(self) -> str:
        counts = "\n".join(f"{count:10,d} {name}" for name, count in sorted(self.stats.items()))
        told = "\n".join(
            f"seed {seed}: {what}\n  replay it: python -m tests.simulation {seed}"
            for seed, what in self.broken[:MOST_TOLD]
        )
        return f"{self.histories:10,d} histories, {len(self.broken)} of them break a law\n{counts}\n{told}"


def play_some(seeds: Sequence[int]) -> Tally:
    """One history after another in this process."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        disk = Disk(Path(folder) / "worker.db")
        for seed in seeds:
            tally.histories += 1
            try:
                tally.stats += play(seed, disk).stats
            except Exception as error:  # noqa: BLE001 - whatever it is, the seed is the answer
                tally.broken.append((seed, f"{type(error).__name__}: {error}"))
        disk.engine.dispose()
    return tally


def play_all(count: int, first: int = FIRST) -> Tally:
    """`count` histories over all processors; the order does not matter."""
    seeds = list(range(first, first + count))
    chunks = [seeds[start : start + CHUNK] for start in range(0, count, CHUNK)]
    tally = Tally()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(_processors(), mp_context=context) as pool:
        for one in pool.map(play_some, chunks):
            tally.add(one)
    return tally


def caught(seeds: Iterable[int], disk: Disk, often: Collection[str] = ()) -> tuple[int, str] | None:
    """The first of the seeds that breaks a law, and which."""
    for seed in seeds:
        try:
            play(seed, disk, often=often)
        except AssertionError as error:
            return seed, str(error)
    return None


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
