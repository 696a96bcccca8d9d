"""A backtest's report for a terminal, or for a pipe: plain lines, nothing wrapped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from worker.backtest.plotting import folded, sparkline
from worker.backtest.report import Comparison, PlaybookResult, Report
from worker.cli.printing import print_table, say

COLUMNS = 48
"""Of a sparkline."""
FEW = 10
SOME = 2


def tell(report: Report) -> None:
    """All of it."""
    for line in _head(report):
        say(line)
    if report.span.events:
        _table(report)
    for title, lines in (
        ("held", _held(report.playbooks)),
        ("contradictions", _conflicts(report)),
        ("undecided", _undecided(report.playbooks)),
        ("who would have been hit", _hit(report.playbooks)),
        ("for `worker explain`", _examples(report)),
        ("what people did and no playbook wanted", _missed(report)),
        *(
            [(f"against {report.comparison.revision}", _compared(report.comparison))]
            if report.comparison
            else []
        ),
        ("problems", report.problems),
        ("note", report.span.notes),
    ):
        told = list(lines)
        if told:
            say("")
            say(title)
        for line in told:
            say(f"  {line}")
    if report.span.stopped:
        say("")
        say(f"not all of it: {report.span.stopped}")


def _head(report: Report) -> Iterator[str]:
    span = report.span
    when = f"{span.start[:16]}Z to {span.end[:16]}Z" if span.start and span.end else "no events"
    how = "as if each might act" if span.judged_as == "enforce" else "each in its declared mode"
    yield (
        f"{span.events} events from {span.source}, {when}; {span.polls} polls of {span.poll_interval:g} s, "
        f"{len(report.playbooks)} playbooks of {span.rules}, {how}; {span.seconds:.1f} s"
    )


def _table(report: Report) -> None:
    people = report.missed is not None
    spark = folded(report.per_hour, COLUMNS)
    header = [
        "PLAYBOOK",
        "MODE",
        "MATCHES",
        "WOULD ACT",
        "HELD",
        "SHADOWED",
        "SKIPPED",
        "UNDECIDED",
        "MAILBOXES",
    ]
    header += ["AGREED", "OTHER", "EXTRA"] if people else []
    header += [f"PER {spark.step / 3600:g} H"]
    say("")
    print_table(header, (_row(one, people=people) for one in report.playbooks))


def _row(one: PlaybookResult, *, people: bool) -> Sequence[object]:
    row: list[object] = [
        one.playbook,
        one.mode,
        one.matches,
        one.would_act,
        one.held,
        one.shadowed,
        one.skipped,
    ]
    row += [one.undecided, one.mailboxes]
    if people:
        row += [one.people.agreed, one.people.other, one.people.extra] if one.people else ["", "", ""]
    return [*row, sparkline(folded(one.per_hour, COLUMNS).counts)]


def _held(playbooks: Sequence[PlaybookResult]) -> Iterator[str]:
    for one in playbooks:
        for why, count in one.held_because.items():
            yield f"{one.playbook}: {count} ({why})"


def _conflicts(report: Report) -> Iterator[str]:
    for one in report.conflicts[:FEW]:
        yield (
            f"{one.messages}: {one.one} wants {one.wants}, {one.other} wants {one.other_wants}; "
            f"for example {one.example}"
        )
    if len(report.conflicts) > FEW:
        yield f"and {len(report.conflicts) - FEW} more pairs"


def _undecided(playbooks: Sequence[PlaybookResult]) -> Iterator[str]:
    for one in playbooks:
        for why in one.undecided_because:
            yield f"{one.playbook}: {why.count} ({why.name})"


def _hit(playbooks: Sequence[PlaybookResult]) -> Iterator[str]:
    for one in playbooks:
        if one.most_hit:
            most = ", ".join(f"{hit.name} {hit.count}" for hit in one.most_hit[:FEW])
            more = f" and {one.mailboxes - FEW} more" if one.mailboxes > FEW else ""
            yield f"{one.playbook}: {most}{more}"


def _examples(report: Report) -> Iterator[str]:
    """An event or two of each playbook, the latest."""
    found: dict[str, list[str]] = {}
    for row in reversed(report.rows):
        for name in row.playbooks:
            if len(some := found.setdefault(name, [])) < SOME and row.event not in some:
                some.append(row.event)
    for name, events in sorted(found.items()):
        yield f"{name}: {' '.join(events)}"


def _missed(report: Report) -> Iterator[str]:
    if report.missed is None:
        return
    for kind, count in report.missed.counts.items():
        yield f"{kind}: {count}"
    for row in report.missed.examples[-FEW:]:
        yield f"for example {row.event}: {row.action}; {row.verdict or 'no verdict'}, {row.subject!r}"


def _compared(comparison: Comparison) -> Iterator[str]:
    changed = [one for one in comparison.playbooks if one.status != "same" or one.examples]
    if not changed:
        yield f"every playbook is the same as in {comparison.commit[:12]}"
    for one in changed:
        yield (
            f"{one.playbook} ({one.status}): matches: {one.before} before, {one.after} now; {one.newly_hit} newly hit, "
            f"{one.no_longer_hit} no longer hit, {one.other_action} with another action"
            + (f", {one.undecided} undecided" if one.undecided else "")
        )
        for difference in one.examples[:FEW]:
            wants = f"{' and '.join(difference.before) or 'nothing'} -> {' and '.join(difference.after) or 'nothing'}"
            yield f"  {difference.what.replace('_', ' ')}: {difference.event}: {wants}; {difference.subject!r}"
    yield from (f"problem: {one}" for one in comparison.problems)
