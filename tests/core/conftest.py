from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.builders import ENFORCE, catalogue
from tests.desk import Desk
from tests.fakes import FailingLedger
from tests.taking_in import Build
from worker.intake import Intake
from worker.ops.metrics import Metrics
from worker.playbooks.deciding import Playbook


@pytest.fixture
def wakes() -> list[int]:
    """One entry for each time that the dispatcher was woken."""
    return []


@pytest.fixture
def build(desk: Desk, metrics: Metrics, wakes: list[int]) -> Build:
    """Builds an intake with these playbooks, as after a restart."""

    def make(*playbooks: Playbook, broken: Sequence[str] = (), ledger: FailingLedger | None = None) -> Intake:
        port = ledger.port if ledger else desk.ledger
        known = catalogue(*playbooks, broken=broken)
        return Intake(port, known, ENFORCE, desk.clock, metrics, lambda: wakes.append(1), keep_all=False)

    return make
