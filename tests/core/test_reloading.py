from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.builders import ENFORCE, detection, poll
from tests.desk import Desk
from tests.fakes import ManualClock
from tests.playbooks.folder import Folder
from tests.taking_in import Given, page, take
from worker.deciding.reloading import Means, RefusedError, Reloader, check_in_child
from worker.deciding.watching import LOOK_SECONDS, hints
from worker.intake import PINNED_SECONDS, Intake
from worker.model.actions import Mode
from worker.model.events import Detection, PhishReport
from worker.model.levels import Level
from worker.ops.metrics import Metrics
from worker.playbooks.checking import check
from worker.playbooks.loader import fingerprint, load

JUNK = '    """Moves it."""\n    return Move(message, to="{}")\n'
Build = Callable[..., Reloader]


async def checked(folder: Path) -> dict[str, Any]:
    """The report that a child process would give."""
    return check(folder).as_json()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """One playbook that moves everything to Junk."""
    made = Folder(tmp_path)
    made.playbook(declared='on=Detection, mode="enforce"', body=JUNK.format("JunkEmail"))
    return made


@pytest.fixture
def intake(folder: Folder, desk: Desk, metrics: Metrics) -> Intake:
    """An intake that has loaded the folder."""
    loaded = load(folder.path)
    return Intake(desk.ledger, loaded, ENFORCE, desk.clock, metrics, lambda: None, keep_all=False)


@pytest.fixture
def build(folder: Folder, desk: Desk, metrics: Metrics, intake: Intake) -> Build:
    """Builds what reloads the folder; `during` is done while a change of it is checked."""

    def make(during: Callable[[], object] | None = None) -> Reloader:
        once = [during] if during else []

        async def looked_at(directory: Path) -> dict[str, Any]:
            report = await checked(directory)
            if once:
                once.pop()()
            return report

        async def adopted() -> None: ...

        means = Means(looked_at, lambda one: one, {Detection, PhishReport}, notify=False)
        seen = fingerprint(folder.path)
        return Reloader(folder.path, intake, desk.clock, metrics, means, adopted, seen)

    return make


def targets(intake: Intake) -> list[str]:
    """Where the playbooks in force move mail to."""
    return [one.function(detection()).target for one in intake.rules.current.playbooks]


async def test_an_exclusion_that_says_nothing_keeps_those_in_force(
    build: Build, folder: Folder, intake: Intake
) -> None:
    """And a good one is in force without a restart."""
    reloader = build()
    folder.write("lists/_protected.txt", "ceo@corp.example\n")
    assert await reloader.look() is True
    folder.write("lists/_protected.txt", "# nobody knows\ncorp.example\n")
    assert await reloader.look() is False
    assert "_protected.txt:2" in reloader.failed
    assert intake.rules.current.exclusions.protected == {"ceo@corp.example"}


async def test_a_change_is_in_force_once_it_is_whole(build: Build, folder: Folder, intake: Intake) -> None:
    """Nothing happens where nothing has changed."""
    reloader = build()
    assert await reloader.look() is False
    folder.playbook(declared='on=Detection, mode="enforce"', body=JUNK.format("DeletedItems"))
    assert await reloader.look() is True
    assert (targets(intake), intake.rules.generation, reloader.failed) == (["DeletedItems"], 2, "")


@pytest.mark.parametrize(
    "text",
    [
        "def half(:\n",
        "import requests\n",
        b"\xff\xfe",
        "from worker.playbooks import *\n@playbook(on=Detection, examples=[hit()])\ndef b(message):\n    return None\n",
        "from worker.playbooks import *\n@playbook(on=Submission)\ndef b(message):\n    return None\n",
    ],
    ids=["half-written", "impure", "not-text", "failing-example", "unpolled"],
)
async def test_whatever_is_wrong_keeps_the_generation_in_force(
    build: Build, folder: Folder, intake: Intake, metrics: Metrics, text: str | bytes
) -> None:
    """It is told once with file and line, and what mends it is taken up."""
    reloader = build()
    bad = folder.write("b.py", text)
    folder.playbook(declared='on=Detection, mode="enforce"', body=JUNK.format("DeletedItems"))
    assert await reloader.look() is False
    assert await reloader.look() is False
    assert (targets(intake), intake.rules.generation) == (["JunkEmail"], 1)
    assert "b.py" in reloader.failed
    page = metrics.render()[0].decode()
    assert "worker_playbooks_reload_ok 0.0" in page
    assert 'worker_playbooks_reloads_total{outcome="refused"} 1.0' in page
    bad.unlink()
    assert await reloader.look() is True
    assert (targets(intake), reloader.failed) == (["DeletedItems"], "")


async def test_what_is_loaded_is_what_was_checked(build: Build, folder: Folder, intake: Intake) -> None:
    """A file that is written while it is checked is checked again."""
    reloader = build(lambda: folder.write("b.py", "def half(:\n"))
    folder.playbook(declared='on=Detection, mode="enforce"', body=JUNK.format("DeletedItems"))
    assert await reloader.look() is False
    assert targets(intake) == ["JunkEmail"]


async def test_folders_of_kubernetes_are_exchanged_as_a_whole(
    build: Build, folder: Folder, intake: Intake, tmp_path: Path
) -> None:
    """A ConfigMap's files are links through `..data`, which is renamed into place."""
    source = (folder.path / "a.py").read_text()
    for name, text in (("one", source), ("two", source.replace("JunkEmail", "Inbox"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").write_text(text)
    (folder.path / "a.py").unlink()
    (folder.path / "..data").symlink_to(tmp_path / "one")
    (folder.path / "a.py").symlink_to("..data/a.py")
    reloader = build()
    (folder.path / "..new").symlink_to(tmp_path / "two")
    (folder.path / "..new").rename(folder.path / "..data")
    assert await reloader.look() is True
    assert targets(intake) == ["Inbox"]


@pytest.mark.parametrize("seconds, target", [(0.0, "JunkEmail"), (PINNED_SECONDS + 1, "DeletedItems")])
async def test_a_poll_ends_with_the_playbooks_that_it_began_with(
    build: Build, folder: Folder, intake: Intake, desk: Desk, seconds: float, target: str
) -> None:
    """A plan is one version's; the next poll is the new one's.

    Unless it was cut off for long: who took a playbook out hours ago does not want it to act.
    """
    reloader, one, source = build(), poll(), Given()
    await intake.take(source, one, page(detection("m1")), last_chance=False)
    folder.playbook(declared='on=Detection, mode="enforce"', body=JUNK.format("DeletedItems"))
    assert await reloader.look() is True
    desk.clock.pass_time(seconds)
    await intake.take(source, one, page(detection("m2")), last_chance=False)
    await intake.close(one, None)
    await take(intake, page(detection("m3")))
    rows = {row["message_id"]: row["target"] for row in await desk.rows()}
    assert rows == {"m1": "JunkEmail", "m2": target, "m3": "DeletedItems"}


async def test_what_was_parked_is_decided_by_the_next_generation(
    build: Build, folder: Folder, intake: Intake, desk: Desk
) -> None:
    """Without a restart, also what a poll under way has parked for the old one after the change."""
    folder.playbook(declared='on=Detection, mode="enforce"', body="    return message.nonsense\n")
    reloader = build()
    assert await reloader.look() is False or intake.rules.generation == 2
    one, source = poll(), Given()
    intake.decider.adopt(load(folder.path))
    await intake.take(source, one, page(detection("m1")), last_chance=False)
    folder.playbook(declared='on=Detection, mode="enforce"', body=JUNK.format("JunkEmail"))
    assert await reloader.look() is True
    await intake.take(source, one, page(detection("m2")), last_chance=False)
    await intake.close(one, None)
    assert await desk.rows() == []
    await intake.again.catch_up("detections")
    assert await desk.states() == {"m1": ["ready"], "m2": ["ready"]}


async def test_a_level_outlives_generations(build: Build, folder: Folder, intake: Intake) -> None:
    """A demoted playbook stays demoted whatever its file says; one promoted to enforce waits for approval."""
    reloader = build()
    (old,) = intake.rules.current.playbooks
    intake.rules.note({"junk": Level("junk", Mode.SHADOW, old.version, "ann", "", 0.0)})
    folder.playbook(declared='on=Detection, mode="enforce"', body=JUNK.format("DeletedItems"))
    await reloader.look()
    assert [one.mode for one in intake.rules.current.playbooks] == [Mode.SHADOW]
    folder.playbook(body=JUNK.format("DeletedItems"))
    intake.rules.note({"junk": Level("junk", Mode.ENFORCE, old.version, "ann", "", 0.0)})
    await reloader.look()
    assert [one.mode for one in intake.rules.current.playbooks] == [Mode.APPROVE]
    assert list(intake.rules.outdated()) == ["junk"]


async def test_the_check_runs_in_a_process_without_secrets(folder: Folder) -> None:
    """What ends that process, or never ends, is no harm to this one."""
    folder.write("b.py", "while True: pass\n")
    report = await check_in_child(folder.path)
    assert [one["path"] for one in report["problems"]] == [str(folder.path / "b.py")]


@pytest.mark.parametrize("ended_by", ["time-out", "stop"])
async def test_a_check_that_does_not_end_leaves_no_process(folder: Folder, ended_by: str) -> None:
    """Neither itself nor the one that it runs author code in."""
    for number in range(60):  # each is stopped after a second of computing
        folder.write(f"b{number}.py", "while True: pass\n")
    checking = asyncio.create_task(check_in_child(folder.path, seconds=8 if ended_by == "time-out" else 60))
    async with asyncio.timeout(40):
        while len(processes_with(folder.path)) < 2:
            assert not checking.done()
            await asyncio.sleep(0.01)
        if ended_by == "stop":
            checking.cancel()
        with pytest.raises((RefusedError, asyncio.CancelledError)) as raised:
            await checking
        assert raised.type is (RefusedError if ended_by == "time-out" else asyncio.CancelledError)
        while processes_with(folder.path):  # noqa: ASYNC110 - the kernel takes a moment
            await asyncio.sleep(0.01)


def processes_with(argument: Path) -> list[str]:
    """The processes that were started with this argument."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if os.fsencode(argument) in file.read_bytes().split(b"\0"):
                found.append(file.parent.name)
    return found


def test_memory_does_not_grow_over_500_generations(folder: Folder, intake: Intake) -> None:
    """Nothing of an old one stays: no module, no function, no cache."""

    def resident() -> int:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    before = 0
    for number in range(500):
        if number == 50:  # what is loaded once is loaded now
            before = resident()
        folder.playbook(declared='on=Detection, mode="enforce"', body=JUNK.format("Inbox") + f"# {number}\n")
        intake.decider.adopt(load(folder.path))
    assert intake.rules.generation == 501
    assert resident() - before < 4e6


async def test_a_folder_that_cannot_be_looked_at_does_not_end_the_worker(
    build: Build, folder: Folder, intake: Intake
) -> None:
    """No process left to check it in, say: the old playbooks stay, and the next look finds the change."""

    def fails() -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    reloader = build(fails)
    folder.playbook(declared='on=Detection, mode="enforce"', body=JUNK.format("DeletedItems"))
    running = asyncio.create_task(reloader.run())
    async with asyncio.timeout(20):
        while targets(intake) != ["DeletedItems"]:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)
    assert not running.done()
    running.cancel()


async def test_a_file_without_a_utf8_name_does_not_end_the_worker(
    tmp_path: Path, clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """The system's word cannot be had any more: that is said, and the folder is looked at every few seconds."""
    told = hints(tmp_path, clock, notify=True)
    for number in range(20):
        hint = asyncio.create_task(anext(told))
        await asyncio.sleep(0.1)
        (tmp_path / os.fsdecode(b"St\xf6rung %d.txt" % number)).touch()
        await hint
        if "playbooks.unwatched" in capsys.readouterr().err:
            break
    before = len(clock.slept)
    await anext(told)
    assert clock.slept[before:] == [LOOK_SECONDS]
    await told.aclose()
