"""What the daemon makes of the brake: signals and the file are written down, a pause is told once."""

from __future__ import annotations

import os

from worker.clock import Clock
from worker.errors import StoreError
from worker.model.ledger import Pause
from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics
from worker.ports import Ledger
from worker.upkeep.brake import Brake

log = get_logger()


class PauseWatch:
    """Writes down what the file and the signal say, and tells once when a pause begins and when it ends."""

    def __init__(self, brake: Brake, ledger: Ledger, clock: Clock, metrics: Metrics) -> None:
        self._brake = brake
        self._ledger = ledger
        self._clock = clock
        self._metrics = metrics
        self._file_noted: bool | None = None
        self.paused = False

    def signalled(self, name: str) -> None:
        """From here on nothing new starts, also where the database cannot be written; `keep` makes it last."""
        by = f"{name} to process {os.getpid()}"
        self._brake.pull(Pause("no reason given", self._clock.now(), by, "signal"))

    async def look(self) -> None:
        """Notes what has changed. StoreError where the database cannot be asked; the file and the signal count anyway."""
        pause = self._brake.on()
        try:
            # First: whoever reads `pause.on` may rely on it over a restart.
            await self._record()
        except StoreError:
            if pause is not None:
                self._tell(pause)
            raise
        self._tell(await self._ledger.paused())

    async def _record(self) -> None:
        if (pulled := self._brake.pulled) is not None:
            await self._ledger.pause(pulled)
            self._brake.pulled = None
        found = self._brake.by_file()
        if self._file_noted is not (found is not None):
            await self._ledger.note_pause_file(found)
            self._file_noted = found is not None

    async def keep(self) -> None:
        """Tries until a signal is written down: a restart must not forget it."""
        while self._brake.pulled is not None:
            try:
                await self.look()
            except StoreError:
                await self._clock.sleep(1.0)

    def _tell(self, pause: Pause | None) -> None:
        self._metrics.paused(on=pause is not None)
        if (pause is not None) is self.paused:
            return
        self.paused = pause is not None
        if pause is None:
            log.warning("pause.off")
        else:
            log.warning("pause.on", reason=pause.reason, by=pause.by, how=pause.how)
