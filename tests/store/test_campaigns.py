"""What becomes of a sweep when its campaign is over."""

from __future__ import annotations

import pytest

from tests.builders import ENFORCE, NOW, decided, detection, vote, wish
from tests.desk import Desk
from worker.model.actions import Mode, Move
from worker.model.ledger import Found
from worker.model.plans import Decided
from worker.model.sweeps import Sweep

DAY = 86400.0
HASH = "4a1f" * 16


def swept(mode: Mode = Mode.ENFORCE) -> Decided:
    """A confirmed message whose siblings are to be found."""
    seed = detection("m1", edf_hash=HASH)
    sweep = Sweep(seed, by=["edf_hash"], then=Move(seed, to="JunkEmail"))
    return decided(seed, wish(sweep, vote("kit", mode)))


def cleared() -> Decided:
    """The filter has taken its verdict back."""
    return decided(detection("m1", edf_hash=HASH, final_disposition="NONE"), changed=True)


async def test_what_is_cleared_while_it_is_searched_for_is_settled(desk: Desk) -> None:
    """Not `ready` for ever, with nobody left to look for it."""
    await desk.take_in(swept())
    assert len((await desk.ledger.campaigns(DAY)).open) == 1
    desk.clock.pass_time(60)
    await desk.take_in(cleared())
    assert (await desk.ledger.campaigns(DAY)).open == ()
    (row,) = await desk.rows(kind="sweep")
    assert row["state"] == "skipped"
    assert "the verdict" in row["error"]


@pytest.mark.parametrize("mode, state", [(Mode.ENFORCE, "succeeded"), (Mode.SHADOW, "shadowed")])
async def test_a_campaign_that_has_its_list_ends_as_it_was(desk: Desk, mode: Mode, state: str) -> None:
    """Its window is over: what it did, or would have done, stands."""
    await desk.take_in(swept(mode))
    (campaign,) = (await desk.ledger.campaigns(DAY)).open
    await desk.ledger.freeze(campaign, Found("p9", ("m1",), 0, 0, 1, NOW, False), [], ENFORCE)
    desk.clock.pass_time(40 * DAY)
    assert (await desk.ledger.campaigns(DAY)).open == ()
    (row,) = await desk.rows(kind="sweep")
    assert row["state"] == state
