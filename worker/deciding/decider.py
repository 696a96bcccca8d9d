"""Asks the playbooks about events, as they are now: who is not asked, who failed, what was left alone is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from worker.breakers import Told
from worker.clock import Clock, utc
from worker.deciding.enrichment import Histories
from worker.deciding.quarantine import Quarantine
from worker.deciding.rulebook import Rulebook
from worker.model.known import Views
from worker.model.patterns import sender_of
from worker.model.plans import FILE, Ceilings, Decided, Sighting
from worker.model.sweeps import Watch
from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics
from worker.pipeline import decide, needs_history
from worker.playbooks.loader import Catalogue
from worker.ports import Kept, Ledger

log = get_logger()

Some = tuple[Sequence[Sighting], Collection[str] | None]
"""Events, and the playbooks that are asked about them; None for all."""


class Decider:
    """The playbooks in force, and those of them that are not asked for a while because they fail."""

    def __init__(
        self, ledger: Ledger, catalogue: Catalogue, ceilings: Ceilings, clock: Clock, metrics: Metrics
    ) -> None:
        self.rules = Rulebook(catalogue)
        self.ceilings = ceilings
        self.clock = clock
        self.quarantine = Quarantine(clock, metrics)
        self._ledger = ledger
        self._metrics = metrics
        self._kept: dict[str, Told] = {}

    async def decide(
        self,
        groups: Iterable[Some],
        catalogue: Catalogue,
        histories: Histories,
        *,
        views: Views | None = None,
        watch: Watch | None = None,
    ) -> list[Decided]:
        """What these playbooks want done, one for each event, in order. Who fails is known to the ledger afterwards."""
        now = utc(self.clock.now())
        decided = [
            one
            for sightings, only in groups
            for one in decide(
                sightings,
                catalogue,
                self.ceilings.mode,
                now,
                histories,
                only=only,
                quarantine=self.quarantine,
                views=views,
                protected=self.ceilings.protected,
                watch=watch,
            )
        ]
        await self.keep_quarantine()
        self._note_failures(decided)
        self.tell_excluded(one.excluded for one in decided if one.excluded)
        return decided

    async def histories(self, sightings: Sequence[Sighting], catalogue: Catalogue) -> Histories:
        """What was done before to these messages and their senders, where one of the playbooks may look at it."""
        if not needs_history(catalogue):
            return {}
        messages = [sighting.message for sighting in sightings if sighting.message is not None]
        return await self._ledger.histories({one.id: sender_of(one) for one in messages})

    async def restore(self) -> None:
        """Playbooks that were in quarantine when the worker stopped still are, unless they have changed."""
        self._kept = await self._ledger.recall(Kept.QUARANTINE) or {}
        self.quarantine.restore(self._kept, {one.id: one for one in self.rules.current.playbooks})
        await self.keep_quarantine()

    async def keep_quarantine(self) -> None:
        """Before anything is parked for it: a restart must know whom to ask again."""
        if (current := self.quarantine.snapshot()) != self._kept:
            await self._ledger.remember(Kept.QUARANTINE, current)
            self._kept = current

    def adopt(self, catalogue: Catalogue) -> None:
        """The next generation: polls that begin from here on are decided by it, and what waits for a change of it."""
        before = {one.id: one.version for one in self.rules.loaded.playbooks}
        self.rules.adopt(catalogue)
        after = {one.id: one.version for one in catalogue.playbooks}
        self.quarantine.release(name for name, version in before.items() if after.get(name) != version)

    def tell_excluded(self, lists: Iterable[str]) -> None:
        """Counts and logs what was left alone, by the list that says so: one line for all of it."""
        if counts := Counter(lists):
            for name, count in counts.items():
                self._metrics.excluded(name, count)
            log.info("event.excluded", count=counts.total(), lists=sorted(counts))

    def _note_failures(self, decided: Sequence[Decided]) -> None:
        waiting: dict[str, list[str]] = {}
        for one in decided:
            for failure in one.failures:
                if failure.waits_for:
                    waiting.setdefault(failure.playbook, []).append(failure.error)
                    continue
                if failure.playbook.startswith(FILE) or not failure.asked:
                    continue
                self._metrics.playbook_failed(failure.playbook)
                log.error(
                    "playbook.failed",
                    playbook=failure.playbook,
                    playbook_version=failure.version,
                    event_key=one.sighting.key,
                    message_id=one.sighting.message.id if one.sighting.message else None,
                    error=failure.error,
                )
        for playbook, errors in waiting.items():
            log.warning("enrichment.waiting", playbook=playbook, count=len(errors), reason=errors[0])
