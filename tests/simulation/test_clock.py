from __future__ import annotations

import pytest

from tests.simulation.disk import Disk
from tests.simulation.law import BrokenLawError
from tests.simulation.script import Step, perform
from worker.clock import VendorTime

FAST = 301.0
"""Just more than a read-back looks back before its request."""
STEPS: list[Step] = [
    ["pause"],
    ["mail", "SUSPICIOUS", 0.0, False],
    ["wait", 3.0],
    ["fault", "reclassify", "500", True, 1],
    ["clock", FAST],
    ["wait", 3.0],
    ["resume"],
    ["wait", 12.0],
    ["settle"],
]


def test_a_fast_clock_does_not_hide_what_was_asked_for(disk: Disk) -> None:
    """The vendor's logs are read by the vendor's clock: what is there was sent, and is not sent again."""
    world = perform(STEPS, disk)
    assert [one.kind for one in world.tenant.effects].count("reclassify") == 1


def test_without_the_vendors_time_it_would(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The case is one that can fail."""
    monkeypatch.setattr(VendorTime, "note", lambda *_: None)
    with pytest.raises(BrokenLawError, match="what is read back as without effect had none"):
        perform(STEPS, disk)
