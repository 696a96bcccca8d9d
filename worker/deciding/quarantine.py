"""Playbooks that raise again and again, or take too long: their events are parked, and one now and then is the probe.

Never silently off: it is logged, counted and shown, the events keep their evidence, and all of those that were not
asked about are decided as soon as a probe succeeds. Another version of the playbook begins anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from worker.breakers import Breakers, Told
from worker.clock import Clock
from worker.model.breaker import Turn
from worker.model.plans import Failure
from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics
from worker.playbooks.deciding import Playbook

log = get_logger()

IN_A_ROW = 10
"""Events on which a playbook raised, one after the other, after which it is not asked any more."""
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 3600.0


class Quarantine:
    """Implements `asking.Quarantine`."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._breakers = Breakers(clock, IN_A_ROW, FIRST_PAUSE, LONGEST_PAUSE)
        self._recovered: dict[str, Told] = {}

    def __bool__(self) -> bool:
        return bool(self._breakers)

    def asks(self, playbook: Playbook) -> bool:
        """Whether the playbook is asked about the next event, perhaps as a probe; `failed` or `succeeded` follows."""
        turn = self._breakers.turn(playbook.id)
        if turn is Turn.ONE:
            self._breakers.probe(playbook.id)
        return turn is not Turn.NONE

    def unasked(self, playbook: Playbook) -> Failure:
        """Why an event is parked that the playbook was not asked about."""
        why = self._breakers.snapshot()[playbook.id]
        text = f"not asked: quarantined after {why['failures']} failures in a row, the last: {why['error']}"
        return Failure(playbook.id, playbook.version, text, asked=False)

    def failed(self, playbook: Playbook, why: str, *, at_once: bool = False) -> None:
        """It raised, or returned what is no action; `at_once` where asking it even once more costs too much."""
        opened = self._breakers.failed(playbook.id, why, at_once=at_once, version=playbook.version)
        if opened is None:
            return
        self._recovered.pop(playbook.id, None)
        self._metrics.quarantined(playbook.id, on=True)
        log.error(
            "playbook.quarantined",
            playbook=playbook.id,
            playbook_version=playbook.version,
            count=opened["failures"],
            seconds=FIRST_PAUSE,
            error=why,
        )

    def succeeded(self, playbook: Playbook) -> None:
        """It could decide."""
        if (told := self._breakers.succeeded(playbook.id)) is not None:
            self._recovered[playbook.id] = told

    def forgo(self, playbook: Playbook) -> None:
        """What it said tells nothing of it: the next event is as good a probe."""
        self._breakers.forgo(playbook.id)

    def is_due(self, playbook: Playbook) -> bool:
        """Whether it is time for a probe."""
        return self._breakers.turn(playbook.id) is Turn.ONE

    def has_recovered(self, playbook: Playbook) -> bool:
        """Whether a probe succeeded, and what was parked meanwhile still has to be decided."""
        return playbook.id in self._recovered

    def readmit(self, playbook: Playbook) -> None:
        """What was parked is decided: the quarantine is over."""
        told = self._recovered.pop(playbook.id, None)
        if told is None:
            return  # another version of it has come meanwhile
        self._metrics.quarantined(playbook.id, on=False)
        log.info(
            "playbook.readmitted",
            playbook=playbook.id,
            playbook_version=playbook.version,
            seconds=round(self._clock.now() - told["since"], 3),
        )

    def release(self, playbooks: Iterable[str]) -> None:
        """They are other ones now, or gone: what is parked for the old ones is decided as after any change."""
        for name in playbooks:
            self._breakers.succeeded(name)
            self._recovered.pop(name, None)
            self._metrics.quarantined(name, on=False)

    def snapshot(self) -> dict[str, Told]:
        """For `worker status` and the next start; until what was parked is decided, it is not over."""
        return {**self._recovered, **self._breakers.snapshot()}

    def restore(self, stored: Mapping[str, Told], playbooks: Mapping[str, Playbook]) -> None:
        """What was in quarantine when the worker stopped still is, unless its playbook is another one now."""
        for name, told in stored.items():
            if name in playbooks and playbooks[name].version == told["version"]:
                self._breakers.restore(name, told)
                self._metrics.quarantined(name, on=True)
