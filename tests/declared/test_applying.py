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
from worker.ports import Lane

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


class Registry:
    """A tenant whose people are added one by one; each takes a second."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.added: list[str] = []

    async def create(self, person: Any, **_: Any) -> None:
        self.added.append(person.name)
        self._clock.pass_time(1.0)


PEOPLE = """\
impersonation_registry:
  - {name: Ann Lee, email: ann@corp.example}
  - {name: Bob Ray, email: bob@corp.example}
  - {name: Lea Kern, email: lea@corp.example}
  - {name: Max Voss, email: max@corp.example}
  - {name: Zoe Hale, email: zoe@corp.example}
"""


async def add(registry: Registry, clock: ManualClock, budget: OpenBudget, others: dict[int, str]) -> Report:
    """Adds the people; after so many requests somebody else has added another one. The tenant shows what is new late."""
    plan = compared(PEOPLE)

    async def compare(_: str) -> Sequence[Change]:
        known = {name for count, name in others.items() if len(registry.added) >= count}
        done = set(registry.added if len(registry.added) == len(plan.changes) else registry.added[:-1])
        return [one for one in plan.changes if one.after["name"] not in known | done]

    tenant = cast("Cloudflare", SimpleNamespace(settings=SimpleNamespace(impersonation_registry=registry)))
    return await Applier(tenant, Notes(clock), budget, clock, 30.0, compare, {"by": "ann"}).run(plan)


async def test_what_somebody_else_adds_meanwhile_is_not_added_twice(clock: ManualClock) -> None:
    """Looked at again every two seconds: nothing goes by an old look, and what was done is no surprise."""
    registry = Registry(clock)
    report = await add(registry, clock, OpenBudget(), {2: "Max Voss"})
    assert "the tenant has changed meanwhile; 2 of 5 changes of this section were not sent" in report.stopped
    assert registry.added == ["Ann Lee", "Bob Ray", "Lea Kern"]
    registry = Registry(clock)
    report = await add(registry, clock, OpenBudget(), {})
    assert (report.stopped, len(registry.added)) == ("", 5)


async def test_after_a_wait_for_the_budget_it_is_looked_at_again(clock: ManualClock) -> None:
    """Minutes may have passed since the plan was compared."""

    class Dry(OpenBudget):
        async def admit(self, lane: Lane) -> None:
            clock.pass_time(200)
            others[0] = "Ann Lee"

    registry, others = Registry(clock), dict[int, str]()
    report = await add(registry, clock, Dry(), others)
    assert "changed meanwhile; 5 of 5" in report.stopped
    assert registry.added == []


async def test_what_no_request_can_be_made_of_is_no_lost_answer(clock: ManualClock) -> None:
    """Nothing left: that is written down, and the next `apply` has nothing to look for."""

    class Odd(Registry):
        async def create(self, person: Any, **_: Any) -> None:
            raise ValueError("an id that no request can carry")

    notes = Notes(clock)
    plan = compared(PEOPLE)

    async def compare(_: str) -> Sequence[Change]:
        return plan.changes

    settings = SimpleNamespace(impersonation_registry=Odd(clock))
    tenant = cast("Cloudflare", SimpleNamespace(settings=settings))
    report = await Applier(tenant, notes, OpenBudget(), clock, 30.0, compare, {"by": "ann"}).run(plan)
    assert "not sent: no request can be made of it" in report.stopped
    assert notes.told[-1][1]["result"] == "not_sent"
