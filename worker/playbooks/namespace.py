"""Runs the modules of a rules folder in a throw-away package, so that two loads never share anything.

Author code gets its own `__import__`: imports within the folder go to this namespace and are remembered (for
the playbook's version), all others to Python. So nothing of the folder stays in `sys.modules`, nothing is
written to `__pycache__`, and a changed file is never mistaken for the one that was loaded before.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import inspect
import itertools
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Self

from worker.playbooks.declaration import Caps, playbook
from worker.playbooks.guard import NO_GUARD, PACKAGE, Guard, NotRunAgainError, Overran
from worker.playbooks.interrupts import by_a_person
from worker.playbooks.problems import Problem, clip, nearest
from worker.playbooks.purity import cautions, guarded_builtins, impurities

_GENERATIONS = itertools.count(1)
TOO_LONG = "bound the loop, the number or the text: a decision and an import must take microseconds"
"""The remedy for what does not end."""
_TAKES = {one.__name__: tuple(inspect.signature(one).parameters) for one in (playbook, Caps)}
_KEYWORD = re.compile(
    rf"(?P<who>{'|'.join(_TAKES)})\S*\(\) got an unexpected keyword argument '(?P<name>\w+)'"
)


@dataclass(frozen=True, slots=True)
class Source:
    """One file of the rules folder, as it was read."""

    path: Path
    text: str


class BrokenModuleError(Exception):
    """A module of the folder was refused; its problems are in `Namespace.problems`."""

    def __init__(self, stem: str) -> None:
        super().__init__(f"{stem}.py was refused")
        self.stem = stem


class Namespace:
    """One generation of a rules folder's modules, by stem. Use as a context manager while loading."""

    def __init__(self, sources: Mapping[str, Source], folder: str, guard: Guard = NO_GUARD) -> None:
        self.problems: dict[str, tuple[Problem, ...]] = {}
        self.cautions: list[Problem] = []
        self.trees: dict[str, ast.Module] = {}
        """The syntax of each module that was run."""
        self._sources = sources
        self._guard = guard
        self._folder = frozenset({folder, "rules"})
        """Names under which the folder is a package for its own modules: `from rules._shared import ...`."""
        self._shared = frozenset(stem for stem in sources if stem.startswith("_"))
        self._package = ModuleType(f"{PACKAGE}{next(_GENERATIONS)}")
        self._modules: dict[str, ModuleType] = {}
        self._running: list[str] = []
        self._imports: dict[str, set[str]] = {}

    def __enter__(self) -> Self:
        sys.modules[self._package.__name__] = self._package
        return self

    def __exit__(self, *_: object) -> None:
        # They were there only because `dataclasses` looks its classes' modules up by name.
        for name in [name for name in sys.modules if name.partition(".")[0] == self._package.__name__]:
            del sys.modules[name]

    def module(self, stem: str) -> ModuleType:
        """The module, run at its first use.

        Raises:
            BrokenModuleError: it cannot be loaded; `problems` says why.
        """
        if stem not in self._modules and stem not in self.problems:
            self.run(stem)
        if stem in self.problems:
            raise BrokenModuleError(stem)
        return self._modules[stem]

    def modules(self) -> Iterator[tuple[str, ModuleType]]:
        """Every module that could be loaded, by its stem."""
        yield from self._modules.items()

    def version(self, stem: str) -> str:
        """A hash over the sources of the module and of all modules of the folder that it imports."""
        reached, open_ends = {stem}, [stem]
        while open_ends:
            fresh = self._imports.get(open_ends.pop(), set()) - reached
            reached |= fresh
            open_ends += fresh
        digest = hashlib.sha256()
        # The playbook's own file first and without its name: a renamed file decides as before.
        for part in (stem, *sorted(reached - {stem})):
            digest.update(hashlib.sha256(self._sources[part].text.encode()).digest())
        return digest.hexdigest()[:12]

    def holding(self, stem: str) -> AbstractContextManager[None]:
        """Remembers that this file's code runs meanwhile. NotRunAgainError: it has ended a process."""
        digest = hashlib.sha256(self._sources[stem].text.encode()).hexdigest()[:12]
        return self._guard.holding(f"file {stem}.py {digest}")

    def run(self, stem: str) -> None:
        """Runs a module; what is wrong with it goes to `problems`."""
        source = self._sources[stem]
        code = self._compiled(stem, source)
        if code is None:
            return
        module = ModuleType(f"{self._package.__name__}.{stem}")
        module.__dict__.update(
            __file__=str(source.path),
            __package__=self._package.__name__,
            __builtins__=guarded_builtins(partial(self._import, stem)),
        )
        sys.modules[module.__name__] = module
        self._running.append(stem)
        try:
            with self.holding(stem):
                exec(code, module.__dict__)  # noqa: S102 - running playbooks is what this is for
        except BaseException as error:
            # SystemExit too: no file may end the worker.
            if by_a_person(error):
                raise
            self.problems.setdefault(stem, (self._raised(source, error),))
        else:
            self._modules[stem] = module
        finally:
            self._running.pop()

    def _compiled(self, stem: str, source: Source) -> CodeType | None:
        try:
            tree = ast.parse(source.text, str(source.path))
            found = sorted(impurities(tree, self._folder | self._shared))
            if not found:
                self.cautions += [_problem(source, line, *fault) for line, fault in cautions(tree)]
                self.trees[stem] = tree
                return compile(tree, str(source.path), "exec", dont_inherit=True)
            self.problems[stem] = tuple(_problem(source, line, *fault) for line, fault in found)
        except SyntaxError as error:
            line, what = error.lineno or 1, f"syntax error: {error.msg}"
            self.problems[stem] = (_problem(source, line, what, "mend the line"),)
        except (ValueError, RecursionError, MemoryError) as error:
            what = f"cannot be read as Python: {type(error).__name__}: {error}"
            self.problems[stem] = (_problem(source, 1, what, "mend the file"),)
        return None

    def _raised(self, source: Source, error: BaseException) -> Problem:
        known = {str(source.path): source.path for source in self._sources.values()}
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in known]
        if isinstance(error, BrokenModuleError):
            what, remedy = f"needs {error.stem}.py, which was refused", f"mend {error.stem}.py first"
        elif isinstance(error, CircularImportError):
            what, remedy = str(error), "move what both need into a third module"
        elif isinstance(error, NotRunAgainError | Overran):
            what, remedy = f"cannot be imported: {error}", TOO_LONG
        else:
            text = traceback.format_exception_only(error)[-1].strip()
            text = clip(text.removeprefix(f"{self._package.__name__}."))
            what, remedy = f"raised {text} while it was imported", _remedy(text)
        place = frames[-1] if frames else None
        line = place.lineno if place and place.lineno else 1
        return Problem(known[place.filename] if place else source.path, line, "", what, remedy)

    def _import(
        self,
        importer: str,
        name: str,
        globals_: Mapping[str, Any] | None = None,
        locals_: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """`__import__` of the author's code, from which `impurities` has removed all that is not pure."""
        parts = name.split(".") if name else []
        if not level and parts and parts[0] in self._shared:
            self._join(importer, parts[0])
            return self._modules[parts[0]]
        if not level and (not parts or parts[0] not in self._folder):
            return builtins.__import__(name, globals_, locals_, fromlist or (), level)
        inner = parts if level else parts[1:]
        wanted = inner[:1] or [item for item in fromlist or () if item in self._sources]
        for stem in wanted:
            self._join(importer, stem)
        return self._modules[inner[0]] if inner and fromlist else self._package

    def _join(self, importer: str, stem: str) -> None:
        if stem not in self._sources:
            raise ModuleNotFoundError(f"no module {stem}.py in the rules folder")
        if stem in self._running:
            raise CircularImportError([*self._running[self._running.index(stem) :], stem])
        self._imports.setdefault(importer, set()).add(stem)
        setattr(self._package, stem, self.module(stem))


class CircularImportError(Exception):
    """Modules of the folder import one another in a ring."""

    def __init__(self, ring: Sequence[str]) -> None:
        super().__init__("circular import: " + " -> ".join(f"{stem}.py" for stem in ring))


def _problem(source: Source, line: int, message: str, remedy: str) -> Problem:
    return Problem(source.path, line, "", message, remedy)


def _remedy(text: str) -> str:
    if misspelt := _KEYWORD.search(text):
        takes = _TAKES[misspelt["who"]]
        return f"it takes {', '.join(takes)}{nearest(misspelt['name'], takes)}"
    if "playbook()" in text:
        return "write @playbook(on=Detection, ...): `on` is required, and all arguments have names"
    return "mend the line: what a file does while it is imported must not fail"
