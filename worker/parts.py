"""What the composition root builds and the service runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from worker.acting.confirmer import Confirmer
from worker.acting.jobs import JobWatch
from worker.budget import RequestBudget
from worker.campaigns.sweeper import Sweeper
from worker.clock import Clock
from worker.cloudflare import Cloudflare
from worker.dispatcher import Dispatcher
from worker.executors.base import Executor
from worker.intake import Intake
from worker.model.plans import Ceilings
from worker.ops.metrics import Metrics
from worker.playbooks.loader import Catalogue
from worker.pollers.poller import Poller
from worker.ports import Kept, Ledger
from worker.reconciler import Reconciler
from worker.upkeep.expiry import Expiry
from worker.upkeep.pausing import PauseWatch
from worker.upkeep.retention import Retention
from worker.upkeep.storage import Storage
from worker.upkeep.timekeeper import Timekeeper

if TYPE_CHECKING:
    from worker.deciding.reloading import Reloader


class Health(Protocol):
    """Serves liveness, readiness and metrics."""

    async def start(self) -> None:
        """Listens."""
        ...

    async def stop(self) -> None:
        """Listens no more."""
        ...


class Closing(Protocol):
    """Holds connections."""

    async def close(self) -> None:
        """Closes them; may be called twice."""
        ...


class Ticker(Protocol):
    """The hand of the clock: tells the pollers when it is time."""

    def start(self) -> None:
        """Ticks from here on, in the running loop."""
        ...

    def stop(self) -> None:
        """No further tick."""
        ...


@dataclass(frozen=True, slots=True)
class Timing:
    """The operator's times, in seconds."""

    poll_interval: float
    read_back_delay: float
    drain_timeout: float


@dataclass(slots=True)
class Parts:
    """Everything that the composition root has built."""

    catalogue: Catalogue
    ceilings: Ceilings
    ledger: Ledger
    cloudflare: Cloudflare
    executors: dict[str, Executor]
    budget: RequestBudget
    pausing: PauseWatch
    intake: Intake
    pollers: Sequence[Poller]
    dispatcher: Dispatcher
    reconciler: Reconciler
    confirmer: Confirmer
    metrics: Metrics
    storage: Storage
    clock: Clock
    timing: Timing
    timekeeper: Timekeeper
    retention: Retention
    expiry: Expiry
    sweeper: Sweeper
    jobs: JobWatch
    ticker: Callable[[], Ticker]
    review_days: int
    """After how many days a list is due for another look."""
    health: Health | None = None
    reloader: Reloader | None = None
    """Takes up changes of the rules folder."""
    webhook: Closing | None = None
    """Where notifications go."""

    async def tell_playbooks(self) -> None:
        """Leaves word of what is loaded, for commands beside this process."""
        told = {
            one.id: {"version": one.version, "mode": one.mode, "owner": one.owner, "title": one.title}
            for one in self.intake.rules.loaded.playbooks
        }
        for name in told:
            # From the start, so that the first failure is an increase.
            self.metrics.playbook_failed(name, 0)
        await self.ledger.remember(Kept.PLAYBOOKS, told)

    def reload_notes(self) -> dict[str, Any]:
        """What /readyz tells of the playbooks in force."""
        failed = self.reloader.failed if self.reloader else ""
        return {"generation": self.intake.rules.generation, "reload": failed or "ok"}
