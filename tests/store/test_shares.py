from __future__ import annotations

import pytest

from tests.builders import ENFORCE, NOW, junk, poll, vote
from tests.desk import Desk
from worker.model.ledger import Cursor
from worker.pollers.windows import FIRST, REGULAR, SWEEP


@pytest.mark.parametrize("kind", [FIRST, REGULAR, SWEEP])
async def test_a_share_is_of_whatever_window_was_polled(desk: Desk, kind: str) -> None:
    """The hourly sweep brings new mail as well, and after an outage all of it."""
    wanted = [junk(f"m{number}", vote(share=0.1)) for number in range(20)]
    one = poll(kind=kind)
    await desk.record(one, *wanted)
    (plan,) = (await desk.ledger.close(one, ENFORCE, Cursor(NOW, NOW - 900, NOW))).plans
    assert plan.held_because
