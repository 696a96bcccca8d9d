"""What the playbooks of two revisions want of the same events, beside each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from worker.backtest.report import Changed, Difference
from worker.backtest.seen import Seen
from worker.backtest.tally import label, subject_of
from worker.model.plans import Decided
from worker.playbooks.loader import Catalogue

EXAMPLES = 20
"""Of one kind of difference of one playbook."""
NEWLY, NO_LONGER, OTHER = "newly_hit", "no_longer_hit", "other_action"


class _Counts:
    def __init__(self) -> None:
        self.before = self.after = self.undecided = 0
        self.differences: dict[str, int] = dict.fromkeys((NEWLY, NO_LONGER, OTHER), 0)
        self.examples: dict[str, list[Difference]] = {NEWLY: [], NO_LONGER: [], OTHER: []}


class Comparer:
    """Counts the differences, playbook by playbook. `before` are the revision's playbooks."""

    def __init__(self, before: Catalogue, after: Catalogue) -> None:
        self._before = {one.id: one.version for one in before.playbooks}
        self._after = {one.id: one.version for one in after.playbooks}
        self._counts: dict[str, _Counts] = defaultdict(_Counts)

    def page(self, seen: Sequence[Seen], before: Sequence[Decided], after: Sequence[Decided]) -> None:
        """The same events, decided by both."""
        for event, old, new in zip(seen, before, after, strict=True):
            if not (old.wishes or new.wishes or old.failures or new.failures):
                continue
            then, now = _wants(old), _wants(new)
            failed = {failure.playbook for one in (old, new) for failure in one.failures}
            for playbook in then.keys() | now.keys() | failed:
                self._note(event, playbook, then.get(playbook, ()), now.get(playbook, ()), playbook in failed)

    def results(self) -> list[Changed]:
        """Of every playbook of either revision: those that differ most first."""
        found = [self._result(one) for one in self._before.keys() | self._after.keys()]
        return sorted(
            found, key=lambda one: (-(one.newly_hit + one.no_longer_hit + one.other_action), one.playbook)
        )

    def _note(
        self,
        event: Seen,
        playbook: str,
        then: Sequence[str],
        now: Sequence[str],
        failed: bool,  # noqa: FBT001 - whether one of the two could not decide
    ) -> None:
        counts = self._counts[playbook]
        if failed:
            counts.undecided += 1
            return
        counts.before += bool(then)
        counts.after += bool(now)
        if then == now:
            return
        what = OTHER if then and now else NEWLY if now else NO_LONGER
        counts.differences[what] += 1
        if len(counts.examples[what]) < EXAMPLES:
            counts.examples[what].append(_difference(what, event, then, now))

    def _result(self, playbook: str) -> Changed:
        then, now = self._before.get(playbook), self._after.get(playbook)
        counts = self._counts[playbook]
        status = "new" if then is None else "gone" if now is None else "same" if then == now else "changed"
        return Changed(
            playbook=playbook,
            status=status,
            before=counts.before,
            after=counts.after,
            newly_hit=counts.differences[NEWLY],
            no_longer_hit=counts.differences[NO_LONGER],
            other_action=counts.differences[OTHER],
            undecided=counts.undecided,
            examples=[one for group in counts.examples.values() for one in group],
        )


def _wants(decided: Decided) -> Mapping[str, list[str]]:
    """What each playbook wants, in a settled order."""
    found: dict[str, list[str]] = defaultdict(list)
    for wish in decided.wishes:
        for vote in wish.votes:
            found[vote.playbook].append(label(wish.action))
    return {playbook: sorted(wants) for playbook, wants in found.items()}


def _difference(what: str, event: Seen, then: Sequence[str], now: Sequence[str]) -> Difference:
    message = event.sighting.message
    return Difference(
        what=what,
        event=event.sighting.key,
        subject=subject_of(event),
        sender=(message.sender or message.envelope_from or "") if message is not None else "",
        verdict=(message.final_disposition or "") if message is not None else "",
        before=list(then),
        after=list(now),
    )
