from __future__ import annotations

import pytest

from tests.simulation.disk import Disk
from tests.simulation.many import caught
from tests.simulation.wrong import MISTAKES, Wrong

WITHIN = 40
"""Histories in which every mistake has to show."""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("wrong", MISTAKES, ids=lambda wrong: wrong.name.replace(" ", "-"))
def test_the_simulation_notices(wrong: Wrong, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulation that cannot fail proves nothing: a part that is wrong on purpose breaks the law it should."""
    wrong.make(monkeypatch)
    found = caught(range(wrong.first, wrong.first + WITHIN), disk, wrong.often)
    assert found is not None
    _, law = found
    assert law.startswith(wrong.breaks), law
