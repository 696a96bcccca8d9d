"""What a backtest found, as `--json` prints it and as terminal and page show it. Plain values; times are ISO, UTC."""

from __future__ import annotations

import msgspec


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Where the events came from, and what was made of them."""

    source: str
    """`vendor`, `store`, or the file's name."""
    start: str | None
    end: str | None
    """Of the events' own times."""
    events: int
    by_source: dict[str, int]
    polls: int
    poll_interval: float
    judged_as: str
    """`enforce`: as if every playbook might act; `declared`: each under its own mode."""
    rules: str
    seconds: float
    stopped: str | None = None
    """Why not all of it could be read."""
    notes: list[str] = []


class Plot(msgspec.Struct, frozen=True, kw_only=True):
    """Counts in equal steps of time, the first beginning at `start` (seconds since the epoch)."""

    start: float
    step: float
    counts: list[int]


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """How often something came."""

    name: str
    count: int


class People(msgspec.Struct, frozen=True, kw_only=True):
    """A playbook's actions beside what people did to the same messages."""

    agreed: int = 0
    other: int = 0
    """They did something else with it."""
    extra: int = 0
    """They did nothing."""


class PlaybookResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one playbook would have done."""

    playbook: str
    version: str
    mode: str
    title: str
    file: str
    matches: int
    """Events on which it wanted something."""
    actions: int
    would_act: int
    held: int
    held_because: dict[str, int]
    shadowed: int
    skipped: int
    kinds: dict[str, int]
    undecided: int
    """Events that it could not decide: it raised, or reads what was not fetched."""
    undecided_because: list[Counted]
    people: People | None
    mailboxes: int
    """How many would have been hit."""
    most_hit: list[Counted]
    per_hour: Plot
    busiest_hour: int


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """Two playbooks that want what cannot both be done."""

    one: str
    wants: str
    other: str
    other_wants: str
    messages: int
    example: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One action, as a person looks it up."""

    at: str
    source: str
    event: str
    message_id: str
    subject: str
    sender: str
    recipients: list[str]
    verdict: str
    playbooks: list[str]
    action: str
    state: str
    why: str
    reason: str
    people: str
    """What they did: `agreed`, `other`, `extra`; empty where nobody can tell."""


class Missed(msgspec.Struct, frozen=True, kw_only=True):
    """What people did and no playbook wanted."""

    counts: dict[str, int]
    examples: list[Row]


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """What a playbook would do differently from another revision's."""

    playbook: str
    status: str
    """`changed`, `new`, `gone`, or `same` where its source is the same."""
    before: int
    after: int
    newly_hit: int
    no_longer_hit: int
    other_action: int
    undecided: int
    examples: list[Difference]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One event on which the revisions differ."""

    what: str
    """`newly_hit`, `no_longer_hit` or `other_action`."""
    event: str
    subject: str
    sender: str
    verdict: str
    before: list[str]
    after: list[str]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The rules folder against a revision of it."""

    revision: str
    commit: str
    playbooks: list[Changed]
    problems: list[str]
    """Files of that revision that cannot be loaded."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    span: Span
    playbooks: list[PlaybookResult]
    conflicts: list[Conflict]
    missed: Missed | None
    """None where it is not known what people did."""
    comparison: Comparison | None
    per_hour: Plot
    """Of all events."""
    rows: list[Row]
    rows_in_all: int
    problems: list[str]
    """Files of the rules folder that cannot be loaded."""

    @property
    def matches(self) -> int:
        """Of all playbooks, an event counting for each that wants something of it."""
        return sum(one.matches for one in self.playbooks)


def decode(body: bytes) -> Report:
    """A report that `--json` wrote. ValueError where it is none."""
    return msgspec.json.decode(body, type=Report)
