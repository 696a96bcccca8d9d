"""What becomes of a sweep when its campaign is over."""

from __future__ import annotations

import pytest

from tests.builders import ACCOUNT, ENFORCE, NOW, decided, detection, poll, report, vote, wish
from tests.desk import Desk
from worker.model.actions import Mode, Move, State
from worker.model.events import Detection
from worker.model.ledger import Found
from worker.model.plans import Decided, Wish
from worker.model.sweeps import Campaign, Sibling, Sweep
from worker.store.people import reviews
from worker.store.sweeps import campaigns

DAY = 86400.0
HASH = "4a1f" * 16


def swept(mode: Mode = Mode.ENFORCE, name: str = "m1", window: str = "7d") -> Decided:
    """A confirmed message whose siblings are to be found."""
    seed = detection(name, edf_hash=HASH)
    sweep = Sweep(seed, by=["edf_hash"], then=Move(seed, to="JunkEmail"), window=window)
    return decided(seed, wish(sweep, vote("kit", mode)))


def moved(campaign: Campaign, message: Detection) -> Wish:
    """What a campaign wants of a late sibling."""
    sibling = Sibling(campaign.id, campaign.shared, campaign.asks(message), late=True)
    return Wish(Move(message, to="JunkEmail"), (vote("kit"),), sibling=sibling)


async def frozen(desk: Desk) -> Campaign:
    """The only campaign, which has its list: nothing but the confirmed message."""
    (campaign,) = (await desk.ledger.campaigns(DAY)).open
    await desk.ledger.freeze(campaign, Found("p9", ("m1",), 0, 0, 1, NOW, False), [], ENFORCE)
    return campaign


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
    await frozen(desk)
    desk.clock.pass_time(40 * DAY)
    assert (await desk.ledger.campaigns(DAY)).open == ()
    (row,) = await desk.rows(kind="sweep")
    assert row["state"] == state


async def test_what_is_confirmed_again_is_watched_for_a_whole_window_more(desk: Desk) -> None:
    """The sweep joins the one that is open, and its siblings may come as late as it says."""
    await desk.take_in(swept())
    await frozen(desk)
    desk.clock.pass_time(6 * DAY)
    await desk.take_in(swept(name="m2"))
    (campaign,) = (await desk.ledger.campaigns(DAY)).open
    assert campaign.until == desk.clock.now() + 7 * DAY
    assert not campaign.searching


async def test_a_longer_window_is_searched_for_beside_a_shorter_one(desk: Desk) -> None:
    """It finds what the shorter one leaves out."""
    await desk.take_in(swept())
    await frozen(desk)
    await desk.take_in(swept(name="m2", window="30d"))
    known = (await desk.ledger.campaigns(DAY)).open
    assert [(one.seed, one.searching) for one in known] == [("m1", False), ("m2", True)]


@pytest.mark.parametrize("searching", [True, False])
async def test_another_message_still_confirms_what_one_does_not_any_more(desk: Desk, searching: bool) -> None:
    """The first one's campaign ends with its verdict; the other is decided again when it is next seen."""
    await desk.take_in(swept(), swept(name="m2"))
    (first,) = (await desk.ledger.campaigns(DAY)).open
    if not searching:
        await frozen(desk)
    desk.clock.pass_time(60)
    hangs_on = (await desk.rows(kind="sweep"))[0]["event_key"]
    (other,) = {"m1", "m2"} - {hangs_on}
    await desk.take_in(decided(detection(hangs_on, edf_hash=HASH, final_disposition="NONE")))
    assert [one.campaign_id for one in (await desk.ledger.campaigns(DAY)).ended] == [first.id]
    await desk.take_in(swept(name=other))
    (campaign,) = (await desk.ledger.campaigns(DAY)).open
    assert (campaign.seed, campaign.searching) == (other, True)


async def test_a_campaign_that_is_stopped_lets_no_late_sibling_out_of_an_open_poll(desk: Desk) -> None:
    """It came before the stop and was not let go: nobody wants it any more. What another one wants goes."""
    await desk.take_in(swept())
    campaign = await frozen(desk)
    late, wanted = detection("m2", edf_hash=HASH), detection("m3", edf_hash=HASH)
    coming = poll("late")
    await desk.record(
        coming,
        decided(late, moved(campaign, late)),
        decided(wanted, Move(wanted, to="JunkEmail"), moved(campaign, wanted)),
    )
    await desk.run(campaigns.stop, ACCOUNT, [campaign.id], "it was ours", NOW)
    await desk.ledger.close(coming, ENFORCE, None)
    told = await desk.row("m2", kind="move")
    assert (told["state"], told["error"]) == ("skipped", "its campaign has ended: it was ours")
    assert sorted((await desk.states())["m3"]) == ["ready", "skipped"]


async def test_a_window_that_is_over_takes_nothing_from_what_came_in_time(desk: Desk) -> None:
    """The poll was long; its late siblings came within the window."""
    await desk.take_in(swept())
    campaign = await frozen(desk)
    late = detection("m2", edf_hash=HASH)
    coming = poll("late")
    await desk.record(coming, decided(late, moved(campaign, late)))
    desk.clock.pass_time(8 * DAY)
    assert len((await desk.ledger.campaigns(DAY)).ended) == 1
    await desk.ledger.close(coming, ENFORCE, None)
    assert (await desk.row("m2", kind="move"))["state"] == "ready"


async def test_a_sibling_that_waits_for_a_person_bars_no_playbook(desk: Desk) -> None:
    """The filter has nothing against it, so the campaign may not move it; a playbook that enforces may."""
    await desk.take_in(swept())
    campaign = await frozen(desk)
    benign = detection("m2", edf_hash=HASH, final_disposition="NONE")
    await desk.take_in(decided(benign, moved(campaign, benign)))
    assert (await desk.row("m2", kind="move"))["state"] == "held"
    await desk.take_in(decided(report(message=benign), Move(benign, to="JunkEmail")))
    assert (await desk.row("m2", kind="move"))["state"] == "ready"


async def test_no_other_campaign_lets_it_go(desk: Desk) -> None:
    """Two of them are no more of a verdict than one."""
    await desk.take_in(swept())
    campaign = await frozen(desk)
    await desk.take_in(swept(name="m9", window="30d"))
    other = next(one for one in (await desk.ledger.campaigns(DAY)).open if one.searching)
    benign = detection("m2", edf_hash=HASH, final_disposition="NONE")
    await desk.take_in(decided(benign, moved(campaign, benign)))
    await desk.take_in(decided(report(message=benign), moved(other, benign)))
    assert (await desk.row("m2", kind="move"))["state"] == "held"


async def test_a_list_watches_only_where_its_sweep_was_demoted_meanwhile(desk: Desk) -> None:
    """What came of a trial is a trial: late siblings are counted, and nothing is done to them."""
    await desk.take_in(swept())
    (campaign,) = (await desk.ledger.campaigns(DAY)).open
    assert not campaign.trial
    await desk.edit(campaign.id, state=State.SHADOWED)
    await desk.ledger.freeze(campaign, Found("p9", ("m1",), 0, 0, 1, NOW, False), [], ENFORCE)
    (campaign,) = (await desk.ledger.campaigns(DAY)).open
    assert campaign.trial


async def test_a_sweep_joins_one_that_was_rejected_long_ago(desk: Desk) -> None:
    """What it was about is forgotten by then; that a person did not want it is not."""
    await desk.take_in(swept())
    (row,) = await desk.rows(kind="sweep")
    await desk.run(reviews.reject, ACCOUNT, [row["id"]], "ann", NOW)
    await desk.ledger.campaigns(DAY)
    await desk.edit(row["id"], params="{}")
    await desk.take_in(swept(name="m2"))
    assert [one["state"] for one in await desk.rows(kind="sweep")] == ["rejected"]
    assert (await desk.ledger.campaigns(DAY)).open == ()
