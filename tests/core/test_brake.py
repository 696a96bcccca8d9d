from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.builders import junk
from tests.desk import Desk
from tests.fakes import FailingLedger, ManualClock
from worker.errors import StoreError
from worker.model.actions import Mode
from worker.model.ledger import Claimed, Limits, Pause
from worker.model.plans import Ceilings
from worker.ops.metrics import Metrics
from worker.store.ledger import StoreLedger
from worker.store.tools import Connection
from worker.upkeep.brake import Brake
from worker.upkeep.pausing import PauseWatch


@pytest.fixture
def brake(tmp_path: Path) -> Brake:
    """Beside a database."""
    return Brake.beside(tmp_path / "worker.db")


@pytest.fixture
def ledger(desk: Desk, brake: Brake, clock: ManualClock) -> FailingLedger:
    """A ledger that the brake stops; its database can be made to refuse."""
    return FailingLedger(StoreLedger(desk.store, desk.ledger.account_id, clock, 1000, brake.on))


@pytest.fixture
def watch(brake: Brake, ledger: FailingLedger, clock: ManualClock, metrics: Metrics) -> PauseWatch:
    """What the daemon makes of it."""
    return PauseWatch(brake, ledger.port, clock, metrics)


def test_without_a_file_there_is_no_pause(brake: Brake) -> None:
    """Nor where the folder is not there yet."""
    assert brake.on() is None
    assert Brake(brake.file.parent / "nowhere" / "PAUSE").on() is None


def test_the_file_s_text_is_the_reason(brake: Brake) -> None:
    """Its owner and its time say by whom and since when."""
    brake.file.write_text("bad rule\n")
    pause = brake.on()
    assert pause is not None
    assert (pause.reason, pause.how, pause.since) == ("bad rule", "file", brake.file.stat().st_mtime)
    assert pause.by
    brake.file.unlink()
    assert brake.on() is None


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"x" * 100_000])
def test_any_file_is_a_pause(brake: Brake, content: bytes) -> None:
    """Empty, binary or huge: what counts is that it is there."""
    brake.file.write_bytes(content)
    pause = brake.on()
    assert pause is not None
    assert 0 < len(pause.reason) <= 500


def test_what_is_no_plain_file_is_a_pause_too(brake: Brake) -> None:
    """A folder, a link to nothing, a path that cannot be looked at: in doubt nothing is sent."""
    brake.file.mkdir()
    assert brake.on() is not None
    brake.file.rmdir()
    brake.file.symlink_to("nowhere")
    assert brake.on() is not None
    blocked = brake.file.parent / "plain"
    blocked.touch()
    assert Brake(blocked / "PAUSE").on() is not None


async def test_the_file_stops_lanes_and_claims(desk: Desk, brake: Brake, ledger: FailingLedger) -> None:
    """Also the claim of a lane that was being worked on when it came; nothing is written for it."""
    await desk.take_in(junk())
    (lane,) = await ledger.port.lanes(Mode.ENFORCE)
    brake.file.touch()
    limits = Limits(Ceilings(Mode.ENFORCE), 600, 120.0)
    assert await ledger.port.claim(lane, limits, most=10, calls=1) == Claimed([], 0.0)
    assert await ledger.port.lanes(Mode.ENFORCE) == []
    assert await desk.audit("intent") == []
    brake.file.unlink()
    assert (await ledger.port.claim(lane, limits, most=10, calls=1))[0]


async def test_the_log_has_the_file_s_coming_and_going_once(
    desk: Desk, brake: Brake, ledger: FailingLedger, watch: PauseWatch, clock: ManualClock, metrics: Metrics
) -> None:
    """However often it is looked at, over restarts too."""
    brake.file.write_text("drill")
    await watch.look()
    await watch.look()
    assert watch.paused
    again = PauseWatch(brake, ledger.port, clock, metrics)
    await again.look()
    brake.file.unlink()
    await again.look()
    await again.look()
    assert not again.paused
    kinds = [(entry["kind"], "drill" in entry["body"]) for entry in await desk.audit()]
    assert kinds == [("pause", True), ("resume", False)]


async def test_a_signal_pauses_at_once_and_over_a_restart(
    desk: Desk, brake: Brake, watch: PauseWatch
) -> None:
    """First in memory, then in the database, where `worker resume` finds it; only then it is told."""
    watch.signalled("SIGUSR1")
    assert brake.on() is not None
    told = watch.paused
    await watch.keep()
    assert brake.on() is None
    assert (told, watch.paused) == (False, True)
    pause = await desk.ledger.paused()
    assert pause is not None
    assert (pause.how, pause.by) == ("signal", f"SIGUSR1 to process {os.getpid()}")


async def test_a_signal_counts_while_the_database_refuses(
    desk: Desk, ledger: FailingLedger, watch: PauseWatch
) -> None:
    """It is written down as soon as that is possible."""
    ledger.fail("pause", 3)
    watch.signalled("SIGUSR1")
    with pytest.raises(StoreError):
        await watch.look()
    assert watch.paused
    await watch.keep()
    assert ledger.calls.count("pause") == 4
    assert isinstance(await desk.ledger.paused(), Pause)


async def test_a_file_does_not_lift_the_command_s_pause(desk: Desk, brake: Brake, watch: PauseWatch) -> None:
    """Two brakes: each is let go by itself."""
    from worker.store import flags  # noqa: PLC0415 - only here

    def pause(conn: Connection) -> None:
        flags.pause(conn, desk.ledger.account_id, "drill", "ann", desk.clock.now())

    brake.file.touch()
    await desk.run(pause)
    await watch.look()
    brake.file.unlink()
    await watch.look()
    assert watch.paused
