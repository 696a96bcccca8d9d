from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from tests.declared.files import compared, there
from tests.fakes import ManualClock, OpenBudget
from worker.cloudflare import Cloudflare
from worker.declared.applying import Applier, Report
from worker.declared.planning import Change, Plan
from worker.errors import Refused
from worker.model.ledger import Pause, UnderWay

FILE = """\
domains:
  - {domain: corp.example, lookback_hops: 3}
  - {domain: eu.corp.example, lookback_hops: 3}
"""
DOMAINS = [
    there("domains", number, domain=name, lookback_hops=2)
    for number, name in enumerate(("corp.example", "eu.corp.example"))
]


class Notes:
    """Books that remember; calls may be sent for so many seconds."""

    def __init__(self, clock: ManualClock, fresh: float = 2.0) -> None:
        self._clock = clock
        self._fresh = fresh
        self.told: list[tuple[str, dict[str, Any]]] = []

    async def begin(self, call_id: str, section: str, body: dict[str, Any]) -> Pause | float:
        self.told.append(("intent", body))
        return self._clock.monotonic() + self._fresh

    async def answered(self, call_id: str, body: dict[str, Any]) -> None:
        self.told.append(("answered", body))

    async def lost(self, call_id: str, body: dict[str, Any]) -> None:
        self.told.append(("lost", body))

    async def looked(self, call_id: str, body: dict[str, Any]) -> None:
        self.told.append(("looked", body))

    async def under_way(self) -> UnderWay | None:
        return None


class Domains:
    """A tenant that refuses the second domain of a batch, after it has done the first."""

    def __init__(self) -> None:
        self.batches = 0

    async def batch(self, **_: Any) -> None:
        self.batches += 1
        raise Refused("POST settings/domains/batch: 400 1004 no such transport at /patches/1", status=400)


async def run(notes: Notes, domains: Domains, plan: Plan) -> Report:
    """Applies the plan; the tenant shows the first change once a batch came."""

    async def compare(name: str) -> Sequence[Change]:
        return plan.changes[1:] if domains.batches else plan.changes

    tenant = cast("Cloudflare", SimpleNamespace(settings=SimpleNamespace(domains=domains)))
    about = {"by": "ann", "file": "settings.yaml"}
    applier = Applier(tenant, notes, OpenBudget(), notes._clock, 30.0, compare, about)
    return await applier.run(plan)


async def test_a_refused_batch_of_domains_is_looked_into(clock: ManualClock) -> None:
    """The API promises all or nothing for every batch but this one."""
    notes, domains = Notes(clock), Domains()
    report = await run(notes, domains, compared(FILE, *DOMAINS))
    assert [kind for kind, _ in notes.told] == ["intent", "lost", "looked"]
    assert notes.told[-1][1] == {"done": ["corp.example"], "not_done": ["eu.corp.example"]}
    assert [one.label for one in report.done] == ["corp.example"]
    assert "the tenant shows 1 of the 2 changes of this call (line 3)" in report.stopped
    assert domains.batches == 1


async def test_what_took_too_long_to_write_down_is_not_sent(clock: ManualClock) -> None:
    """A pause may have come meanwhile."""
    notes, domains = Notes(clock, fresh=-0.1), Domains()
    report = await run(notes, domains, compared(FILE, *DOMAINS))
    assert ([kind for kind, _ in notes.told], domains.batches) == (["intent", "answered"], 0)
    assert "took too long" in report.stopped
