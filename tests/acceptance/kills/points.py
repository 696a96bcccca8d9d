"""Where a process can be killed: every line of code that decides, sends or writes. Read from the code itself."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import CodeType
from typing import NamedTuple

WORKER = Path(__file__).parents[3] / "worker"

CORE = (
    "deciding/asking.py",
    "deciding/decider.py",
    "dispatcher.py",
    "intake.py",
    "pipeline.py",
    "reconciler.py",
    "deciding/redeciding.py",
)
"""Every line of these is killed at."""
AROUND = tuple(
    path.relative_to(WORKER).as_posix()
    for pattern in (
        "store/**/*.py",
        "executors/*.py",
        "cloudflare/transport.py",
        "acting/looks.py",
        "service.py",
        "working_off.py",
    )
    for path in sorted(WORKER.glob(pattern))
    if path.name != "__init__.py" and "migrations" not in path.parts
)
"""Of these, every line that a run passes is killed at."""


class Point(NamedTuple):
    """A line of a module below `worker/`, passed for the `hit`th time."""

    module: str
    line: int
    hit: int = 1

    @classmethod
    def parse(cls, text: str) -> Point:
        """Reads `dispatcher.py:158` or `dispatcher.py:158:2`."""
        module, line, *hit = text.split(":")
        return cls(module, int(line), int(hit[0]) if hit else 1)

    def __str__(self) -> str:
        return f"{self.module}:{self.line}:{self.hit}"

    @property
    def place(self) -> tuple[str, int]:
        return self.module, self.line


@cache
def bodies() -> dict[str, tuple[CodeType, ...]]:
    """The functions' code of each module, as the running process has it."""
    return {module: tuple(_loaded(module)) for module in (*CORE, *AROUND)}


def _loaded(module: str) -> Iterator[CodeType]:
    name = "worker." + module.removesuffix(".py").replace("/", ".")
    path = WORKER / module
    loaded = import_module(name)
    for value in list(vars(loaded).values()):
        for each in vars(value).values() if isinstance(value, type) else (value,):
            function = getattr(each, "fget", None) or getattr(each, "__func__", None) or each
            while hasattr(function, "__wrapped__"):
                function = function.__wrapped__
            code = getattr(function, "__code__", None)
            if isinstance(code, CodeType) and Path(code.co_filename) == path:
                yield from _nested(code)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def lines(*modules: str) -> set[tuple[str, int]]:
    """Every line with code in the functions of these modules."""
    found = {(module, line) for module in modules for code in bodies()[module] for line in _lines(code)}
    return {place for place in found if text_of(place) != "..."}


def _lines(code: CodeType) -> Iterator[int]:
    for _, line in dis.findlinestarts(code):
        # The line of a `def` is passed by its caller; what stands on one line with it (a lambda) is its own.
        if line and (line != code.co_firstlineno or code.co_name.startswith("<")):
            yield line


def text_of(place: tuple[str, int]) -> str:
    """The source of a line."""
    module, line = place
    return _source(module)[line - 1].strip()


def out_of_reach() -> set[tuple[str, int]]:
    """Lines of the core that no daemon passes.

    What stops an endless playbook where there is no quarantine, and what decides on a page with events of several types.
    """
    (mixed,) = (n for n, text in enumerate(_source("pipeline.py"), 1) if "self._of_one_type([one])" in text)
    (at,) = (
        n for n, text in enumerate(_source("deciding/asking.py"), 1) if text.strip().endswith("_UNASKED)")
    )
    return {("deciding/asking.py", line) for line in range(at, at + 3)} | {("pipeline.py", mixed)}


def first_line(module: str, function: str) -> Point:
    """Where the body of a function begins: `dispatcher.py`, `Dispatcher._settle`."""
    (code,) = (one for one in bodies()[module] if one.co_qualname == function)
    return Point(module, min(_lines(code)))


@cache
def _source(module: str) -> list[str]:
    return (WORKER / module).read_text(encoding="utf-8").splitlines()
