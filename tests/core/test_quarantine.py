from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.builders import ENFORCE, NOW, at, catalogue, detection, playbook
from tests.desk import Desk
from tests.fakes import FailingLedger, FakeCloudflare, ManualClock, OpenBudget
from tests.taking_in import Build, junk, page, take
from worker.deciding.enrichment import Enricher
from worker.deciding.quarantine import FIRST_PAUSE, IN_A_ROW, LONGEST_PAUSE
from worker.errors import StoreError
from worker.intake import Intake
from worker.model.actions import Move
from worker.model.enrichment import Details
from worker.model.plans import DETECTIONS
from worker.ops.metrics import Metrics
from worker.playbooks import Caps
from worker.playbooks.conditions import delivered
from worker.playbooks.deciding import Playbook
from worker.ports import Kept

Ask = Callable[[], list[str]]


class Moody:
    """A playbook that raises while it is in that mood; what it was asked about is written down."""

    def __init__(self, version: str = "v1", **more: Any) -> None:
        self.raises = True
        self.asked: list[str] = []
        self.playbook: Playbook = playbook(self._decide, "moody", version=version, **more)

    def _decide(self, message: Any) -> Any:
        self.asked.append(message.id)
        if self.raises or message.subject == "poison":
            raise ValueError
        return Move(message, to="DeletedItems")


def some(prefix: str, count: int, **changes: Any) -> Any:
    """A page of so many messages."""
    return page(*(detection(f"{prefix}{n:03}", **changes) for n in range(count)))


async def unasked(desk: Desk) -> set[str]:
    """Messages that are parked because the playbook was not asked."""
    return {row.key for row in await desk.ledger.unasked_events(DETECTIONS, "moody", "v1", 1000)}


async def quarantined(build: Build, moody: Moody, *others: Playbook) -> Intake:
    """An intake with the playbook in quarantine: it raised often enough, and met more events since."""
    intake = build(moody.playbook, *others)
    await take(intake, some("a", IN_A_ROW + 20))
    return intake


async def test_a_playbook_that_raises_again_and_again_is_not_asked_any_more(
    build: Build, desk: Desk, metrics: Metrics, capsys: pytest.CaptureFixture[str]
) -> None:
    """Told once; its events are parked with their evidence, and no other playbook misses one."""
    moody = Moody()
    await quarantined(build, moody, junk(id="other"))
    assert len(moody.asked) == IN_A_ROW
    assert len(await unasked(desk)) == 20
    assert len(await desk.rows(playbook="other")) == IN_A_ROW + 20
    out = "".join(capsys.readouterr())
    assert out.count("playbook.quarantined") == 1
    assert out.count("playbook.failed") == IN_A_ROW
    assert b'worker_playbook_quarantined{playbook="moody"} 1.0' in metrics.render()[0]
    kept = (await desk.ledger.recall(Kept.QUARANTINE))["moody"]
    assert (kept["since"], kept["next_try"], kept["version"]) == (NOW, NOW + FIRST_PAUSE, "v1")
    assert len(await desk.audit("parked")) == IN_A_ROW + 20


async def test_mail_that_its_conditions_leave_out_is_no_success(build: Build, desk: Desk) -> None:
    """Nobody called it: it neither keeps a playbook that always raises out of quarantine, nor lets one out."""
    moody = Moody(when=(delivered(),))
    statuses = (("delivered",), ("quarantined",))
    mixed = [detection(f"m{n:03}", delivery_status=statuses[n % 2]) for n in range(60)]
    intake = build(moody.playbook)
    await take(intake, page(*mixed))
    assert len(moody.asked) == IN_A_ROW
    desk.clock.pass_time(FIRST_PAUSE)
    await take(intake, some("q", 3, delivery_status=("quarantined",)))
    for _ in range(4):
        await intake.again.readmit(DETECTIONS)
    assert len(moody.asked) == IN_A_ROW + 1
    assert "moody" in await desk.ledger.recall(Kept.QUARANTINE)


async def test_failures_with_a_success_between_them_are_no_reason(build: Build) -> None:
    """A playbook that stumbles over some mail works for the rest."""
    moody = Moody()
    moody.raises = False
    mixed = [detection(f"m{n}", subject="poison" if n % IN_A_ROW else None) for n in range(60)]
    await take(build(moody.playbook), page(*mixed))
    assert len(moody.asked) == 60


async def test_one_event_is_the_probe_after_a_pause_that_grows(
    build: Build, desk: Desk, clock: ManualClock
) -> None:
    """Parked events serve for it, so a quiet night is no reason to stay off."""
    moody = Moody()
    intake = await quarantined(build, moody)
    gaps = []
    for _ in range(9):
        before, asked = clock.now(), len(moody.asked)
        while len(moody.asked) == asked:
            clock.pass_time(FIRST_PAUSE / 4)
            await intake.again.readmit(DETECTIONS)
        assert len(moody.asked) == asked + 1
        gaps.append(clock.now() - before)
    assert gaps == [min(FIRST_PAUSE * 2**n, LONGEST_PAUSE) for n in range(9)]
    assert len(await unasked(desk)) == 20 - 9


async def test_when_it_works_again_all_that_it_missed_is_decided(
    build: Build, desk: Desk, clock: ManualClock, metrics: Metrics
) -> None:
    """As one plan; what it had raised on itself waits for another version."""
    moody = Moody()
    intake = await quarantined(build, moody)
    moody.raises = False
    await take(intake, some("b", 5))
    assert len(moody.asked) == IN_A_ROW
    clock.pass_time(FIRST_PAUSE)
    await intake.again.readmit(DETECTIONS)
    rows = await desk.rows(state="ready", playbook="moody")
    assert len(rows) == 25
    assert len({row["plan_id"] for row in rows}) == 1
    assert await unasked(desk) == set()
    assert await desk.ledger.recall(Kept.QUARANTINE) == {}
    assert b'worker_playbook_quarantined{playbook="moody"} 0.0' in metrics.render()[0]
    await intake.again.readmit(DETECTIONS)
    assert len(moody.asked) == IN_A_ROW + 25
    assert await desk.ledger.parked_for() == [("moody", "v1")]


async def test_a_new_event_may_be_the_probe(build: Build, desk: Desk, clock: ManualClock) -> None:
    """The rest of its page is asked about as before, what was parked follows with the next poll."""
    moody = Moody()
    intake = await quarantined(build, moody)
    moody.raises = False
    clock.pass_time(FIRST_PAUSE)
    await take(intake, some("b", 3))
    assert moody.asked[IN_A_ROW:] == ["b000", "b001", "b002"]
    await intake.again.readmit(DETECTIONS)
    assert len(await desk.rows(state="ready")) == 23


async def test_caps_see_what_was_missed_as_one_plan(build: Build, desk: Desk, clock: ManualClock) -> None:
    """A thousand events that are decided late are still one plan, however many steps they take."""
    moody = Moody(caps=Caps(per_poll=1000))
    intake = await quarantined(build, moody)
    await take(intake, some("b", 1000))
    moody.raises = False
    clock.pass_time(FIRST_PAUSE)
    await intake.again.readmit(DETECTIONS)
    rows = await desk.rows()
    assert {row["state"] for row in rows} == {"held"}
    assert len(rows) == 1020


async def test_what_it_missed_may_send_it_back(build: Build, desk: Desk, clock: ManualClock) -> None:
    """It raises on the parked events: back in quarantine, but each time nearer to the end; no event is lost."""
    moody = Moody()
    intake = build(moody.playbook)
    await take(intake, some("a", IN_A_ROW), some("b", 50, subject="poison"), some("c", 1))
    moody.raises = False
    left, turn = len(await unasked(desk)), 0
    while left:
        clock.pass_time(LONGEST_PAUSE)
        await take(intake, some(f"fine{turn}", 1))
        await intake.again.readmit(DETECTIONS)
        before, left, turn = left, len(await unasked(desk)), turn + 1
        assert left <= max(0, before - IN_A_ROW)
    assert sorted(row["message_id"] for row in await desk.rows()) == [
        "c000",
        *(f"fine{n}000" for n in range(turn)),
    ]


async def test_a_restart_forgets_neither_the_quarantine_nor_its_events(
    build: Build, desk: Desk, clock: ManualClock
) -> None:
    """The pause goes on; then what was missed before and after the restart is decided."""
    await quarantined(build, Moody())
    again = Moody()
    again.raises = False
    intake = build(again.playbook)
    await intake.decider.restore()
    await intake.again.redecide()
    await take(intake, some("b", 5))
    assert again.asked == []
    clock.pass_time(FIRST_PAUSE)
    await intake.again.readmit(DETECTIONS)
    assert len(await desk.rows(state="ready")) == 25


async def test_a_readmission_that_is_cut_off_goes_on(build: Build, desk: Desk, clock: ManualClock) -> None:
    """Killed between the probe and the rest: the next start still knows whom to ask again."""
    moody = Moody()
    await quarantined(build, moody)
    ledger = FailingLedger(desk.ledger)
    intake = build(moody.playbook, ledger=ledger)
    await intake.decider.restore()
    moody.raises = False
    clock.pass_time(FIRST_PAUSE)
    ledger.fail("redecide")
    with pytest.raises(StoreError):
        await intake.again.readmit(DETECTIONS)
    again = build(moody.playbook)
    await again.decider.restore()
    await again.again.readmit(DETECTIONS)
    assert len(await desk.rows(state="ready")) == 20
    assert await desk.ledger.recall(Kept.QUARANTINE) == {}


async def test_it_is_kept_before_anything_is_parked_for_it(build: Build, desk: Desk) -> None:
    """Where it cannot be written down, the page fails as a whole and is read again."""
    moody = Moody()
    ledger = FailingLedger(desk.ledger)
    intake = build(moody.playbook, ledger=ledger)
    ledger.fail("remember")
    with pytest.raises(StoreError):
        await take(intake, some("a", 30))
    assert await unasked(desk) == set()
    await take(intake, some("a", 30))
    assert len(await unasked(desk)) == 30
    assert "moody" in await desk.ledger.recall(Kept.QUARANTINE)


async def test_another_version_begins_anew_at_once(build: Build, desk: Desk) -> None:
    """Everything parked is decided by it, what the old one had raised on too."""
    await quarantined(build, Moody())
    mended = Moody("v2")
    mended.raises = False
    intake = build(mended.playbook)
    await intake.decider.restore()
    assert await intake.again.redecide() == IN_A_ROW + 20
    assert len(await desk.rows(state="ready")) == IN_A_ROW + 20
    assert await desk.ledger.parked_for() == []
    assert await desk.ledger.recall(Kept.QUARANTINE) == {}


async def test_what_is_taken_away_and_put_back_is_asked_at_last(
    build: Build, desk: Desk, clock: ManualClock
) -> None:
    """The same version as before: nothing that it was not asked about stays behind."""
    moody = Moody()
    intake = await quarantined(build, moody)
    intake.decider.adopt(catalogue(junk(id="other")))
    await intake.again.catch_up(DETECTIONS)
    moody.raises = False
    intake.decider.adopt(catalogue(moody.playbook))
    clock.pass_time(60)
    await intake.again.catch_up(DETECTIONS)
    assert await unasked(desk) == set()


async def test_another_version_that_raises_too_is_quarantined_in_its_turn(build: Build, desk: Desk) -> None:
    """Also while it decides what was parked: it is not asked a thousand times in vain."""
    await quarantined(build, Moody())
    worse = Moody("v2")
    intake = build(worse.playbook)
    await intake.decider.restore()
    await intake.again.redecide()
    assert len(worse.asked) == IN_A_ROW
    assert len(await desk.ledger.unasked_events(DETECTIONS, "moody", "v2", 100)) == 20


async def test_a_wild_clock_does_not_keep_it_off(build: Build, clock: ManualClock) -> None:
    """A clock that ran a year ahead when it was written down: it waits for its longest pause at most."""
    clock.jump(365 * 86400)
    moody = Moody()
    await take(build(moody.playbook), page(*(detection(f"a{n}", scanned_at=at(NOW)) for n in range(30))))
    clock.jump(-365 * 86400)
    intake = build(moody.playbook)
    await intake.decider.restore()
    clock.pass_time(LONGEST_PAUSE)
    await intake.again.readmit(DETECTIONS)
    assert len(moody.asked) == IN_A_ROW + 1


async def test_a_probe_gets_what_the_playbook_needs(desk: Desk, metrics: Metrics) -> None:
    """It reads its need before all else: without that no probe would ever tell anything, and it would stay off."""
    raises = True

    def decide(message: Any) -> Any:
        assert message.details is not None
        if raises:
            raise ValueError
        return Move(message, to="DeletedItems")

    vendor = FakeCloudflare(desk.clock)
    enricher = Enricher(vendor.client.investigate, OpenBudget(), desk.clock, metrics, per_poll=100)
    known = catalogue(playbook(decide, "needy", needs=("details",)))
    intake = Intake(
        desk.ledger, known, ENFORCE, desk.clock, metrics, lambda: None, keep_all=False, enricher=enricher
    )
    mail = [detection(f"m{number:02}") for number in range(30)]
    vendor.add(*mail)
    vendor.details.update((one.id, Details(action="quarantined")) for one in mail)
    await take(intake, page(*mail))
    assert "needy" in await desk.ledger.recall(Kept.QUARANTINE)
    raises = False
    for _ in range(40):
        desk.clock.pass_time(600)
        for go_on in (intake.again.catch_up, intake.again.readmit, intake.again.take_up_due):
            await go_on(DETECTIONS)
    assert not await desk.ledger.recall(Kept.QUARANTINE)
    assert len(await desk.rows()) == 30 - IN_A_ROW
