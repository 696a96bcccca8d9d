from __future__ import annotations

import gc
import threading
import time
from datetime import UTC, datetime

import pytest

from tests.playbooks.folder import IMPORTS, Folder, playbook_source
from worker.deciding.asking import PATIENCE
from worker.model.actions import Mode
from worker.model.events import Detection
from worker.model.plans import Decided, detection_sighting
from worker.pipeline import decide
from worker.playbooks.guard import DEADLINE
from worker.playbooks.loader import Catalogue, load
from worker.watchdog import Watchdog

SHORT = 0.1
NOW = datetime(2024, 1, 5, tzinfo=UTC)
TRIES = "\n        try:\n            while True: pass\n"
ENDLESS = {
    "a loop": "while True: pass",
    "a comprehension": "return [n for n in itertools.count() if n < 0]",
    "ten billion rounds": "for n in range(10**10): pass",
    "a generator": "return (n for n in itertools.count() if n < 0)",
    "a search that goes back": "return difflib.SequenceMatcher(None, 'ab' * 4000, 'ba' * 4000, False).ratio()",
    "a huge power": "return 3 ** 10**9",
    "a huge number as text": "return str(7 ** 3_000_000)",
    "a decimal": "return sum(decimal.Decimal(n) for n in itertools.count())",
    "one that swallows Exception": f"while True:{TRIES}        except Exception: pass",
    "one that goes on in finally": f"for _ in range(4):{TRIES}        finally: continue",
}
HUNGRY = {
    "a giant text": "return 'a' * 10**11",
    "a giant list": "return [0] * 10**11",
    "one that grows": "kept = []\n    while True: kept.append(bytes(10**6))",
    "a sorted range": "return sorted(range(10**10))",
}
RAISING = {
    "recursion": ("return rule(message)", "RecursionError"),
    "exit": ("raise SystemExit(0)", "SystemExit"),
}


def catalogue(folder: Folder, body: str, deadline: float = SHORT) -> Catalogue:
    """A playbook with that body on the message called `bad`, and one that moves everything."""
    lines = f"    if message.id == 'bad':\n        {body.replace(chr(10), chr(10) + '    ')}\n    return\n"
    head = f"import decimal, difflib, itertools\n{IMPORTS}"
    folder.write("slow.py", head + playbook_source("rule", "on=Detection, id='slow'", body=lines))
    folder.playbook("quick.py", name="quick")
    loaded = load(folder.path, Watchdog(deadline=deadline))
    assert loaded.problems == ()
    return loaded


def decided(loaded: Catalogue, *ids: str) -> list[Decided]:
    """What the playbooks say of messages with these ids."""
    return decide([detection_sighting(Detection(id=one)) for one in ids], loaded, Mode.ENFORCE, NOW)


@pytest.mark.parametrize("body", ENDLESS.values(), ids=ENDLESS)
def test_what_does_not_end_is_stopped_and_parked(folder: Folder, body: str) -> None:
    """The event waits for that playbook alone; the other playbook and the other events go on."""
    loaded = catalogue(folder, body)
    began = time.thread_time()
    before, bad, after = decided(loaded, "before", "bad", "after")
    assert time.thread_time() - began < 5
    (failure,) = bad.failures
    assert failure.playbook == "slow"
    assert f"(computed for more than {SHORT} s)" in failure.error
    assert f"{folder.path / 'slow.py'}:" in failure.error
    assert [len(one.wishes) for one in (before, bad, after)] == [1, 1, 1]
    assert before.failures == after.failures == ()


@pytest.mark.parametrize("body", HUNGRY.values(), ids=HUNGRY)
def test_what_takes_all_memory_is_refused_it(folder: Folder, body: str) -> None:
    """Python's own MemoryError comes long before the kernel kills the worker."""
    _, bad = decided(catalogue(folder, body, DEADLINE), "before", "bad")
    (failure,) = bad.failures
    assert "MemoryError" in failure.error
    assert len(bad.wishes) == 1
    assert len(bytearray(300 * 2**20)) > 0, "the limit holds for author code alone"


@pytest.mark.parametrize("body,error", RAISING.values(), ids=RAISING)
def test_what_raises_is_parked(folder: Folder, body: str, error: str) -> None:
    """Whatever it raises."""
    (bad,) = decided(catalogue(folder, body), "bad")
    assert [error in failure.error for failure in bad.failures] == [True]


def test_a_playbook_that_overruns_again_and_again_is_not_asked_again_in_this_page(folder: Folder) -> None:
    """A thousand mails made for it do not stop the worker for a thousand deadlines; each is parked."""
    page = decided(catalogue(folder, "while True: pass"), *["bad"] * (PATIENCE + 5))
    told = ["not asked" in one.failures[0].error for one in page]
    assert told == [False] * PATIENCE + [True] * 5


def test_what_ends_in_time_is_left_alone(folder: Folder) -> None:
    """Many decisions that each take less than the deadline, together many times it."""
    body = "for n in range(10_000): pass"
    page = decided(catalogue(folder, body, 0.05), *["bad"] * 1000)
    assert [one.failures for one in page] == [()] * 1000


def test_standing_still_is_no_overrun(folder: Folder) -> None:
    """What counts is computing: a machine that was asleep has not computed."""
    loaded = catalogue(folder, "context_time()")
    slow = next(one for one in loaded.playbooks if one.id == "slow")
    slow.function.__globals__["context_time"] = lambda: time.sleep(3 * SHORT)
    (one,) = decided(loaded, "bad")
    assert one.failures == ()


def test_our_own_work_is_never_interrupted(folder: Folder) -> None:
    """Only author code is: beyond it nobody waits for Overran."""
    guard = Watchdog(deadline=0.02)
    ended = time.thread_time() + 0.2
    with guard.watching():
        while time.thread_time() < ended:
            gc.collect(0)
    assert decided(catalogue(folder, "pass"), "bad")[0].failures == ()


def test_an_import_that_does_not_end_is_a_problem_of_its_file(folder: Folder) -> None:
    """The other files are loaded."""
    folder.write("endless.py", f"{IMPORTS}while True: pass\n")
    folder.playbook("quick.py", name="quick")
    loaded = load(folder.path, Watchdog(deadline=SHORT))
    assert [one.id for one in loaded.playbooks] == ["quick"]
    (problem,) = loaded.problems
    assert (problem.path.name, problem.line) == ("endless.py", 2)
    assert "cannot be imported: computed for more than 0.1 s" in problem.message


def test_in_another_thread_nothing_is_watched_and_nothing_breaks(folder: Folder) -> None:
    """Signals belong to the main thread."""
    loaded = catalogue(folder, "pass")
    found: list[Decided] = []
    thread = threading.Thread(target=lambda: found.extend(decided(loaded, "bad")))
    thread.start()
    thread.join()
    assert [one.failures for one in found] == [()]
