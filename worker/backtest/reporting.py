"""A backtest from its parts: the judges, what counts for them, and in the end the report. Does no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from worker.backtest.comparing import Comparer
from worker.backtest.judging import Judge, as_enforcing
from worker.backtest.report import Comparison, Report, Span
from worker.backtest.running import Hands, Run
from worker.backtest.seen import Seen
from worker.backtest.tally import Tally
from worker.clock import iso
from worker.model.plans import Ceilings, Decided
from worker.playbooks.loader import Catalogue

AS_ENFORCE, AS_DECLARED = "enforce", "declared"


@dataclass(frozen=True, slots=True)
class Other:
    """The rules folder at another revision."""

    catalogue: Catalogue
    revision: str
    commit: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What a backtest is held to: the operator's caps, the polls that are played, as what playbooks are judged."""

    ceilings: Ceilings
    interval: float
    judged_as: str = AS_ENFORCE
    rows: int = 2000
    notes: list[str] = field(default_factory=list)


class Backtest:
    """Takes events, gives a report."""

    def __init__(self, catalogue: Catalogue, terms: Terms, other: Other | None = None) -> None:
        self._catalogue, self._terms, self._other = catalogue, terms, other
        self._tally = Tally(catalogue, terms.rows)
        self._comparer = Comparer(other.catalogue, catalogue) if other is not None else None
        self._run = Run(
            self._judge(catalogue),
            Hands(self._page, self._tally.closed),
            terms.interval,
            self._judge(other.catalogue) if other is not None else None,
        )

    def take(self, events: Iterable[Seen]) -> None:
        """Some more events, in the order of their times."""
        self._run.take(events)

    @property
    def taken(self) -> int:
        """Events that were decided by now."""
        return self._tally.events.total()

    def report(
        self,
        source: str,
        rules: str,
        seconds: float,
        *,
        stopped: str | None = None,
        notes: Sequence[str] = (),
    ) -> Report:
        """What came of it; nothing can be taken any more."""
        self._run.finish()
        tally, hours = self._tally, self._tally.span
        span = Span(
            source=source,
            start=iso(hours[0] * 3600.0) if tally.hours else None,
            end=iso((hours[1] + 1) * 3600.0) if tally.hours else None,
            events=self.taken,
            by_source=dict(sorted(tally.events.items())),
            polls=self._run.polls,
            poll_interval=self._terms.interval,
            judged_as=self._terms.judged_as,
            rules=rules,
            seconds=round(seconds, 3),
            stopped=stopped,
            notes=[*self._terms.notes, *notes],
        )
        return Report(
            span=span,
            playbooks=tally.results(),
            conflicts=tally.conflicts,
            missed=tally.missed,
            comparison=self._comparison(),
            per_hour=tally.plot,
            rows=tally.rows,
            rows_in_all=tally.rows_in_all,
            problems=[str(problem) for problem in self._catalogue.problems],
        )

    def _judge(self, catalogue: Catalogue) -> Judge:
        judged = as_enforcing(catalogue) if self._terms.judged_as == AS_ENFORCE else catalogue
        return Judge(judged, self._terms.ceilings)

    def _page(
        self, seen: Sequence[Seen], decided: Sequence[Decided], other: Sequence[Decided] | None
    ) -> None:
        self._tally.page(seen, decided)
        if self._comparer is not None and other is not None:
            self._comparer.page(seen, other, decided)

    def _comparison(self) -> Comparison | None:
        if self._comparer is None or self._other is None:
            return None
        return Comparison(
            revision=self._other.revision,
            commit=self._other.commit,
            playbooks=self._comparer.results(),
            problems=[str(problem) for problem in self._other.catalogue.problems],
        )
