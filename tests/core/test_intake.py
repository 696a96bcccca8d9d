from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import Any

import pytest

from tests.builders import catalogue, decided, detection, playbook, poll, report
from tests.builders import junk as junk_done
from tests.desk import Desk
from tests.fakes import FailingLedger, FakeCloudflare
from tests.taking_in import Build, Given, broken, junk, page, take
from worker.clock import VendorTime
from worker.cloudflare import BadRow
from worker.cloudflare import Page as WirePage
from worker.errors import StoreError
from worker.model.actions import Mode, Move, State
from worker.model.entries import BlockSender
from worker.model.events import PhishReport
from worker.model.plans import DETECTIONS, PHISHGUARD, Poll
from worker.playbooks.deciding import Playbook
from worker.pollers.detections import DetectionSource


async def test_a_page_is_completed_decided_and_recorded(build: Build, desk: Desk) -> None:
    """What was seen before costs nothing more."""
    source, intake = Given(), build(junk())
    await take(intake, page(detection("m1")), page(detection("m1"), detection("m2")), source=source)
    assert source.asked == [["m1"], ["m2"]]
    assert await desk.states() == {"m1": ["ready"], "m2": ["ready"]}


async def test_a_page_without_news_writes_nothing(build: Build, desk: Desk) -> None:
    """Most pages of the overlap are such."""
    source, intake = Given(), build(junk())
    await take(intake, page(detection("m1")), source=source)
    log = await desk.audit()
    await take(intake, page(detection("m1")), page(), source=source, close=False)
    assert (len(source.asked), await desk.audit()) == (1, log)


async def test_slices_that_show_the_same_message_at_once_decide_it_once(build: Build, desk: Desk) -> None:
    """Pages of one source are taken in one after the other, however many are read side by side."""
    intake, one = build(junk()), poll()
    await asyncio.gather(*(intake.take(Given(), one, page(detection()), last_chance=False) for _ in range(5)))
    await intake.close(one, None)
    assert await desk.states() == {"m1": ["ready"]}


async def test_pages_that_wait_for_their_turn_are_all_recorded(build: Build, desk: Desk) -> None:
    """Together, by the first of them that gets it: nobody's page is left out."""
    intake, one, source = build(junk()), poll(), Given()
    pages = [page(detection(f"m{number}")) for number in range(5)]
    await asyncio.gather(*(intake.take(source, one, each, last_chance=False) for each in pages))
    await intake.close(one, None)
    assert await desk.states() == {f"m{number}": ["ready"] for number in range(5)}
    assert len(source.asked) < len(pages)


async def test_what_the_source_holds_back_is_seen_again(build: Build, desk: Desk) -> None:
    """It has not been decided, so it is still new."""
    source, intake = Given(), build(junk())
    source.hold_back = {"m1"}
    await take(intake, page(detection("m1"), detection("m2")), source=source)
    assert await desk.states() == {"m2": ["ready"]}
    source.hold_back = set()
    await take(intake, page(detection("m1")), source=source)
    assert await desk.states() == {"m2": ["ready"], "m1": ["ready"]}


async def test_the_dispatcher_is_woken_when_a_poll_has_closed(build: Build, wakes: list[int]) -> None:
    """Not before: nothing of an open poll can be claimed."""
    intake = build(junk())
    await take(intake, page(detection()), close=False)
    assert wakes == []
    await intake.close(poll(), None)
    assert wakes == [1]


async def test_bad_rows_are_kept_and_told_once(
    build: Build, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    """The good rows of their page go on."""
    row = BadRow("x", "Expected str, got int - at $.subject", "d" * 64, "{}")
    intake = build(junk())
    await take(intake, page(detection("m1"), bad=[row]), page(bad=[row]))
    assert await desk.states() == {"m1": ["ready"]}
    assert "".join(capsys.readouterr()).count("poll.row_quarantined") == 1


async def test_a_failing_playbook_is_told_without_mail(
    build: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    """Name, version and event, no text of the message."""
    await take(build(broken()), page(detection(subject="canary")))
    out = "".join(capsys.readouterr())
    assert "playbook.failed" in out
    assert "canary" not in out


async def test_a_new_version_decides_what_the_old_one_could_not(build: Build, desk: Desk) -> None:
    """At the next start, from the evidence that was kept."""
    await take(build(broken("v1")), page(detection("m1"), detection("m2")))
    assert await build(junk("v2")).again.redecide() == 2
    assert await desk.states() == {"m1": ["ready"], "m2": ["ready"]}
    assert await desk.ledger.parked_for() == []
    assert await build(junk("v3")).again.redecide() == 0


async def test_the_same_version_is_not_asked_again(build: Build, desk: Desk) -> None:
    """It would fail again at every start."""
    await take(build(broken("v1")), page(detection()))
    assert await build(broken("v1")).again.redecide() == 0
    assert await desk.ledger.parked_for() == [("junk", "v1")]


async def test_a_new_version_that_fails_too_parks_the_event_again(build: Build, desk: Desk) -> None:
    """Once, under its own version."""
    await take(build(broken("v1")), page(detection()))
    assert await build(broken("v2")).again.redecide() == 1
    assert await desk.ledger.parked_for() == [("junk", "v2")]


async def test_a_playbook_that_is_gone_leaves_its_events_parked(build: Build, desk: Desk) -> None:
    """It may come back."""
    await take(build(broken("v1")), page(detection()))
    assert await build(junk(id="other")).again.redecide() == 0
    assert await desk.ledger.parked_for() == [("junk", "v1")]


async def test_a_file_that_loads_now_decides_what_waited_for_it(build: Build, desk: Desk) -> None:
    """Every playbook in it, and no other."""
    await take(build(broken=["odd.py"]), page(detection()))
    assert await build(junk(id="still"), broken=["odd.py"]).again.redecide() == 0
    mended = build(
        junk(id="a", path="rules/odd.py"), junk(id="b", path="rules/odd.py"), broken_elsewhere := junk(id="c")
    )
    assert broken_elsewhere.path.name == "junk.py"
    assert await mended.again.redecide() == 1
    (row,) = await desk.rows()
    assert (row["state"], row["playbook"]) == ("ready", "a")
    assert await desk.ledger.parked_for() == []


async def test_a_file_that_is_gone_is_named_once(
    build: Build, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mended under another name it cannot be known: its events wait until it has its name again."""
    await take(build(broken=["odd.py"]), page(detection()))
    still = build(broken=["odd.py"])
    assert await still.again.redecide() == 0
    assert "playbook.file_missing" not in "".join(capsys.readouterr())
    renamed = build(junk(path="rules/even.py"))
    assert (await renamed.again.redecide(), await renamed.again.redecide()) == (0, 0)
    assert "".join(capsys.readouterr()).count("playbook.file_missing file=odd.py") == 1
    assert await build(junk(path="rules/odd.py")).again.redecide() == 1
    assert await desk.states() == {"m1": ["ready"]}


async def test_what_is_no_utf8_costs_no_page(build: Build, desk: Desk) -> None:
    """In the path of a rules folder, in a broken file's name, in what a playbook returns: that playbook's event waits."""

    def half(message: Any) -> Any:
        return BlockSender(message, sender="a\udc80@x.example", reason="\udc80")

    odd = os.fsdecode(b"\xe4")
    intake = build(
        junk(), broken(id="raises", path=f"{odd}/a.py"), playbook(half, id="half"), broken=[f"{odd}.py"]
    )
    await take(intake, page(detection("m1")))
    assert await desk.states() == {"m1": ["ready"]}
    assert {name for name, _ in await desk.ledger.parked_for()} == {"raises", "half", "file:?.py"}
    mended = build(junk(id="late", path=f"{odd}/{odd}.py"))
    assert await mended.again.redecide() == 1
    assert {name for name, _ in await desk.ledger.parked_for()} == {"raises", "half"}


async def test_a_report_is_decided_again_with_its_message(build: Build, desk: Desk) -> None:
    """Both are in the evidence."""
    await take(
        build(broken("v1", on=PhishReport)), page(report(message=detection())), source=Given(PHISHGUARD)
    )
    assert await build(junk("v2", on=PhishReport)).again.redecide() == 1
    assert await desk.states() == {"m1": ["ready"]}


async def test_events_decided_again_are_one_plan(build: Build, desk: Desk) -> None:
    """However many they are, the caps see all of them."""
    from worker.playbooks import Caps  # noqa: PLC0415 - only here

    await take(build(broken("v1")), page(*(detection(f"m{n}") for n in range(600))))
    assert await build(junk("v2", caps=Caps(per_poll=550))).again.redecide() == 600
    rows = await desk.rows()
    assert {row["state"] for row in rows} == {"held"}
    assert len({row["plan_id"] for row in rows}) == 1


async def test_no_newer_verdict_comes_between_what_is_read_and_what_is_decided_again(
    build: Build, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that comes just then waits for its turn, and replaces what was decided."""
    await take(build(broken("v1")), page(detection("m1")))
    intake = build(junk("v2"))
    read = desk.ledger.parked_events
    coming: list[asyncio.Task[None]] = []

    async def parked_events(*which: Any) -> Any:
        rows = await read(*which)
        if not coming:
            cleared = page(detection("m1", final_disposition="NONE"))
            coming.append(asyncio.create_task(intake.take(Given(), poll(), cleared, last_chance=False)))
            await asyncio.wait(coming, timeout=0.2)
        return rows

    monkeypatch.setattr(desk.ledger, "parked_events", parked_events)
    await intake.again.redecide()
    await asyncio.gather(*coming)
    # Of the newer verdict something is wanted too, by a poll that is not closed yet.
    assert await desk.states() == {"m1": ["skipped", "open"]}


async def test_a_redecision_that_is_cut_off_goes_on(build: Build, desk: Desk) -> None:
    """What was decided before the crash is closed by the poller, the rest is decided at the next start."""
    await take(build(broken("v1")), page(detection("m1")))
    ledger = FailingLedger(desk.ledger)
    ledger.fail("close")
    with pytest.raises(StoreError):
        await build(junk("v2"), ledger=ledger).again.redecide()
    assert await desk.states() == {"m1": ["open"]}
    assert [one.kind for one in await desk.ledger.open_polls(DETECTIONS)] == ["redecide"]


async def test_a_trial_gives_way_to_a_higher_mode(build: Build, desk: Desk) -> None:
    """What shadow recorded is decided again once its playbook may act, and then never again."""
    await take(build(junk(mode=Mode.SHADOW)), page(detection("m1")))
    assert await desk.states() == {"m1": ["shadowed"]}
    assert await build(junk(mode=Mode.SHADOW)).again.redecide() == 0
    assert await build(junk("v2")).again.redecide() == 1
    assert await desk.states() == {"m1": ["skipped", "ready"]}
    assert await build(junk("v2")).again.redecide() == 0


async def test_each_poller_takes_up_its_own_part_of_a_trial(build: Build, desk: Desk) -> None:
    """Both may have finished polls that a restart had cut off, at the same time."""
    await take(build(junk(mode=Mode.SHADOW)), page(detection("m1")))
    intake = build(junk())
    assert sorted(await asyncio.gather(*map(intake.again.take_up_trial, (DETECTIONS, PHISHGUARD)))) == [0, 1]
    assert await desk.states() == {"m1": ["skipped", "ready"]}


async def test_playbooks_that_decide_again_see_the_history(build: Build, desk: Desk) -> None:
    """A playbook that looks at what was done before does so in every mode and at every time."""
    seen: list[int] = []

    def curious(event: Any, context: Any) -> Any:
        seen.append(len(context.history))
        return Move(event, to="JunkEmail")

    await desk.bring(State.SUCCEEDED, decided(detection("m1"), Move(detection("m1"), to="DeletedItems")))
    await take(
        build(playbook(curious, takes_context=True, mode=Mode.SHADOW)),
        page(detection("m1", final_disposition="SPAM")),
    )
    await build(playbook(curious, takes_context=True)).again.redecide()
    assert seen == [1, 1]


async def test_an_old_trial_stays_history(build: Build, desk: Desk) -> None:
    """A day on, nobody expects the worker to act on it."""
    await take(build(junk(mode=Mode.SHADOW)), page(detection("m1")))
    desk.clock.pass_time(90_000)
    assert await build(junk()).again.redecide() == 0
    assert await desk.states() == {"m1": ["shadowed"]}


async def test_a_trial_under_an_earlier_verdict_only_gives_way(build: Build, desk: Desk) -> None:
    """The verdict has changed since: its own decisions stand, the trial's wish is dropped."""
    trial = build(junk(mode=Mode.SHADOW))
    await take(trial, page(detection("m1")))
    await take(build(), page(detection("m1", final_disposition="NONE")))
    await build(junk()).again.redecide()
    assert await desk.states() == {"m1": ["skipped"]}


async def test_a_refreshed_row_whose_verdict_is_new_is_decided(build: Build, desk: Desk) -> None:
    """And what was wanted under the old verdict is skipped, in a poll that moves no watermark."""
    intake = build(junk())
    await take(intake, page(detection()))
    cursor = await desk.ledger.cursor(DETECTIONS)
    await intake.refresh([detection(final_disposition="SPAM")], desk.clock.now())
    assert await desk.states() == {"m1": ["skipped", "ready"]}
    assert await desk.ledger.cursor(DETECTIONS) == cursor
    assert await desk.ledger.open_polls(DETECTIONS) == []


async def test_playbooks_learn_what_was_done_before(build: Build, desk: Desk) -> None:
    """The history of their own message, newest first."""
    seen: list[list[str]] = []

    def curious(_: Any, context: Any) -> None:
        seen.append([past.kind for past in context.history])

    await desk.want(Move(detection("m1"), to="JunkEmail"))
    intake = build(playbook(curious, takes_context=True))
    await take(intake, page(detection("m1", final_disposition="SPAM"), detection("m2")))
    assert seen == [["move"], []]


async def test_a_poll_that_goes_on_with_old_playbooks_shows_them_what_was_done(
    build: Build, desk: Desk
) -> None:
    """Whatever is in force meanwhile: what a decision is shown does not depend on others."""
    saw: list[tuple[str, int]] = []
    await desk.bring(State.SUCCEEDED, junk_done("m1"), junk_done("m2"))
    intake, one = (
        build(playbook(lambda m, context: saw.append((m.id, len(context.history))), takes_context=True)),
        poll(),
    )
    await intake.take(Given(), one, page(detection("m1", final_disposition="SPAM")), last_chance=False)
    intake.decider.adopt(catalogue(playbook(lambda _: None, "other")))
    await intake.take(Given(), one, page(detection("m2", final_disposition="SPAM")), last_chance=False)
    assert saw == [("m1", 1), ("m2", 1)]


def junk_malicious() -> Playbook:
    """Wants what is malicious in Junk."""

    def decide(message: Any) -> Any:
        return Move(message, to="JunkEmail") if message.final_disposition == "MALICIOUS" else None

    return playbook(decide)


async def test_a_list_that_was_asked_for_before_a_verdict_changed_overrules_nothing(
    build: Build, desk: Desk, tenant: FakeCloudflare
) -> None:
    """However late its answer comes, it shows what was; what was read since is newer."""
    intake, source = (
        build(junk_malicious()),
        DetectionSource(tenant.client, desk.clock, VendorTime(desk.clock)),
    )
    bad, good = detection(final_disposition="MALICIOUS"), detection(final_disposition="NONE")

    async def read(one: Poll) -> None:
        await source.read(one, partial(intake.take, source, one, last_chance=False))
        await intake.close(one, None)

    tenant.add(bad)
    await read(poll("first"))
    desk.clock.pass_time(30)

    async def taken_back(**_: Any) -> WirePage[Any]:
        desk.clock.pass_time(20)
        await intake.refresh([good], desk.clock.now())
        desk.clock.pass_time(60)
        return WirePage((bad,))

    tenant.will("list", taken_back)
    await read(poll("second"))
    assert await desk.states() == {"m1": ["skipped"]}


async def test_what_a_slow_list_shows_is_looked_at_before_it_is_acted_on(
    build: Build, desk: Desk, tenant: FakeCloudflare
) -> None:
    """An analyst may have moved it since the list was asked for."""
    intake, source, one = (
        build(junk()),
        DetectionSource(tenant.client, desk.clock, VendorTime(desk.clock)),
        poll(),
    )

    def slow(**_: Any) -> WirePage[Any]:
        desk.clock.pass_time(61)
        return WirePage((detection(),))

    tenant.will("list", slow)
    await source.read(one, partial(intake.take, source, one, last_chance=False))
    await intake.close(one, None)
    assert await desk.claim() == []
