from __future__ import annotations

import pytest

from tests.playbooks.folder import IMPORTS, Folder, playbook_source
from worker.playbooks.purity import PURE_MODULES


@pytest.mark.parametrize(
    "statement, message, remedy",
    [
        ("import requests", "imports requests", "the event and `context` alone"),
        ("import os.path", "imports os.path", "context.lists"),
        ("from pathlib import Path", "imports pathlib", "lists/NAME.txt"),
        ("from urllib.request import urlopen", "imports urllib.request", "the event and `context` alone"),
        ("from urllib import request", "imports urllib", "the event and `context` alone"),
        ("import json, socket", "imports socket", "the event and `context` alone"),
        ("from time import sleep", "imports time", "context.now"),
        ("import random", "imports random", "the same decision"),
        ("import worker.store", "imports worker.store", "import it from worker.playbooks"),
        ("from worker.model.events import Detection", "imports worker.model.events", "from worker.playbooks"),
        ("from worker import playbooks as p, settings", "imports worker", "from worker.playbooks"),
        ("from worker.playbooks import Mov", "no `Mov` (did you mean `Move`?)", "Release"),
        ("from worker.playbooks import loader", "worker.playbooks has no `loader`", "Release"),
        ("from .b import other", "playbook files do not import one another", "_b.py"),
        ("from . import b", "playbook files do not import one another", "_b.py"),
        ("import rules.b", "playbook files do not import one another", "_b.py"),
        ("from rules import b", "playbook files do not import one another", "_b.py"),
        ("from ..x import y", "from above the rules folder", "the event and `context` alone"),
        ("def f():\n    import subprocess", "imports subprocess", "the event and `context` alone"),
        ("def f():\n    from ._shared import x", "inside a block", "at the file's top"),
        ("x = open('/etc/passwd')", "uses `open`, which opens a file", "lists/NAME.txt"),
        ("f = open", "uses `open`", "lists/NAME.txt"),
        ("def f(): exec('1')", "uses `exec`", "the event and `context` alone"),
        ("def f(): return eval('1')", "uses `eval`", "the event and `context` alone"),
        ("def f(): return compile('1', '', 'eval')", "uses `compile`", "the event and `context` alone"),
        ("def f(): return __import__('os')", "uses `__import__`", "the event and `context` alone"),
        ("def f(): input()", "uses `input`", "the event and `context` alone"),
        ("def f(): print(1)", "uses `print`", "the action's `reason`"),
    ],
)
def test_what_is_not_pure_is_refused_before_it_runs(
    folder: Folder, statement: str, message: str, remedy: str
) -> None:
    """Imports and calls that do I/O are found in the source, wherever they stand, with line and remedy."""
    folder.write("a.py", f"raise RuntimeError('ran')\n{statement}\n{IMPORTS}{playbook_source()}")
    problem = folder.only_problem()
    assert message in problem.message
    assert remedy in problem.remedy
    assert problem.line == (3 if "\n" in statement else 2)


@pytest.mark.parametrize(
    "statement, message, remedy",
    [
        ("import re", "imports re: mail can be made", "matches(r"),
        ("from re import search", "imports re: mail can be made", "matches(r"),
        ("try: x = 1\nexcept: pass", "catches every exception", "name what can happen"),
        ("from datetime import datetime as dt\nx = dt.now()", "asks the clock", "context.now"),
        ("x = hash('a') % 2", "another one in every process", "hashlib.sha256"),
        ("import datetime\nx = datetime.datetime.utcnow()", "asks the clock", "context.now"),
        ("import datetime as d\nx = d.date.today", "asks the clock", "context.now"),
        ("try: x = 1\nexcept (ValueError, BaseException): pass", "catches every exception", "ValueError"),
    ],
)
def test_what_makes_a_playbook_hard_to_stop_is_a_warning(
    folder: Folder, statement: str, message: str, remedy: str
) -> None:
    """Authors know these, and the watchdog holds for them too: the file loads."""
    folder.write("a.py", f"{statement}\n{IMPORTS}{playbook_source()}")
    report = folder.check()
    assert report.ok
    (warning,) = [one for one in report.warnings if not one.playbook]
    assert message in warning.message
    assert remedy in warning.remedy
    assert warning.line == (2 if "\n" in statement else 1)


def test_shared_modules_are_held_to_the_same_rule(folder: Folder) -> None:
    """I/O cannot hide in a module whose name starts with `_`."""
    folder.write("_shared.py", "import socket\nx = 1")
    folder.write("a.py", f"{IMPORTS}from ._shared import x\n{playbook_source()}")
    assert [problem.path.name for problem in folder.load().problems] == ["_shared.py", "a.py"]


def test_everything_that_is_wrong_is_said_at_once(folder: Folder) -> None:
    """An author mends a file in one go."""
    folder.write("a.py", "import os\nimport json\nimport socket\nx = open('y')\n")
    assert [problem.line for problem in folder.load().problems] == [1, 3, 4]


@pytest.mark.parametrize(
    "source",
    [
        "from copy import copy as compile\nWORD = compile('x')",
        "import json\nWORD = json.loads('1')",
        "try: x = 1\nexcept Exception: pass",
        "def total(input):\n    return input",
        "from email import utils\nfrom urllib import parse\nimport urllib.parse\nimport collections.abc",
        "import worker.playbooks as authors",
        "from worker import playbooks",
    ],
)
def test_what_only_looks_like_io_is_accepted(folder: Folder, source: str) -> None:
    """A name that the file itself gives a meaning is that meaning."""
    folder.write("a.py", f"{source}\n{IMPORTS}{playbook_source()}")
    assert folder.only_playbook().id == "junk"


def test_forbidden_builtins_are_not_there_at_run_time_either(folder: Folder) -> None:
    """What the source hides from the check fails when it runs."""
    folder.write("a.py", f"{IMPORTS}FOUND = 'open' in __builtins__\n{playbook_source()}")
    assert folder.only_playbook().function.__globals__["FOUND"] is False


@pytest.mark.parametrize("module", sorted(PURE_MODULES - {"__future__"}))
def test_every_allowed_module_can_be_imported(folder: Folder, module: str) -> None:
    """The list holds no misspelt name."""
    folder.write("a.py", f"import {module}\n{IMPORTS}{playbook_source()}")
    assert folder.only_playbook().id == "junk"
