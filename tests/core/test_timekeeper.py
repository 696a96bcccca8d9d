from __future__ import annotations

import pytest

from tests.builders import NOW
from tests.desk import Desk
from tests.fakes import FailingLedger
from worker.clock import SteadyClock, VendorTime
from worker.errors import StoreError
from worker.model.ledger import TimeMark
from worker.upkeep.timekeeper import Timekeeper

HOUR = 3600.0


class Machine:
    """A machine: its wall clock can be set, what counts since its start cannot."""

    def __init__(self) -> None:
        self.wall = NOW
        self.steady = 500.0
        self.boot = "monday"

    def clock(self) -> SteadyClock:
        """What a new process sees."""
        return SteadyClock(lambda: self.wall, lambda: self.steady, self.boot)

    def pass_time(self, seconds: float) -> None:
        """Both clocks go on."""
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def machine() -> Machine:
    """One that has just been started."""
    return Machine()


async def steps(desk: Desk) -> list[str]:
    """The steps that the ledger was dated anew by."""
    return [record["body"] for record in await desk.audit("clock")]


def test_time_goes_on_evenly_until_a_step_is_adopted(machine: Machine) -> None:
    """Nobody sees the new time before what is stored has been dated anew."""
    clock = machine.clock()
    machine.wall -= HOUR
    machine.pass_time(10)
    assert clock.now() == NOW + 10
    assert clock.stepped() == -HOUR
    clock.adopt(-HOUR)
    assert clock.now() == machine.wall
    assert clock.stepped() == 0.0


def test_a_process_that_was_stopped_while_it_looked_sees_no_step() -> None:
    """Both clocks are read again until they were read together."""
    steady = iter([0.0, 0.0, 100.0, 160.0, 161.0, 161.01])
    clock = SteadyClock(lambda: NOW, lambda: next(steady), "monday")
    clock.stepped()
    assert list(steady) == []


def test_the_machines_own_clocks_agree() -> None:
    """The default is the time of this machine, and its start has a name on Linux."""
    clock = SteadyClock()
    assert abs(clock.stepped()) < 0.1
    assert clock.boot == SteadyClock().boot
    assert clock.monotonic() <= clock.monotonic()


@pytest.mark.parametrize("seconds", [-HOUR, HOUR])
async def test_a_step_is_followed_once(desk: Desk, machine: Machine, seconds: float) -> None:
    """The ledger is dated anew, then time is the machine's again."""
    clock = machine.clock()
    keeper = Timekeeper(clock, desk.ledger)
    await keeper.begin()
    machine.wall += seconds
    for _ in range(2):
        await keeper.look()
    assert await steps(desk) == [f'{{"step":{seconds}}}']
    assert clock.now() == machine.wall


async def test_less_than_a_second_is_no_step(desk: Desk, machine: Machine) -> None:
    """Clocks are kept in time by little steps all day."""
    keeper = Timekeeper(machine.clock(), desk.ledger)
    await keeper.begin()
    machine.wall += 0.9
    await keeper.look()
    assert await steps(desk) == []


async def test_a_step_while_no_worker_ran_is_followed_at_start(desk: Desk, machine: Machine) -> None:
    """Within one run of the machine its own count tells a step from time that has passed."""
    await Timekeeper(machine.clock(), desk.ledger).begin()
    machine.pass_time(1000)
    machine.wall += HOUR
    await Timekeeper(machine.clock(), desk.ledger).begin()
    await Timekeeper(machine.clock(), desk.ledger).begin()
    assert await steps(desk) == ['{"step":3600.0}']


@pytest.mark.parametrize("passed, expected", [(HOUR, []), (-HOUR, ['{"step":-3600.0}'])])
async def test_after_another_start_of_the_machine_only_time_that_went_back_is_a_step(
    desk: Desk, machine: Machine, passed: float, expected: list[str]
) -> None:
    """How long it was off nobody knows, but not less than nothing."""
    await Timekeeper(machine.clock(), desk.ledger).begin()
    machine.boot, machine.steady = "tuesday", 3.0
    machine.wall += passed
    await Timekeeper(machine.clock(), desk.ledger).begin()
    assert await steps(desk) == expected


async def test_a_step_that_cannot_be_written_down_is_not_followed_yet(desk: Desk, machine: Machine) -> None:
    """Time and ledger change together, or neither."""
    clock = machine.clock()
    failing = FailingLedger(desk.ledger)
    keeper = Timekeeper(clock, failing.port)
    await keeper.begin()
    machine.wall += HOUR
    failing.fail("follow_clock")
    with pytest.raises(StoreError):
        await keeper.look()
    assert clock.now() == NOW
    await keeper.look()
    assert clock.now() == NOW + HOUR
    assert (await desk.ledger.time_mark()) == TimeMark("monday", clock.offset, NOW + HOUR)


def test_another_clock_than_the_vendors_is_told_once(
    desk: Desk, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    """In whichever direction; and anew once they have agreed in between."""
    clock = machine.clock()
    vendor_time = VendorTime(clock)
    keeper = Timekeeper(clock, desk.ledger, vendor_time)
    for told in (NOW, NOW + 30, NOW - HOUR, NOW - HOUR, NOW - 40, NOW, NOW + 2 * HOUR):
        vendor_time.note(told)
        keeper.compare()
    ahead, behind = (line for line in capsys.readouterr().err.splitlines() if "clock.skewed" in line)
    assert ["seconds=3600" in ahead, "seconds=-7200" in behind] == [True, True]
