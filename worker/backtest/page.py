"""The report as one HTML file: it asks nobody for anything, and nothing in it but our own script can run.

Every text of mail is shown by `_t`: what hides or acts is made visible, then escaped. The policy names style and script
by their hashes, so that even a text that got past would be inert.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files

from worker.backtest.plots import bars, parts, spark
from worker.backtest.report import Comparison, Missed, PlaybookResult, Report, Row
from worker.ops.text import safe

LONGEST = 500
"""Characters of one text."""


def page(report: Report) -> str:
    """The whole file."""
    style, script = (files(__package__).joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<link rel="icon" href="data:,">\n'
        f"<title>Backtest</title>\n<style>{style}</style>\n</head>\n<body>\n"
        + "\n".join(_body(report))
        + f"\n<script>{script}</script>\n</body>\n</html>\n"
    )


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _t(text: object) -> str:
    """Any text, harmless."""
    return escape(safe(str(text), LONGEST))


def _body(report: Report) -> Iterator[str]:
    yield from _head(report)
    yield f"<main>{_cards(report)}"
    yield f"<h2>Events per hour</h2>{bars(report.per_hour, 'events per hour')}"
    yield "<h2>Playbooks</h2>"
    yield _playbooks(report)
    yield from _section("Held", _held(report.playbooks))
    yield from _section("Contradictions", _conflicts(report))
    yield from _section("Undecided", _undecided(report.playbooks))
    if report.missed is not None:
        yield from _people(report.missed, report.playbooks)
    if report.comparison is not None:
        yield from _comparison(report.comparison)
    yield from _section("Who would have been hit", _mailboxes(report.playbooks))
    yield from _actions(report)
    yield "</main>"


def _head(report: Report) -> Iterator[str]:
    span = report.span
    how = "as if each might act" if span.judged_as == "enforce" else "each in its declared mode"
    when = f"{span.start[:16]}Z to {span.end[:16]}Z" if span.start and span.end else "no events"
    yield (
        f'<header><h1>Backtest</h1><p class="soft">{_t(when)} · from {_t(span.source)} · playbooks of {_t(span.rules)}, '
        f"{how} · {span.polls:,} polls of {span.poll_interval:g} s · nothing was changed anywhere</p>"
    )
    if span.stopped:
        yield f'<p class="alarm">Not all of it could be read: {_t(span.stopped)}</p>'
    for problem in report.problems:
        yield f'<p class="alarm">{_t(problem)}</p>'
    for note in span.notes:
        yield f'<p class="soft">Note: {_t(note)}</p>'
    yield "</header>"


def _cards(report: Report) -> str:
    told = {
        "events": report.span.events,
        "matches": report.matches,
        "would act": sum(one.would_act for one in report.playbooks),
        "held": sum(one.held for one in report.playbooks),
        "contradictions": sum(one.messages for one in report.conflicts),
        "undecided": sum(one.undecided for one in report.playbooks),
    }
    if report.missed is not None:
        told["missed by all"] = sum(report.missed.counts.values())
    cards = "".join(f"<li><b>{count:,}</b>{name}</li>" for name, count in told.items())
    return f'<ul class="cards">{cards}</ul>'


def _playbooks(report: Report) -> str:
    people = report.missed is not None
    header = [
        "playbook",
        "mode",
        "#matches",
        "over time",
        "#would act",
        "#held",
        "#skipped",
        "#undecided",
        "outcome",
    ]
    header += ["#agreed", "#other", "#extra"] if people else []
    header += ["#mailboxes", "#busiest hour"]
    return _table(header, (_playbook(one, people=people) for one in report.playbooks), sortable=True)


def _playbook(one: PlaybookResult, *, people: bool) -> list[str]:
    outcome = [("would-act", one.would_act), ("held", one.held), ("shadowed", one.shadowed)]
    outcome += [("skipped", one.skipped), ("undecided", one.undecided)]
    beside = [one.people.agreed, one.people.other, one.people.extra] if people and one.people else []
    return [
        f'<td class="name" title="{_t(one.title)}">{_t(one.playbook)}</td>',
        _cell(one.mode),
        _number(one.matches),
        f"<td>{spark(one.per_hour)}</td>",
        *map(_number, (one.would_act, one.held, one.skipped, one.undecided)),
        f"<td>{parts(outcome)}</td>",
        *map(_number, (*beside, one.mailboxes, one.busiest_hour)),
    ]


def _held(playbooks: Sequence[PlaybookResult]) -> str:
    rows = [
        [_cell(one.playbook), _cell(why), _number(count)]
        for one in playbooks
        for why, count in one.held_because.items()
    ]
    return _table(["playbook", "why", "#actions"], rows) if rows else ""


def _conflicts(report: Report) -> str:
    rows = [
        [
            _number(one.messages),
            _cell(f"{one.one}: {one.wants}"),
            _cell(f"{one.other}: {one.other_wants}"),
            _id(one.example),
        ]
        for one in report.conflicts
    ]
    return _table(["#messages", "one wants", "the other wants", "for example"], rows) if rows else ""


def _undecided(playbooks: Sequence[PlaybookResult]) -> str:
    rows = [
        [_cell(one.playbook), _number(why.count), _cell(why.name)]
        for one in playbooks
        for why in one.undecided_because
    ]
    return _table(["playbook", "#events", "why"], rows) if rows else ""


def _people(missed: Missed, playbooks: Sequence[PlaybookResult]) -> Iterator[str]:
    overlaps = [one.people for one in playbooks if one.people is not None]
    agreed, other, extra = (
        sum(getattr(one, name) for one in overlaps) for name in ("agreed", "other", "extra")
    )
    told = ", ".join(f"{kind} {count}" for kind, count in missed.counts.items()) or "nothing"
    yield (
        f"<h2>Beside what people did</h2><p>Of the playbooks' actions people did {agreed:,} too, did something else with "
        f"the message in {other:,} cases, and nothing in {extra:,}. They did and no playbook wanted: {_t(told)}.</p>"
    )
    if missed.examples:
        rows = [
            [
                _cell(one.at[:16]),
                _cell(one.action),
                _cell(one.verdict),
                _cell(one.subject, "long"),
                _id(one.event),
            ]
            for one in missed.examples
        ]
        table = _table(["when", "what people did", "verdict", "subject", "event"], rows)
        yield f"<details><summary>The latest {len(rows)} that every playbook missed</summary>{table}</details>"


def _comparison(comparison: Comparison) -> Iterator[str]:
    yield f"<h2>Against {_t(comparison.revision)} <span class='soft'>({_t(comparison.commit[:12])})</span></h2>"
    rows = [
        [
            _cell(one.playbook, "name"),
            _cell(one.status),
            *map(
                _number,
                (
                    one.before,
                    one.after,
                    one.newly_hit,
                    one.no_longer_hit,
                    one.other_action,
                    one.undecided,
                ),
            ),
        ]
        for one in comparison.playbooks
    ]
    header = [
        "playbook",
        "is",
        "#before",
        "#now",
        "#newly hit",
        "#no longer hit",
        "#other action",
        "#undecided",
    ]
    yield _table(header, rows, sortable=True)
    examples = [
        [
            _cell(one.playbook),
            _cell(example.what.replace("_", " ")),
            _cell(" and ".join(example.before) or "nothing"),
            _cell(" and ".join(example.after) or "nothing"),
            _cell(example.verdict),
            _cell(example.subject, "long"),
            _id(example.event),
        ]
        for one in comparison.playbooks
        for example in one.examples
    ]
    if examples:
        header = ["playbook", "what", "before", "now", "verdict", "subject", "event"]
        yield f"<details open><summary>Messages on which they differ</summary>{_table(header, examples)}</details>"
    for problem in comparison.problems:
        yield f'<p class="alarm">{_t(problem)}</p>'


def _mailboxes(playbooks: Sequence[PlaybookResult]) -> str:
    rows = [
        [
            _cell(one.playbook, "name"),
            _number(one.mailboxes),
            _cell(", ".join(f"{hit.name} {hit.count}" for hit in one.most_hit), "long"),
        ]
        for one in playbooks
        if one.most_hit
    ]
    return _table(["playbook", "#mailboxes", "the most"], rows) if rows else ""


def _actions(report: Report) -> Iterator[str]:
    if not report.rows:
        return
    playbooks = sorted({name for one in report.rows for name in one.playbooks})
    states = sorted({one.state for one in report.rows})
    kept = (
        f"{len(report.rows):,}, all of them"
        if len(report.rows) == report.rows_in_all
        else f"{len(report.rows):,} of {report.rows_in_all:,}: the latest of each playbook"
    )
    yield (
        f'<h2>Actions</h2><p class="soft">{kept}</p><div class="tools" id="tools" hidden>'
        '<label>Search <input type="search" id="search" placeholder="words in any column"></label>'
        f'<label>Playbook <select id="playbook">{_options(playbooks)}</select></label>'
        f'<label>State <select id="state">{_options(states)}</select></label>'
        '<output id="told" for="search playbook state"></output></div>'
    )
    header = [
        "when",
        "playbooks",
        "action",
        "state",
        "verdict",
        "sender",
        "recipients",
        "subject",
        "why",
        "people",
    ]
    header += ["message"]
    yield _table(
        header, map(_action, report.rows), sortable=True, attributes=map(_data, report.rows), name="actions"
    )


def _action(one: Row) -> list[str]:
    why = "; ".join(filter(None, (one.why, one.reason)))
    return [
        _cell(one.at[:19].replace("T", " "), "name"),
        _cell(", ".join(one.playbooks)),
        _cell(one.action),
        _cell(one.state, "name"),
        _cell(one.verdict),
        _cell(one.sender),
        _cell(", ".join(one.recipients)),
        _cell(one.subject, "long"),
        _cell(why, "long"),
        _cell(one.people),
        _id(one.message_id or one.event),
    ]


def _data(one: Row) -> str:
    return f' data-playbooks="{_t(" ".join(one.playbooks))}" data-state="{_t(one.state)}"'


def _options(values: Sequence[str]) -> str:
    return '<option value="">all</option>' + "".join(f"<option>{_t(value)}</option>" for value in values)


def _section(title: str, content: str) -> Iterator[str]:
    if content:
        yield f"<h2>{title}</h2>{content}"


def _table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    sortable: bool = False,
    attributes: Iterable[str] | None = None,
    name: str = "",
) -> str:
    """A header that starts with # is that of numbers. A wide table scrolls by itself, by keyboard too."""
    head = "".join(
        f'<th class="n">{one[1:]}</th>' if one.startswith("#") else f"<th>{one}</th>" for one in header
    )
    told = iter(attributes) if attributes is not None else None
    body = "".join(f"<tr{next(told) if told is not None else ''}>{''.join(row)}</tr>" for row in rows)
    marks = (" data-sortable" if sortable else "") + (f' id="{name}"' if name else "")
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="table"><table{marks}>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(text: object, kind: str = "") -> str:
    return f'<td class="{kind}">{_t(text)}</td>' if kind else f"<td>{_t(text)}</td>"


def _id(text: str) -> str:
    return f'<td class="id">{_t(text)}</td>'


def _number(count: int) -> str:
    return f'<td class="n">{count:,}</td>'
