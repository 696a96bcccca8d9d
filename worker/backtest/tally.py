"""Counts what a run brings about: bounded, however long it is."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from worker.backtest.judging import Judged
from worker.backtest.people import AGREED, EXTRA, OTHER, compare, missed, told
from worker.backtest.plotting import HOUR, plot
from worker.backtest.report import Conflict, Counted, Missed, People, PlaybookResult, Plot, Row
from worker.backtest.seen import Deed, Seen
from worker.clock import iso
from worker.model.actions import Action, State
from worker.model.events import Detection, PhishReport, Submission
from worker.model.plans import Decided, Failure
from worker.playbooks.deciding import Playbook
from worker.playbooks.loader import Catalogue

NAMES = 10_000
"""Different names of one kind that are counted; what comes beyond counts as one more."""
MOST_HIT, REASONS, EXAMPLES = 20, 5, 50
BEYOND = "others"


class Names:
    """Counts names, of which an attacker may make up as many as he likes."""

    def __init__(self, most: int = NAMES) -> None:
        self._most = most
        self._counts: Counter[str] = Counter()

    def add(self, name: str) -> None:
        """Once more."""
        known = name in self._counts or len(self._counts) < self._most
        self._counts[name if known else BEYOND] += 1

    def __len__(self) -> int:
        return len(self._counts)

    def top(self, most: int) -> list[Counted]:
        """The most frequent, in a settled order."""
        ordered = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        return [Counted(name=name, count=count) for name, count in ordered[:most]]


class Hours(Counter[int]):
    """Events by the hour since the epoch; of times that make no sense only so many."""

    def note(self, hour: int) -> None:
        """One more."""
        if hour in self or len(self) < NAMES:
            self[hour] += 1


class PlaybookTally:
    """Of one playbook."""

    def __init__(self, playbook: Playbook) -> None:
        self.playbook = playbook
        self.matches = self.actions = self.undecided = 0
        self.states: Counter[State] = Counter()
        self.held: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.failures = Names(REASONS)
        self.people: Counter[str] = Counter()
        self.mailboxes = Names()
        self.hours = Hours()

    def judged(self, one: Judged, people: str) -> None:
        """One of its actions."""
        self.actions += 1
        self.states[one.state] += 1
        self.kinds[label(one.wish.action)] += 1
        if one.state is State.HELD:
            self.held[one.category] += 1
        if people:
            self.people[people] += 1
        message = one.wish.action.message
        for address in message.client_recipients if message is not None else ():
            self.mailboxes.add(address.lower())

    def failed(self, failure: Failure) -> None:
        """An event that it could not decide."""
        self.undecided += 1
        why = f"needs {failure.waits_for}, which is not there" if failure.waits_for else failure.error
        self.failures.add(why)

    def result(self, span: tuple[int, int], *, people_known: bool) -> PlaybookResult:
        """What it comes to."""
        one, states, people = self.playbook, self.states, self.people
        overlap = People(agreed=people[AGREED], other=people[OTHER], extra=people[EXTRA])
        return PlaybookResult(
            playbook=one.id,
            version=one.version,
            mode=one.mode,
            title=one.title,
            file=f"{one.path.name}:{one.line}",
            matches=self.matches,
            actions=self.actions,
            would_act=states[State.READY],
            held=states[State.HELD],
            held_because=dict(self.held.most_common()),
            shadowed=states[State.SHADOWED],
            skipped=states[State.SKIPPED],
            kinds=dict(self.kinds.most_common()),
            undecided=self.undecided,
            undecided_because=self.failures.top(REASONS),
            people=overlap if people_known else None,
            mailboxes=len(self.mailboxes),
            most_hit=self.mailboxes.top(MOST_HIT),
            per_hour=plot(self.hours, span),
            busiest_hour=max(self.hours.values(), default=0),
        )


class Tally:
    """Of all playbooks of one catalogue. `rows`: how many actions are kept to be shown, the latest of each playbook."""

    def __init__(self, catalogue: Catalogue, rows: int) -> None:
        self._of = {one.id: PlaybookTally(one) for one in catalogue.playbooks}
        self._rows = _Rows(rows, len(self._of))
        self._conflicts: dict[tuple[str, str, str, str], list[str | int]] = {}
        self._missed: Counter[str] = Counter()
        self._missed_rows: deque[Row] = deque(maxlen=EXAMPLES)
        self._people_known = False
        self.events: Counter[str] = Counter()
        self.hours = Hours()

    def page(self, seen: Sequence[Seen], decided: Sequence[Decided]) -> None:
        """What the playbooks said of some events."""
        of, hours = self._of, self.hours
        for event, one in zip(seen, decided, strict=True):
            sighting = event.sighting
            hour = int((event.at if sighting.occurred_at is None else sighting.occurred_at) // HOUR)
            hours.note(hour)
            self.events[sighting.source] += 1
            if one.wishes:
                for playbook in {vote.playbook for wish in one.wishes for vote in wish.votes}:
                    of[playbook].matches += 1
                    of[playbook].hours.note(hour)
            for failure in one.failures:
                if failure.playbook in of:
                    of[failure.playbook].failed(failure)
            if event.deeds is not None:
                self._people_known = True
                if event.deeds and isinstance(sighting.event, Detection):
                    self._miss(event, event.deeds, [wish.action for wish in one.wishes])

    def closed(self, judged: Iterable[Judged]) -> None:
        """What became of a poll's actions."""
        for one in judged:
            people = compare(one.wish.action, one.seen.deeds)
            for vote in one.wish.votes:
                self._of[vote.playbook].judged(one, people)
            self._rows.add(one, people)
            self._clash(one)

    @property
    def span(self) -> tuple[int, int]:
        """The first and the last hour of all events, since the epoch."""
        return (min(self.hours), max(self.hours)) if self.hours else (0, 0)

    def results(self) -> list[PlaybookResult]:
        """Of each playbook, by its id."""
        return [one.result(self.span, people_known=self._people_known) for _, one in sorted(self._of.items())]

    @property
    def plot(self) -> Plot:
        """Of all events."""
        return plot(self.hours, self.span)

    @property
    def rows(self) -> list[Row]:
        """The kept actions, the latest first."""
        return self._rows.newest_first()

    @property
    def rows_in_all(self) -> int:
        """Of which these are kept."""
        return self._rows.seen

    @property
    def conflicts(self) -> list[Conflict]:
        """The most frequent first."""
        found = [
            Conflict(
                one=one,
                wants=wants,
                other=other,
                other_wants=theirs,
                messages=int(count),
                example=str(example),
            )
            for (one, wants, other, theirs), (count, example) in self._conflicts.items()
        ]
        return sorted(found, key=lambda one: (-one.messages, one.one, one.other))

    @property
    def missed(self) -> Missed | None:
        """What people did that nobody wanted; None where it is not known what they did."""
        if not self._people_known:
            return None
        return Missed(counts=dict(sorted(self._missed.items())), examples=list(self._missed_rows))

    def _miss(self, event: Seen, deeds: Sequence[Deed], wanted: Sequence[Action]) -> None:
        for deed in missed(deeds, wanted):
            self._missed[deed.kind] += 1
            self._missed_rows.append(_row(event, action=told([deed]), people="missed"))

    def _clash(self, one: Judged) -> None:
        action, owner = one.wish.action, one.wish.votes[0].playbook
        for other, kind, target in one.against:
            ends = ((owner, label(action)), (other, f"{kind} {target}".strip()))
            (first, wants), (second, theirs) = sorted(ends)
            example = action.message.id if action.message is not None else ""
            known = self._conflicts.setdefault((first, wants, second, theirs), [0, example])
            known[0] = int(known[0]) + 1


class _Rows:
    """The latest actions of each playbook."""

    def __init__(self, most: int, playbooks: int) -> None:
        self._each = max(1, most // max(1, playbooks))
        self._of: dict[str, deque[tuple[int, Row]]] = {}
        self.seen = 0

    def add(self, one: Judged, people: str) -> None:
        self.seen += 1
        owner = one.wish.owner.playbook
        kept = self._of.setdefault(owner, deque(maxlen=self._each))
        kept.append((self.seen, _judged_row(one, people)))

    def newest_first(self) -> list[Row]:
        """All of them."""
        return [row for _, row in sorted(self._all(), key=lambda item: -item[0])]

    def _all(self) -> Iterator[tuple[int, Row]]:
        for kept in self._of.values():
            yield from kept


def label(action: Action) -> str:
    """Kind and target."""
    return f"{action.kind} {action.target}".strip()


def _judged_row(one: Judged, people: str) -> Row:
    deeds = one.seen.deeds
    return _row(
        one.seen,
        playbooks=[vote.playbook for vote in one.wish.votes],
        action=label(one.wish.action),
        state=STATES.get(one.state, one.state),
        why=one.why,
        reason=one.wish.action.reason,
        people=f"{people}: {told(deeds)}" if people and deeds else people,
    )


STATES: Mapping[State, str] = {State.READY: "would act"}


def _row(
    seen: Seen,
    *,
    action: str,
    people: str,
    playbooks: Sequence[str] = (),
    state: str = "",
    why: str = "",
    reason: str = "",
) -> Row:
    sighting = seen.sighting
    message = sighting.message
    at = seen.at if sighting.occurred_at is None else sighting.occurred_at
    return Row(
        at=iso(at),
        source=sighting.source,
        event=sighting.key,
        message_id=message.id if message is not None else "",
        subject=subject_of(seen),
        sender=(message.sender or message.envelope_from or "") if message is not None else "",
        recipients=list(message.client_recipients) if message is not None else [],
        verdict=(message.final_disposition or "") if message is not None else "",
        playbooks=list(playbooks),
        action=action,
        state=state,
        why=why,
        reason=reason,
        people=people,
    )


def subject_of(seen: Seen) -> str:
    """The message's subject, or whatever its event calls itself."""
    event, message = seen.sighting.event, seen.sighting.message
    if message is not None:
        return message.subject or ""
    if isinstance(event, PhishReport):
        return event.title
    return (event.subject or "") if isinstance(event, Submission) else ""
