"""Prometheus metrics behind methods that take plain words. No mail data and no address in any label."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

Counts = Mapping[tuple[str, str], int]
"""How many actions of a kind are in a state."""

_REQUEST_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_COMMIT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
_EFFECT_SECONDS = (0.5, 1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 300, 900, 3600, 14400)

OTHER = "other"
"""Stands for a label's value that is no plain name, or that came after too many others."""
_VALUES = 200
_NAME = re.compile(r"(?:[A-Z]{3,7} )?[A-Za-z0-9_./{}-]{1,100}")
_MODES = ("shadow", "approve", "enforce")


class _Labels:
    """Keeps labels few and harmless, whatever a caller passes: an address has an `@`, a subject spaces."""

    def __init__(self) -> None:
        self._seen: dict[str, set[str]] = {}

    def __call__(self, label: str, value: str) -> str:
        seen = self._seen.setdefault(label, set())
        if value in seen:
            return value
        if len(seen) >= _VALUES or not _NAME.fullmatch(value):
            return OTHER
        seen.add(value)
        return value


class _ActionCounts(Collector):
    """Asks for the counts when Prometheus does; a failing source leaves the metric out, never the page."""

    def __init__(self, label: _Labels) -> None:
        self.source: Callable[[], Counts] = dict
        self._label = label

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("worker_actions", "Actions in the ledger now.", labels=("kind", "state"))
        try:
            counts = self.source()
        except Exception:  # noqa: BLE001 - the other metrics matter most when the store is down
            return
        for (kind, state), count in counts.items():
            family.add_metric((self._label("kind", kind), self._label("state", state)), count)
        yield family


class Metrics:
    """Every metric of the worker, in a registry of its own; `seconds` are durations, `clock` is Unix time."""

    def __init__(self, *, version: str = "unknown", clock: Callable[[], float] = time.time) -> None:
        # A `_created` gauge beside every series doubles the page and is read by nobody.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry(auto_describe=True)
        self._clock = clock
        self._label = _Labels()
        self._define_traffic()
        self._define_work()
        self._define_process(version)

    def _define_traffic(self) -> None:
        self._requests = self._counter(
            "requests", "Requests to the vendor, and to the webhook.", "endpoint", "status"
        )
        self._request_seconds = self._histogram(
            "request_seconds",
            "From sending a request to the end of its answer.",
            _REQUEST_SECONDS,
            "endpoint",
        )
        self._budget_used = self._gauge("request_budget_used", "Requests sent in the sliding window.")
        self._budget_limit = self._gauge("request_budget_limit", "Requests allowed in the sliding window.")
        self._limited = self._counter("rate_limited_seconds", "Time that every request waited after a 429.")
        self._polls = self._counter("polls", "Polls by how they ended.", "source", "outcome")
        self._poll_lag = self._gauge("poll_lag_seconds", "Now minus the source's watermark.", "source")
        self._rows_read = self._counter(
            "rows_read", "Rows listed by the vendor, repeated ones too.", "source"
        )
        self._rows_bad = self._counter("rows_quarantined", "Rows that could not be understood.", "source")
        self._left_out = self._counter(
            "fields_left_out", "Values that could not be read and count as not sent.", "field"
        )
        self._events = self._counter("events_new", "Rows never seen before, or with a new verdict.", "source")
        self._missed = self._counter("ticks_missed", "Polls due while the worker could not run.", "source")
        self._overlapped = self._counter("ticks_overlapped", "Polls due while the last one ran.", "source")

    def _define_work(self) -> None:
        self._decisions = self._counter(
            "decisions", "Actions of closed plans, by the state they came to.", "playbook", "outcome"
        )
        self._failures = self._counter("playbook_failures", "Events parked by an exception.", "playbook")
        self._excluded = self._counter("events_excluded", "Events that no playbook was asked about.", "list")
        self._transitions = self._counter(
            "action_transitions", "Actions that entered a state.", "kind", "state"
        )
        self._held = self._counter("plans_held", "Plans held before their first action.", "reason")
        self._quarantined = self._gauge(
            "playbook_quarantined", "1 while a playbook that raised again and again is not asked.", "playbook"
        )
        self._breakers = self._gauge("breaker_open", "1 while calls of the kind are not made.", "kind")
        self._enriched = self._counter(
            "enrichments", "What playbooks needed of messages, by whether it was had.", "need", "result"
        )
        self._read_backs = self._counter("read_backs", "Read-backs of unanswered writes.", "kind", "outcome")
        self._parked = self._gauge("actions_parked", "Unknown actions that wait for a person to look.")
        self._overdue = self._gauge(
            "allowances_overdue", "Entries of the settings that still stand minutes after their date."
        )
        self._effect = self._histogram(
            "effect_latency_seconds",
            "From a message's appearance to its settled action.",
            _EFFECT_SECONDS,
            "kind",
        )
        self._action_counts = _ActionCounts(self._label)
        self.registry.register(self._action_counts)

    def _define_process(self, version: str) -> None:
        self._commit = self._histogram(
            "store_commit_seconds", "One transaction, wait included.", _COMMIT_SECONDS
        )
        self._pruned = self._counter("rows_pruned", "Rows removed for their age.", "table")
        self._loop_lag = self._gauge("event_loop_lag_seconds", "How late the event loop last woke up.")
        self._paused = self._gauge("paused", "1 while no new mutating request may start.")
        self._generation = self._gauge(
            "playbooks_generation", "Generation of playbooks in force, from 1 at start."
        )
        self._reloaded = self._gauge("playbooks_reload_ok", "0 while the rules folder as it is was refused.")
        self._reloads = self._counter("playbooks_reloads", "Changes of the rules folder.", "outcome")
        self._ready = self._gauge("ready", "1 while /readyz says so.")
        self._mode = self._gauge("mode_info", "1 at the mode in force.", "mode")
        build = self._gauge("build_info", "The worker's version.", "version", "python")
        build.labels(version, platform.python_version()).set(1)
        ProcessCollector(registry=self.registry)

    def request(self, endpoint: str, status: int | None, seconds: float) -> None:
        """One request; `endpoint` is a template such as `GET investigate/{id}`, `status` None: none."""
        name = self._label("endpoint", endpoint)
        self._requests.labels(name, f"{status // 100}xx" if status else "none").inc()
        self._request_seconds.labels(name).observe(seconds)

    def budget(self, used: float, limit: float) -> None:
        """The request budget of the sliding window as it stands."""
        self._budget_used.set(used)
        self._budget_limit.set(limit)

    def rate_limited(self, seconds: float) -> None:
        """Every request waited this long after a 429."""
        self._limited.inc(max(seconds, 0))

    def poll(self, source: str, outcome: str) -> None:
        """A poll ended: `completed`, `failed`, ..."""
        self._polls.labels(self._label("source", source), self._label("outcome", outcome)).inc()

    def watermark(self, source: str, at: float) -> None:
        """The source is read up to this Unix time. The lag grows by itself while the source is down."""
        gauge = self._poll_lag.labels(self._label("source", source))
        gauge.set_function(lambda: max(self._clock() - at, 0.0))

    def rows(self, source: str, *, read: int = 0, quarantined: int = 0, new: int = 0) -> None:
        """What one page or poll brought."""
        name = self._label("source", source)
        self._rows_read.labels(name).inc(read)
        self._rows_bad.labels(name).inc(quarantined)
        self._events.labels(name).inc(new)

    def left_out(self, field: str, count: int) -> None:
        """Rows were read without this field."""
        self._left_out.labels(self._label("field", field)).inc(count)

    def tick_missed(self, source: str, count: int = 1) -> None:
        """Polls were due while the worker could not run."""
        self._missed.labels(self._label("source", source)).inc(count)

    def tick_overlapped(self, source: str, count: int = 1) -> None:
        """Polls were due while the last one still ran."""
        self._overlapped.labels(self._label("source", source)).inc(count)

    def decision(self, playbook: str, outcome: str, count: int = 1) -> None:
        """Actions that a plan of one playbook came to, by their state: `ready`, `held`, `shadowed`, `skipped`."""
        self._decisions.labels(self._label("playbook", playbook), self._label("outcome", outcome)).inc(count)

    def enriched(self, need: str, result: str) -> None:
        """A need of one message: `fetched`, `missing` for good, `late`."""
        self._enriched.labels(self._label("need", need), self._label("result", result)).inc()

    def playbook_failed(self, playbook: str, count: int = 1) -> None:
        """A playbook raised; its event is parked."""
        self._failures.labels(self._label("playbook", playbook)).inc(count)

    def excluded(self, name: str, count: int) -> None:
        """A list excludes messages, so that no playbook was asked about them."""
        self._excluded.labels(self._label("list", name)).inc(count)

    def action(self, kind: str, state: str, count: int = 1) -> None:
        """Actions entered a state."""
        self._transitions.labels(self._label("kind", kind), self._label("state", state)).inc(count)

    def action_counts(self, source: Callable[[], Counts]) -> None:
        """Where the page gets the actions by (kind, state) from; must be quick: it runs on the event loop."""
        self._action_counts.source = source

    def plan_held(self, reason: str) -> None:
        """A plan is held: `cap per poll: ...`, `contradiction`; what stands before the colon is counted."""
        self._held.labels(self._label("reason", reason.partition(":")[0].replace(" ", "_"))).inc()

    def quarantined(self, playbook: str, *, on: bool) -> None:
        """A playbook went into quarantine, or came out of it."""
        self._quarantined.labels(self._label("playbook", playbook)).set(on)

    def breaker(self, kind: str, *, on: bool) -> None:
        """A kind's circuit breaker opened or closed."""
        self._breakers.labels(self._label("kind", kind)).set(on)

    def read_back(self, kind: str, outcome: str, count: int = 1) -> None:
        """Read-backs ended: `confirmed`, `partly`, `no_effect`, `cannot_tell`, `parked`, `failed`."""
        self._read_backs.labels(self._label("kind", kind), self._label("outcome", outcome)).inc(count)

    def parked(self, count: int) -> None:
        """Unknown actions that nobody reads back any more."""
        self._parked.set(count)

    def overdue(self, count: int) -> None:
        """Entries that should have been taken back, and are there."""
        self._overdue.set(count)

    def effects(self, kind: str, seconds: Iterable[float]) -> None:
        """Actions settled this long after their messages became visible."""
        observe = self._effect.labels(self._label("kind", kind)).observe
        for one in seconds:
            observe(max(one, 0))

    def commit(self, seconds: float) -> None:
        """One transaction ended."""
        self._commit.observe(seconds)

    def pruned(self, table: str, count: int) -> None:
        """Rows went for their age."""
        self._pruned.labels(self._label("table", table)).inc(count)

    def loop_lag(self, seconds: float) -> None:
        """The event loop woke up this much later than asked."""
        self._loop_lag.set(max(seconds, 0))

    def paused(self, *, on: bool) -> None:
        """Whether mutating requests are paused."""
        self._paused.set(on)

    def generation(self, number: int, *, ok: bool) -> None:
        """The generation in force, after a start, or a change of the folder that was taken up or refused."""
        self._generation.set(number)
        self._reloaded.set(ok)
        self._reloads.labels("taken_up" if ok else "refused").inc(number > 1 or not ok)

    def ready(self, *, on: bool) -> None:
        """What /readyz says; the health server sets it."""
        self._ready.set(on)

    def mode(self, mode: str) -> None:
        """The ceiling of every playbook: WORKER_MODE."""
        for each in _MODES:
            self._mode.labels(each).set(each == mode)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The page and its content type, in the format that the `Accept` header asks for."""
        encoder, content_type = choose_encoder(accept)
        return encoder(self.registry), content_type

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"worker_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"worker_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"worker_{name}", text, labels, registry=self.registry, buckets=buckets)
