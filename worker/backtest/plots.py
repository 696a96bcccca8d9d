"""Plots as inline SVG: attributes only, because the page's policy allows no style attribute; no text but numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from worker.backtest.plotting import folded
from worker.backtest.report import Plot

WIDTH, HEIGHT, GROUND = 960, 180, 22
SPARK_WIDTH, SPARK_HEIGHT, SPARKS = 120, 22, 48
MOST_BARS = 192


def bars(one: Plot, label: str) -> str:
    """A plot over time with its own axis; each bar tells its count."""
    plot = folded(one, MOST_BARS)
    top = max(plot.counts, default=0)
    width = WIDTH / max(len(plot.counts), 1)
    drawn = "".join(
        _bar(index * width, width, HEIGHT - GROUND, count, top, f"{_when(plot, index)}: {count}")
        for index, count in enumerate(plot.counts)
    )
    ticks = "".join(_tick(plot, index, width) for index in _ticked(len(plot.counts)))
    return (
        f'<svg class="plot" role="img" aria-label="{label}, at most {top}" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<line class="axis" x1="0" x2="{WIDTH}" y1="{HEIGHT - GROUND}" y2="{HEIGHT - GROUND}"/>'
        f'{drawn}{ticks}<text class="tick" x="2" y="11">{top}</text></svg>'
    )


def spark(one: Plot) -> str:
    """The same as small as a word."""
    counts = folded(one, SPARKS).counts
    top, width = max(counts, default=0), SPARK_WIDTH / max(len(counts), 1)
    drawn = "".join(
        _bar(index * width, width, SPARK_HEIGHT, count, top, "") for index, count in enumerate(counts)
    )
    return (
        f'<svg class="spark" role="img" aria-label="at most {top}" width="{SPARK_WIDTH}" height="{SPARK_HEIGHT}" '
        f'viewBox="0 0 {SPARK_WIDTH} {SPARK_HEIGHT}" preserveAspectRatio="none">{drawn}</svg>'
    )


def parts(counts: Sequence[tuple[str, int]]) -> str:
    """One bar of several parts: (class, count) each."""
    total = sum(count for _, count in counts)
    at, drawn = 0.0, ""
    for name, count in counts:
        width = SPARK_WIDTH * count / total if total else 0.0
        drawn += f'<rect class="{name}" x="{at:.1f}" y="0" width="{width:.1f}" height="12"/>' if count else ""
        at += width
    told = ", ".join(f"{count} {name.replace('-', ' ')}" for name, count in counts)
    return (
        f'<svg class="parts" role="img" aria-label="{told}" width="{SPARK_WIDTH}" height="12" '
        f'viewBox="0 0 {SPARK_WIDTH} 12"><title>{told}</title>{drawn}</svg>'
    )


def _bar(x: float, width: float, height: float, count: int, top: int, told: str) -> str:
    if not count:
        return ""
    tall = max(1.5, (height - 4) * count / top)
    title = f"<title>{told}</title>" if told else ""
    thick = max(0.8, width - min(1.0, width / 4))
    return f'<rect class="bar" x="{x:.2f}" y="{height - tall:.2f}" width="{thick:.2f}" height="{tall:.2f}">{title}</rect>'


def _ticked(count: int) -> range:
    return range(0, count, max(1, -(-count // 6)))


def _tick(plot: Plot, index: int, width: float) -> str:
    return f'<text class="tick" x="{index * width:.1f}" y="{HEIGHT - 6}">{_when(plot, index)}</text>'


def _when(plot: Plot, index: int) -> str:
    return datetime.fromtimestamp(plot.start + index * plot.step, UTC).strftime("%m-%d %H:%M")
