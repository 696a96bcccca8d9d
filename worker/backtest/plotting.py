"""Counts by the hour, folded into as many steps as can be looked at; and a line of text that shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from worker.backtest.report import Plot

HOUR = 3600
MOST_STEPS = 24 * 62
"""Steps of a plot: an hour each over two months, then longer."""
_BLOCKS = "▁▂▃▄▅▆▇█"


def plot(hours: Mapping[int, int], span: tuple[int, int]) -> Plot:
    """The counts of hours since the epoch, from the first to the last of `span`."""
    first, last = span
    each = -(-(last - first + 1) // MOST_STEPS)
    counts = [0] * (-(-(last - first + 1) // each))
    for hour, count in hours.items():
        if first <= hour <= last:
            counts[(hour - first) // each] += count
    return Plot(start=float(first * HOUR), step=float(each * HOUR), counts=counts)


def folded(one: Plot, most: int) -> Plot:
    """The same in at most so many steps."""
    each = -(-len(one.counts) // most) if one.counts else 1
    counts = [sum(one.counts[at : at + each]) for at in range(0, len(one.counts), each)]
    return Plot(start=one.start, step=one.step * each, counts=counts)


def sparkline(counts: Sequence[int]) -> str:
    """One character for each count, the highest the tallest; nothing is a space's width of ground."""
    top = max(counts, default=0)
    if not top:
        return _BLOCKS[0] * len(counts)
    scale = len(_BLOCKS) - 1
    # Even one match must be seen beside a thousand.
    return "".join(_BLOCKS[-(-count * scale // top)] for count in counts)
