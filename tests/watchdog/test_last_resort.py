from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.playbooks.folder import IMPORTS, Folder, playbook_source
from worker.deciding.containment import check_apart
from worker.model.actions import Mode
from worker.model.events import Detection
from worker.model.plans import Decided, detection_sighting
from worker.pipeline import decide
from worker.playbooks.loader import load
from worker.watchdog import Memory, Stopped, Watchdog

NOW = datetime(2024, 1, 5, tzinfo=UTC)
EXIT = 27
UNSTOPPABLE = {
    "an endless search in C": "5 in itertools.repeat(1)",
    "an endless sum in C": "sum(itertools.repeat(1))",
    "a queue that drinks the sea": "collections.deque(itertools.repeat(1), maxlen=0)",
}


def write(folder: Folder, expression: str = UNSTOPPABLE["an endless search in C"]) -> Path:
    """A playbook that evaluates it on the message called `bad`, and one that moves everything."""
    body = f"    if message.id == 'bad':\n        {expression}\n"
    source = f"import collections, itertools\n{IMPORTS}" + playbook_source("slow", body=body)
    folder.playbook("quick.py", name="quick")
    return folder.write("slow.py", source)


def life(folder: Folder, left: Path, *ids: str) -> tuple[Stopped | None, list[Decided]]:
    """One process's work: looks at what the last one left, loads, decides."""
    memory = Memory(left)
    stopped = memory.recover(folder.path)
    watchdog = Watchdog(memory, deadline=0.1, last_resort=0.3)
    catalogue = watchdog.ward(load(folder.path, watchdog))
    return stopped, decide(
        [detection_sighting(Detection(id=one)) for one in ids], catalogue, Mode.ENFORCE, NOW
    )


def lived(work: Callable[[], object]) -> int:
    """How a process that does this ends: 0 where it comes to its end."""
    pid = os.fork()
    if not pid:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def again(folder: Folder, left: Path, *ids: str) -> int:
    """How one process's work ends."""
    return lived(lambda: life(folder, left, *ids))


@pytest.mark.parametrize("expression", UNSTOPPABLE.values(), ids=UNSTOPPABLE)
def test_what_nothing_can_stop_ends_the_process_and_is_parked(
    folder: Folder, left: Path, expression: str
) -> None:
    """Two ends: the first tells which file, the second which event. Then all goes on, and nothing is lost."""
    write(folder, expression)
    assert again(folder, left, "before", "bad", "after") == EXIT
    assert again(folder, left, "before", "bad", "after") == EXIT
    stopped, (before, bad, after) = life(folder, left, "before", "bad", "after")
    assert stopped is not None
    assert (stopped.file, stopped.line, stopped.hand.split()[-1]) == ("slow.py", 6, "bad")
    assert [one.failures for one in (before, after)] == [(), ()]
    (failure,) = bad.failures
    assert failure.playbook == "slow"
    assert "nothing could stop it at slow.py:6" in failure.error
    assert len(bad.wishes) == 1


def test_one_that_swallows_its_interruption_for_ever_ends_the_process(folder: Folder, left: Path) -> None:
    """`check` warns of `except BaseException`; what hides it better cannot go on either."""
    source = (
        f"{IMPORTS}class Deaf:\n"
        "    def __enter__(self): return self\n    def __exit__(self, *_): return True\n"
    )
    body = "    while message.id == 'bad':\n        with Deaf():\n            while True: pass\n"
    folder.write("slow.py", source + playbook_source("slow", body=body))
    assert again(folder, left, "bad") == EXIT
    assert again(folder, left, "bad") == EXIT
    _, (bad,) = life(folder, left, "bad")
    assert "nothing could stop it" in bad.failures[0].error


def test_another_event_of_the_kind_costs_one_end_more(folder: Folder, left: Path) -> None:
    """The playbook stays under watch, so that its next bad event is known at once; its good ones are decided."""
    write(folder)
    source = (folder.path / "slow.py").read_text().replace("== 'bad'", "in ('bad', 'worse')")
    folder.write("slow.py", source)
    assert [again(folder, left, "bad", "worse") for _ in range(4)] == [EXIT, EXIT, EXIT, 0]
    _, (bad, worse, good) = life(folder, left, "bad", "worse", "good")
    assert [len(one.failures) for one in (bad, worse, good)] == [1, 1, 0]


def test_a_mended_playbook_is_run_again(folder: Folder, left: Path) -> None:
    """What is barred is barred for one version; memory and watch end with it."""
    write(folder)
    assert [again(folder, left, "bad") for _ in range(2)] == [EXIT, EXIT]
    write(folder, "pass")
    _, (bad,) = life(folder, left, "bad")
    assert bad.failures == ()
    assert json.loads((left / "barred.json").read_bytes()) == {"barred": {}, "suspects": {}}


def test_an_import_that_nothing_can_stop_costs_one_start(folder: Folder, left: Path) -> None:
    """The file is refused as long as it is as it was; the others are loaded."""
    file = folder.write(
        "endless.py", f"import itertools\n{IMPORTS}5 in itertools.repeat(1)\n{playbook_source()}"
    )
    folder.playbook("quick.py", name="quick")
    assert again(folder, left, "one") == EXIT
    memory = Memory(left)
    memory.recover(folder.path)
    watchdog = Watchdog(memory)
    catalogue = load(folder.path, watchdog)
    (problem,) = catalogue.problems
    assert problem.path == file
    assert "nothing could stop it at endless.py:3" in problem.message
    assert [one.id for one in catalogue.playbooks] == ["quick"]
    folder.write("endless.py", f"{IMPORTS}{playbook_source()}")
    assert load(folder.path, watchdog).problems == ()


def test_a_kill_from_outside_blames_nobody(folder: Folder, left: Path) -> None:
    """Only the last resort leaves a trace: SIGKILL in the middle of a decision bars nothing, however often."""
    write(folder)

    def shot() -> None:
        with Watchdog(Memory(left)).holding("event slow v Detection bad"):
            os.kill(os.getpid(), signal.SIGKILL)

    for _ in range(5):
        assert lived(shot) == -signal.SIGKILL
        assert Memory(left).recover(folder.path) is None


def test_what_cannot_be_written_down_does_not_stop_the_work(folder: Folder, left: Path) -> None:
    """A memory that was deleted or damaged is an empty one."""
    left.mkdir()
    (left / "barred.json").write_bytes(b'{"barred":')
    folder.playbook("quick.py", name="quick")
    _, (one,) = life(folder, left, "one")
    assert len(one.wishes) == 1


def test_check_survives_what_nothing_can_stop(folder: Folder) -> None:
    """One problem with file and line for each such example, and the verdicts on all others."""
    for name in ("one", "two"):
        example = f"on=Detection, id='{name}', examples=[hit(id='bad'), miss(id='good')]"
        body = "    if message.id == 'bad':\n        5 in itertools.repeat(1)\n"
        folder.write(
            f"{name}.py", f"import itertools\n{IMPORTS}" + playbook_source("slow", example, body=body)
        )
    folder.playbook("quick.py", name="quick")
    report: dict[str, Any] = check_apart(folder.path, last_resort=0.3)
    assert [problem["playbook"] for problem in report["problems"]] == ["one", "two"]
    assert all(":6: it ended the process that ran it" in problem["message"] for problem in report["problems"])
    assert report["examples"] == {"run": 4, "failed": 2}
    assert len(report["playbooks"]) == 3
