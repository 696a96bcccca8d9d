"""What the playbooks of a folder want of one another's examples: whom they contradict, and who makes no difference.

Each is asked about every event that somebody wrote down for any of them, about one with nothing in it, and about some
simulated mail. What is said
here is true of these events: two playbooks that clash on none of them may clash on others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from worker.model.actions import Mode, lower_mode
from worker.model.events import Detection, Event, PhishReport, Submission
from worker.model.kinds import contradicts
from worker.model.needs import NEEDS
from worker.playbooks.context import Context, Lists
from worker.playbooks.deciding import Playbook, PlaybookFailure
from worker.playbooks.examples import EXAMPLE_NOW, context_of, event_of
from worker.playbooks.given import seen_by
from worker.playbooks.guard import Guard, NotRunAgainError
from worker.playbooks.namespace import TOO_LONG
from worker.playbooks.problems import Problem
from worker.playbooks.verdicts import Case, failure_fault

_PATIENCE = 3
"""How often a playbook may fail before it is asked no more: each costs a traceback, and one is enough to tell."""
Wish = tuple[str, str, str | None]
"""Kind, target and subject."""
_BARE = Detection(id="m1")
_EMPTY: tuple[Event, ...] = (
    _BARE,
    PhishReport(id=1),
    PhishReport(id=1, message=_BARE),
    Submission(submission_id="s1"),
    Submission(submission_id="s1", message=_BARE),
)
"""Nearly every field may be missing: what the vendor leaves out is None or empty."""


@dataclass(frozen=True, slots=True)
class Trial:
    """An event that every playbook of its type is asked about, and what to call it."""

    event: Event
    context: Context
    name: str
    views: dict[frozenset[str], Event] = field(default_factory=dict)

    def seen(self, needs: frozenset[str]) -> Event:
        """The event as a playbook with these needs sees it."""
        if needs not in self.views:
            self.views[needs] = seen_by(self.event, needs)
        return self.views[needs]


@dataclass(slots=True)
class Compared:
    """What came of it."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class _Answers:
    """What one playbook wants, by the number of the event; `failed` where it could not decide."""

    asked: int = 0
    wants: dict[int, frozenset[Wish]] = field(default_factory=dict)
    failed: Problem | None = None
    fatal: bool = False
    """Whether nothing but its deadline, or the process's end, could stop it."""

    @property
    def all(self) -> set[tuple[int, Wish]]:
        """Every wish with its event."""
        return {(number, wish) for number, wishes in self.wants.items() for wish in wishes}


def compare(
    playbooks: Sequence[Playbook],
    cases: Sequence[Case],
    failing: Collection[str],
    lists: Lists,
    guard: Guard,
    mail: Sequence[Event],
) -> Compared:
    """Asks everybody about everything; of the playbooks in `failing` enough is wrong already.

    `cases` are the verdicts on all examples, in their order: those that hold are asked about.
    """
    plain = Context(now=EXAMPLE_NOW, lists=lists)
    trials = [
        *_written(playbooks, cases, lists),
        *(Trial(event, plain, "an event with nothing in it") for event in _EMPTY),
        *(Trial(event, plain, "simulated mail") for event in mail),
    ]
    whole = [one for one in playbooks if one.id not in failing]
    answers = {one.id: _ask(one, trials, guard) for one in whole}
    found = Compared()
    for one in whole:
        answer = answers[one.id]
        if answer.failed:
            (found.problems if answer.fatal else found.warnings).append(answer.failed)
        if not answer.wants and not answer.failed:
            what = f"is unreachable: it acts on none of the {answer.asked} events that it was asked about"
            found.warnings.append(
                _about(one, what, "add a hit(...), or mend the condition: it may never hold")
            )
    acting = [one for one in whole if one.mode is not Mode.SHADOW]
    found.warnings += _contradictions(acting, answers, trials)
    found.warnings += _idle(acting, answers)
    return found


def _written(playbooks: Iterable[Playbook], cases: Iterable[Case], lists: Lists) -> Iterator[Trial]:
    written = ((playbook, example) for playbook in playbooks for example in playbook.examples)
    for (playbook, example), case in zip(written, cases, strict=True):
        if case.problem is None:
            # All that it gives, whoever needs it.
            event = event_of(example, playbook.on, NEEDS)
            context = context_of(example, lists, sees_context=True)
            yield Trial(event, context, f"{case.name} of {case.path.name}:{case.line}")


def _ask(playbook: Playbook, trials: Sequence[Trial], guard: Guard) -> _Answers:
    answers, failures = _Answers(), 0
    try:
        with guard.holding(f"compared {playbook.id} {playbook.version}"):
            for number, trial in enumerate(trials):
                if not isinstance(trial.event, playbook.on):
                    continue
                answers.asked += 1
                try:
                    actions = playbook.decide(trial.seen(playbook.needs), trial.context)
                except PlaybookFailure as failure:
                    answers.failed = answers.failed or _failed(playbook, failure, trial)
                    answers.fatal, failures = failure.overran, failures + 1
                    if failure.overran or failures == _PATIENCE:
                        break
                else:
                    if actions:
                        wishes = ((action.kind, action.target, action.subject) for action in actions)
                        answers.wants[number] = frozenset(wishes)
    except NotRunAgainError as error:
        answers.fatal = True
        answers.failed = _about(playbook, f"{error}, on an example of another playbook", TOO_LONG)
    return answers


def _failed(playbook: Playbook, failure: PlaybookFailure, trial: Trial) -> Problem:
    what, remedy = failure_fault(failure, playbook)
    message = f"{what} while it decided {trial.name}: such an event would be parked"
    return Problem(failure.path, failure.line, playbook.id, message, remedy)


def _contradictions(
    playbooks: Sequence[Playbook], answers: dict[str, _Answers], trials: Sequence[Trial]
) -> Iterator[Problem]:
    """One warning for each playbook that clashes with later ones, with the first event that shows it."""
    by_id = {one.id: one for one in playbooks}
    clashes: dict[str, dict[str, tuple[Wish, Wish, Trial]]] = defaultdict(dict)
    for number, wanted in sorted(_by_event(playbooks, answers).items()):
        for one, other in combinations(sorted(wanted, key=str), 2):
            if one[2] != other[2] or not contradicts(one[0], one[1], other[0], other[1]):
                continue
            for mine in wanted[one]:
                for theirs in wanted[other] - {mine}:
                    pair, wishes = (
                        ((mine, theirs), (one, other)) if mine < theirs else ((theirs, mine), (other, one))
                    )
                    clashes[pair[0]].setdefault(pair[1], (*wishes, trials[number]))
    for mine, others in sorted(clashes.items()):
        theirs, (one, other, trial) = next(iter(sorted(others.items())))
        more = f", and {len(others) - 1} more" if len(others) > 1 else ""
        what = (
            f"contradicts {_named(by_id[theirs])}{more} on {trial.name}: it wants {_shown(one)}, the other "
            f"{_shown(other)}, and both would be held"
        )
        yield _about(by_id[mine], what, "narrow one of the two, or leave one in shadow mode")


def _by_event(playbooks: Iterable[Playbook], answers: dict[str, _Answers]) -> dict[int, dict[Wish, set[str]]]:
    """Who wants what, by event."""
    wanted: dict[int, dict[Wish, set[str]]] = defaultdict(lambda: defaultdict(set))
    for one in playbooks:
        for number, wishes in answers[one.id].wants.items():
            for wish in wishes:
                wanted[number][wish].add(one.id)
    return wanted


def _idle(playbooks: Sequence[Playbook], answers: dict[str, _Answers]) -> Iterator[Problem]:
    """Playbooks that want nothing which another one of the same or a higher mode does not want too."""
    wants = {one.id: answers[one.id].all for one in playbooks}
    for one in playbooks:
        mine = wants[one.id]
        for other in playbooks:
            theirs = wants[other.id]
            higher = lower_mode(one.mode, other.mode) is one.mode
            if other is one or not mine or not higher or not mine <= theirs:
                continue
            if mine == theirs and one.mode is other.mode and one.id < other.id:
                continue  # of two equal ones the later is told
            what = (
                f"is unreachable: on all {len(answers[one.id].wants)} events that it acts on, {_named(other)} wants "
                "the same"
            )
            yield _about(one, what, "remove one of the two, or add a hit(...) that only this one acts on")
            break


def _about(playbook: Playbook, message: str, remedy: str) -> Problem:
    return Problem(playbook.path, playbook.line, playbook.id, message, remedy)


def _named(playbook: Playbook) -> str:
    return f"`{playbook.id}` ({playbook.path.name}:{playbook.line})"


def _shown(wish: Wish) -> str:
    return f"{wish[0]} to {wish[1]}" if wish[1] else wish[0]
