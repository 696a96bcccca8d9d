"""The composition root: the only place that knows every concrete class. Settings in, a service out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from worker.acting.confirmer import Confirmer
from worker.acting.jobs import JobWatch
from worker.acting.pace import Pace
from worker.budget import RequestBudget
from worker.campaigns.sweeper import Sweeper
from worker.clock import Clock, SteadyClock, VendorTime
from worker.cloudflare import Cloudflare
from worker.cloudflare.session import Connect, make_session
from worker.deciding.aside import tell_aside
from worker.deciding.enrichment import Enricher
from worker.deciding.rulebook import tell_refused
from worker.dispatcher import Dispatcher, DispatchOptions
from worker.errors import StoreError, UsageError
from worker.executors import executors
from worker.executors.job import JobExecutor
from worker.intake import Intake
from worker.model.events import Submission
from worker.model.kinds import JOB
from worker.model.ledger import Keep
from worker.model.plans import SOURCES
from worker.ops.logs import add_secrets, get_logger
from worker.ops.metrics import Metrics
from worker.ops.omissions import Omissions
from worker.parts import Parts, Ticker, Timing
from worker.playbooks.loader import Catalogue, Print, fingerprint, load
from worker.pollers.detections import DetectionSource
from worker.pollers.phishguard import PhishGuardSource
from worker.pollers.poller import Poller
from worker.pollers.source import Source
from worker.pollers.windows import Reach
from worker.ports import Ledger
from worker.reconciler import Reconciler
from worker.service import Service
from worker.settings import Settings
from worker.store.engine import Store, sqlite_engine, sqlite_path, transact
from worker.store.file.guard import Guard
from worker.store.file.soundness import check
from worker.store.ledger import StoreLedger
from worker.store.migrate import migrate
from worker.upkeep.brake import Brake
from worker.upkeep.expiry import Expiry
from worker.upkeep.pausing import PauseWatch
from worker.upkeep.retention import Retention
from worker.upkeep.storage import Storage
from worker.upkeep.timekeeper import Timekeeper
from worker.watchdog import Memory, Watchdog, beside
from worker.webhook.nobody import tell_of_nobody

if TYPE_CHECKING:
    from worker.deciding.reloading import Reloader
    from worker.webhook.client import Webhook

log = get_logger()

HTTP_TIMEOUT = 30.0
HOUR, DAY = 3600.0, 86400.0
CHECK_SECONDS = 2.0
"""How long a start may look for damage: some hundred megabytes; `worker doctor` looks at everything."""


def _apscheduler(pollers: Sequence[Poller], interval: float, metrics: Metrics) -> Ticker:
    from worker.pollers.scheduler import Scheduler  # noqa: PLC0415 - `run --once` needs no clock

    return Scheduler(pollers, interval, metrics)


@dataclass(frozen=True, slots=True)
class Outside:
    """What lies beyond the process: its clock, the network, the hand that ticks."""

    clock: Callable[[], SteadyClock] = SteadyClock
    connect: Connect = make_session
    ticker: Callable[[Sequence[Poller], float, Metrics], Ticker] = _apscheduler
    http_timeout: float = HTTP_TIMEOUT


MACHINE = Outside()


def build(settings: Settings, *, listen: bool) -> tuple[Service, Store]:
    """The service on its database, migrated; `listen` also serves health and metrics. UsageError names the remedy."""
    settings.account(), settings.token()
    memory = open_memory(settings)
    seen = fingerprint(settings.worker_rules_dir)
    catalogue = load_playbooks(settings.worker_rules_dir, memory)
    metrics = Metrics(version=program_version())
    store = open_store(settings, metrics)
    parts = assemble(settings, catalogue, store, metrics)
    service = Service(parts)
    if listen and settings.worker_reload != "off":
        parts.reloader = _reloader(settings, parts, memory, seen)
    if listen:
        from worker.ops.health import HealthServer  # noqa: PLC0415 - `run --once` serves nothing

        parts.health = HealthServer(
            settings.worker_http_bind,
            live=lambda: True,
            ready=service.ready,
            notes=lambda: {"paused": parts.pausing.paused, **parts.reload_notes()},
            metrics=metrics,
        )
    return service, store


def assemble(
    settings: Settings, catalogue: Catalogue, store: Store, metrics: Metrics, outside: Outside = MACHINE
) -> Parts:
    """Every part, wired to the others. `outside` is what lies beyond the process, or a simulation of it."""
    account, token, clock = settings.account(), _told(settings.token()), outside.clock()
    brake = Brake.beside(sqlite_path(settings.database_url))
    storage = Storage(clock)
    store.tell(storage.failed)
    ledger = StoreLedger(
        store,
        account,
        clock,
        settings.worker_move_batch,
        brake.on,
        settings.worker_sweep_job_over,
        settings.ceilings.hold_seconds,
        partial(tell_aside, metrics),
    )
    vendor_time = VendorTime(clock)
    budget = RequestBudget(ledger, clock, metrics, settings.worker_request_budget, vendor_time)
    cloudflare = Cloudflare(
        base_url=settings.cloudflare_base_url,
        account_id=account,
        token=token,
        gate=budget,
        timeout=outside.http_timeout,
        connect=outside.connect,
        left_out=Omissions(clock, metrics).tell,
    )
    pace = Pace(clock, metrics)
    webhook = _webhook(settings, clock, pace, outside)
    if webhook is None:
        tell_of_nobody(catalogue, settings.ceilings.mode)
    carry_out = executors(
        cloudflare,
        ledger,
        settings.worker_read_back_delay,
        settings.worker_move_batch,
        settings.worker_reclassify_via,
        webhook,
        vendor_time,
    )
    jobs = JobExecutor(
        cloudflare, ledger, settings.worker_read_back_delay, settings.worker_move_batch, vendor_time
    )
    intake = Intake(
        ledger,
        catalogue,
        settings.ceilings,
        clock,
        metrics,
        wake=lambda: dispatcher.wake(),  # noqa: PLW0108 - the dispatcher is built below
        keep_all=settings.worker_keep_events == "all",
        enricher=Enricher(cloudflare.investigate, budget, clock, metrics, settings.worker_enrich_per_poll),
    )
    options = DispatchOptions(
        settings.ceilings,
        settings.worker_request_budget,
        settings.worker_read_back_delay,
        outside.http_timeout,
        vendor_time,
    )
    dispatcher = Dispatcher(
        ledger,
        cloudflare,
        carry_out | {f"{jobs.kind}:{JOB}": jobs},
        budget,
        clock,
        metrics,
        options,
        intake.refresh,
        token,
        pace,
    )
    sources = _sources(settings, catalogue, cloudflare, ledger, clock, vendor_time)
    furthest = max(reach.furthest for _, reach in sources) + HOUR
    pollers = [
        Poller(
            source,
            intake,
            ledger,
            budget,
            clock,
            metrics,
            reach=reach,
            interval=settings.worker_poll_interval,
            vendor_time=vendor_time,
        )
        for source, reach in sources
    ]
    return Parts(
        catalogue=catalogue,
        ceilings=settings.ceilings,
        ledger=ledger,
        cloudflare=cloudflare,
        executors=carry_out,
        budget=budget,
        pausing=PauseWatch(brake, ledger, clock, metrics),
        intake=intake,
        pollers=pollers,
        dispatcher=dispatcher,
        reconciler=Reconciler(
            ledger, carry_out, clock, metrics, settings.worker_read_back_delay, vendor_time, token
        ),
        confirmer=Confirmer(ledger, cloudflare, clock, vendor_time),
        metrics=metrics,
        storage=storage,
        clock=clock,
        timing=Timing(
            settings.worker_poll_interval, settings.worker_read_back_delay, settings.worker_drain_timeout
        ),
        timekeeper=Timekeeper(clock, ledger, vendor_time),
        retention=Retention(
            ledger,
            clock,
            vendor_time,
            metrics,
            Keep(settings.worker_retention_days * DAY, furthest, tuple(source.name for source, _ in sources)),
        ),
        expiry=Expiry(ledger, clock, settings.ceilings, metrics, dispatcher.wake),
        sweeper=Sweeper(ledger, cloudflare, intake, settings.ceilings, clock),
        jobs=JobWatch(
            ledger, cloudflare, clock, metrics, settings.worker_read_back_delay, dispatcher.wake, jobs.sending
        ),
        ticker=lambda: outside.ticker(pollers, settings.worker_poll_interval, metrics),
        webhook=webhook,
        review_days=settings.worker_list_review_days,
    )


def _reloader(settings: Settings, parts: Parts, memory: Memory, seen: Print) -> Reloader:
    from worker.deciding.reloading import Means, Reloader, check_in_child  # noqa: PLC0415 - `run --once` reloads nothing

    watchdog = Watchdog(memory)
    means = Means(
        check_in_child,
        ward=lambda loaded: watchdog.ward(replace(loaded, guard=watchdog)),
        polled={SOURCES[poller.source.name] for poller in parts.pollers},
        notify=settings.worker_reload == "auto",
    )
    directory, told = settings.worker_rules_dir, parts.tell_playbooks
    return Reloader(directory, parts.intake, parts.clock, parts.metrics, means, told, seen)


def _sources(
    settings: Settings,
    catalogue: Catalogue,
    cloudflare: Cloudflare,
    ledger: Ledger,
    clock: Clock,
    vendor_time: VendorTime,
) -> list[tuple[Source, Reach]]:
    """What is polled, and how far back; submissions only where a playbook wants them."""
    reach = Reach(settings.worker_initial_lookback, settings.worker_poll_overlap)
    sources: list[tuple[Source, Reach]] = [
        (DetectionSource(cloudflare, clock, vendor_time), reach),
        (PhishGuardSource(cloudflare, ledger, clock), reach),
    ]
    if catalogue.by_type.get(Submission):
        from worker.pollers import submissions  # noqa: PLC0415 - for those who need it

        source = submissions.SubmissionSource(cloudflare, ledger, clock)
        sources.append((source, submissions.reach(reach)))
    return sources


def _webhook(settings: Settings, clock: SteadyClock, pace: Pace, outside: Outside) -> Webhook | None:
    """Where notifications go, if anywhere. UsageError where that is nowhere, or not safe."""
    target = settings.notify()
    if target is None:
        return None
    from worker.webhook.client import Webhook  # noqa: PLC0415 - for those who need it

    add_secrets(target.secrets())
    return Webhook(target, clock.now, outside.connect, observe=pace.observe)


def _told(token: Callable[[], str]) -> Callable[[], str]:
    """The same token, but the log is told of every new one, so that it can never be printed."""
    known: set[str] = set()

    def current() -> str:
        value = token()
        if value not in known:
            known.add(value)
            add_secrets([value])
        return value

    return current


def open_store(settings: Settings, metrics: Metrics) -> Store:
    """The database, sound, migrated and with its writer thread. UsageError where it cannot be used as it is."""
    path = sqlite_path(settings.database_url)
    engine = sqlite_engine(path)
    try:
        check(engine, CHECK_SECONDS)
        if transact(engine, migrate):
            log.info("store.migrated")
    except StoreError as error:
        engine.dispose()
        raise UsageError(f"WORKER_DATABASE_URL: {error}") from error
    store = Store(engine, metrics.commit, Guard(path))
    store.start()
    return store


def open_memory(settings: Settings) -> Memory:
    """What the process before this one has left. UsageError where it cannot be kept."""
    folder = beside(sqlite_path(settings.database_url))
    try:
        return Memory(folder)
    except OSError as error:
        raise UsageError(
            f"WORKER_DATABASE_URL: cannot write {folder}: {error.strerror}; make the folder writable for this user"
        ) from error


def load_playbooks(directory: Path, memory: Memory) -> Catalogue:
    """The playbooks, each refused file named in the log. UsageError where not a single one can be used."""
    if (stopped := memory.recover(directory)) is not None:
        where = f"{stopped.file}:{stopped.line}" if stopped.file else None
        log.error("playbook.ended_worker", hand=stopped.hand or None, file=where)
    watchdog = Watchdog(memory)
    catalogue = watchdog.ward(load(directory, watchdog))
    tell_refused(catalogue.problems)
    if catalogue.unguarded:
        raise UsageError(f"WORKER_RULES_DIR: not known which mail to leave alone: {catalogue.unguarded[0]}")
    if not catalogue.playbooks:
        why = str(catalogue.problems[0]) if catalogue.problems else "it holds no playbook"
        raise UsageError(f"WORKER_RULES_DIR: no playbook could be loaded from {directory}: {why}")
    for playbook in catalogue.playbooks:
        log.debug(
            "playbook.loaded", playbook=playbook.id, playbook_version=playbook.version, mode=playbook.mode
        )
    return catalogue


def program_version() -> str:
    """This program's version, `unknown` where it is not installed."""
    try:
        return version("email-security-worker")
    except PackageNotFoundError:
        return "unknown"
