"""Whatever lies in a rules folder: one clear message each, in one check; the good playbook beside it is checked too."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.playbooks.folder import BODY, IMPORTS, Folder, playbook_source
from worker.deciding.containment import check_apart

HIT = "on=Detection, examples=[hit()]"
HEAD = "(message: Detection) -> Move | None"
ODD = "class Odd:\n    def __{hook}__(self, *_): raise LookupError('odd')\n"


def playbook(name: str, body: str = BODY, declared: str = HIT, before: str = "", head: str = HEAD) -> str:
    """A playbook of that name; its function's body begins behind `before`."""
    return IMPORTS + before + playbook_source(name, declared, head, body)


def hook(name: str, hook: str, value: str = "Odd()") -> str:
    """A playbook that returns something which raises when it is looked at."""
    return playbook(name, f"    return {value}\n", before=ODD.format(hook=hook))


BAD: dict[str, tuple[str | bytes, str]] = {
    "loop_at_import": ("while True: pass\n", "cannot be imported: computed for more than 1 s"),
    "loop_in_example": (
        playbook("loop_in_example", "    while True: pass\n"),
        "computed for more than 1 s while it",
    ),
    "memory_at_import": ("x = [0] * 10**11\n", "raised MemoryError"),
    "memory_in_example": (playbook("memory_in_example", "    x = 'x' * 10**11\n"), "raised MemoryError"),
    "recursion": (playbook("recursion", "    return recursion(message)\n"), "raised RecursionError"),
    "exit": (playbook("exit", "    raise SystemExit(0)\n"), "raised SystemExit: 0 while it decided hit()"),
    "interrupt": (playbook("interrupt", "    raise KeyboardInterrupt\n"), "raised KeyboardInterrupt"),
    "interrupts_loading": ("raise KeyboardInterrupt\n", "KeyboardInterrupt"),
    "raises_iter": (hook("raises_iter", "iter"), "raised LookupError: odd"),
    "raises_len": (
        hook("raises_len", "len", "Move(message, to='Inbox', reason=Odd())"),
        "whose reason is an Odd",
    ),
    "raises_eq": (hook("raises_eq", "eq", "Move(message, to=Odd())"), "raised LookupError: odd"),
    "raises_bool": (hook("raises_bool", "bool"), "returned an Odd; expected None"),
    "raises_class": (hook("raises_class", "getattribute"), "raised LookupError: odd"),
    "raises_mode": (
        playbook("raises_mode", declared="on=Detection, mode=Odd()", before=ODD.format(hook="eq")),
        "cannot be inspected: LookupError",
    ),
    "raises_hint": (
        playbook("raises_hint", head="(message: '1/0')"),
        "annotations cannot be read: ZeroDivisionError",
    ),
    "raises_list": (
        playbook(
            "raises_list",
            declared="on=Detection, examples=Odd()",
            before="class Odd(list):\n    def __iter__(self): raise LookupError('odd')\n",
        ),
        "cannot be inspected: LookupError",
    ),
    "raises_expect": (
        playbook(
            "raises_expect",
            declared="on=Detection, examples=[hit(expect=Odd())]",
            before=ODD.format(hook="iter"),
        ),
        "is no list of pairs",
    ),
    "raises_field": (
        playbook(
            "raises_field",
            declared="on=Detection, examples=[hit(subject=Odd())]",
            before=ODD.format(hook="repr"),
        ),
        "wrong value in",
    ),
    "wrong_type": (playbook("wrong_type", "    return True\n"), "returned a bool; expected None, an action"),
    "not_utf8": (b"# caf\xe9\n", "is not UTF-8"),
    "requests": ("import requests\n", "imports requests: a playbook performs no I/O"),
    "opens": (playbook("opens", "    open('/etc/passwd')\n"), "uses `open`, which opens a file"),
    "_ring": ("from ._gnir import x\n", "needs _gnir.py, which was refused"),
    "_gnir": ("from ._ring import x\n", "circular import: _ring.py -> _gnir.py -> _ring.py"),
    "rings": ("from ._ring import x\n", "needs _ring.py, which was refused"),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One check of all of it, as `worker check` does it."""
    folder = Folder(tmp_path_factory.mktemp("bad"))
    for name, (source, _) in BAD.items():
        folder.write(f"{name}.py", source)
    folder.write("good.py", playbook("good"))
    folder.write("lists/million.txt", "\n".join(f"{number}@corp.example" for number in range(1_000_000)))
    return check_apart(folder.path)


@pytest.mark.parametrize("name", [name for name, (_, message) in BAD.items() if message])
def test_each_is_one_clear_message(report: dict[str, Any], name: str) -> None:
    """With file, line and remedy."""
    told = [problem for problem in report["problems"] if Path(problem["path"]).stem == name]
    assert len(told) == 1, told
    assert BAD[name][1] in told[0]["message"]
    assert told[0]["remedy"]
    assert told[0]["line"]


def test_a_list_of_a_million_rows_is_one_message(report: dict[str, Any]) -> None:
    """It is not there at all: nothing is decided on half of it."""
    (told,) = [problem for problem in report["problems"] if problem["path"].endswith(".txt")]
    assert told["message"] == "the list has more than 100000 entries"
    assert report["lists"] == {}


def test_nothing_else_is_said_and_the_good_one_is_checked(report: dict[str, Any]) -> None:
    """Whoever needs a refused file is told once, too."""
    counts = Counter(Path(problem["path"]).stem for problem in report["problems"])
    assert set(counts.values()) == {1}
    assert counts.keys() - BAD.keys() == {"million"}
    assert [one for one in report["cases"] if one["playbook"] == "good" and one["problem"] is None]
