"""What the code of a rules folder may import and call, so that a decision needs nothing but its event.

A guard rail against accidents, not a jail: whoever can write to the rules folder can run code.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import worker.playbooks
import worker.playbooks.conditions
from worker.playbooks.matching import pattern_faults
from worker.playbooks.problems import Fault, nearest

AUTHORS_MODULES = {one.__name__: one.__all__ for one in (worker.playbooks, worker.playbooks.conditions)}
"""What authors import from, with the names that are there."""
PURE_MODULES = frozenset(
    {
        "__future__",
        "abc",
        "base64",
        "binascii",
        "bisect",
        "calendar",
        "collections",
        "collections.abc",
        "copy",
        "dataclasses",
        "datetime",
        "decimal",
        "difflib",
        "email.header",
        "email.utils",
        "enum",
        "fnmatch",
        "fractions",
        "functools",
        "hashlib",
        "heapq",
        "hmac",
        "html",
        "ipaddress",
        "itertools",
        "json",
        "math",
        "numbers",
        "operator",
        "quopri",
        "re",
        "statistics",
        "string",
        "textwrap",
        "types",
        "typing",
        "unicodedata",
        "urllib.parse",
        "zoneinfo",
    }
)
FORBIDDEN_BUILTINS = {
    "open": "opens a file",
    "input": "waits for a terminal",
    "print": "writes to the worker's log stream",
    "breakpoint": "stops the worker",
    "exec": "runs text as code",
    "eval": "runs text as code",
    "compile": "turns text into code",
    "__import__": "imports what `check` cannot see",
    "help": "writes to the worker's log stream",
    "copyright": "writes to the worker's log stream",
    "credits": "writes to the worker's log stream",
    "license": "writes to the worker's log stream",
    "exit": "is for people at a prompt",
    "quit": "is for people at a prompt",
}
_CLOCKS = {"datetime": ("now", "utcnow", "today"), "date": ("today",)}
"""Who asks the clock of the machine, by the class."""
_REMEDY_IMPORT = (
    "decide from the event and `context` alone; allowed are worker.playbooks, this folder's modules whose "
    "names start with `_` (from ._shared import ...), and the pure part of the standard library "
    "(docs/authors/reference.md lists it)"
)
_SPECIAL_REMEDY = {
    "time": "take the time from `context.now`",
    "random": "decide from the event's own fields, so that the same event gives the same decision",
    "pathlib": "put the data into lists/NAME.txt and read `context.lists`",
    "os": "put the data into lists/NAME.txt and read `context.lists`",
    "asyncio": "write a plain function: the worker does the waiting",
    "logging": "put what should be recorded into the action's `reason`",
    "worker": "import it from worker.playbooks",
}
_RE = (
    "imports re: mail can be made that keeps a pattern of `re` busy until the playbook is stopped",
    'write `from worker.playbooks import matches` and matches(r"...", message.subject)',
)
_CLOCK = (
    "asks the clock: a backtest, a replay and an example decide about another time than the worker did",
    "take the time from `context.now`",
)
_PER_PROCESS = (
    "takes a number that is another one in every process: the same event would decide otherwise after a restart",
    "take it from the text itself: int(hashlib.sha256(text.encode()).hexdigest(), 16)",
)
_SWALLOWS = (
    "catches every exception, also the one by which the worker learns what to fetch",
    "name what can happen: except (ValueError, KeyError):",
)
_LEAVES_FINALLY = (
    "returns from a `finally`, which swallows also the exception by which the worker learns what to fetch",
    "return behind it",
)
_CATCHES_ALL = (
    "catches every exception, also the one that stops a playbook that takes too long",
    "name what can happen: except (ValueError, KeyError):",
)


def guarded_builtins(importer: Any) -> dict[str, Any]:
    """The builtins for author code: without those that do I/O, and with `importer` as `__import__`."""
    allowed = {name: value for name, value in vars(builtins).items() if name not in FORBIDDEN_BUILTINS}
    return {**allowed, "__import__": importer}


def impurities(tree: ast.Module, folder: Collection[str]) -> Iterator[tuple[int, Fault]]:
    """Line, message and remedy of all that a module of the rules folder must not do.

    `folder`: by what names an import of the folder's modules begins: its own, and those of its shared modules.
    """
    top_level = set(tree.body)
    own_names = set(_bound_names(tree))
    yield from pattern_faults(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            faults = list(_import_faults(node, folder))
            if not faults and node not in top_level and _is_of_rules(node, folder):
                faults = [
                    (
                        "imports another module of the rules folder inside a block",
                        "import it at the file's top",
                    )
                ]
            yield from ((node.lineno, fault) for fault in faults)
        elif isinstance(node, ast.Name) and node.id in FORBIDDEN_BUILTINS and node.id not in own_names:
            yield (
                node.lineno,
                (f"uses `{node.id}`, which {FORBIDDEN_BUILTINS[node.id]}", _remedy_call(node.id)),
            )


def cautions(tree: ast.Module) -> Iterator[tuple[int, Fault]]:
    """What loads, and is worth a thought all the same."""
    classes = dict(_clock_classes(tree))
    own_numbers = {"hash", "id"} - set(_bound_names(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and _catches_all(node.type):
            yield node.lineno, _CATCHES_ALL
        elif isinstance(node, ast.Attribute) and node.attr in _CLOCKS.get(_class_of(node.value, classes), ()):
            yield node.lineno, _CLOCK
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in own_numbers:
            yield node.lineno, _PER_PROCESS
        elif (isinstance(node, ast.Import) and any(alias.name == "re" for alias in node.names)) or (
            isinstance(node, ast.ImportFrom) and node.module == "re"
        ):
            yield node.lineno, _RE


def _clock_classes(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """By what names the module knows `datetime` and `date`, or their module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "datetime":
            yield from ((alias.asname or alias.name, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (
                (alias.asname or alias.name, "the module") for alias in node.names if alias.name == "datetime"
            )


def _class_of(node: ast.expr, classes: Mapping[str, str]) -> str:
    """Which of the classes an expression names; empty where none."""
    if isinstance(node, ast.Attribute):
        return node.attr if _class_of(node.value, classes) == "the module" else ""
    return classes.get(node.id, "") if isinstance(node, ast.Name) else ""


def swallows(tree: ast.Module) -> Iterator[tuple[int, Fault]]:
    """What would keep the worker from learning what a playbook needs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and _catches_all(node.type):
            yield node.lineno, _SWALLOWS
        elif isinstance(node, ast.Try):
            inner = [one for part in node.finalbody for one in ast.walk(part)]
            yield from ((one.lineno, _LEAVES_FINALLY) for one in inner if isinstance(one, ast.Return))


def _import_faults(node: ast.Import | ast.ImportFrom, folder: Collection[str]) -> Iterator[Fault]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from _module_fault(alias.name, folder)
    elif node.level > 1:
        yield "imports from above the rules folder", _REMEDY_IMPORT
    elif node.module in AUTHORS_MODULES:
        yield from _surface_faults(node)
    elif not node.level and _is_shared(str(node.module), folder):
        return
    elif node.level or node.module in folder:
        names = [node.module] if node.level and node.module else [alias.name for alias in node.names]
        for name in names:
            yield from _sibling_fault(str(name))
    elif node.module not in PURE_MODULES and str(node.module).partition(".")[0] not in folder:
        for alias in node.names:
            yield from _module_fault(f"{node.module}.{alias.name}", folder, shown=str(node.module))
    else:
        yield from _module_fault(str(node.module), folder)


def _is_shared(name: str, folder: Collection[str]) -> bool:
    """Whether it is a shared module of the folder, named as if the folder were on Python's path."""
    return name.startswith("_") and name in folder


def _module_fault(name: str, folder: Collection[str], shown: str = "") -> Iterator[Fault]:
    parent, _, last = name.rpartition(".")
    if name in PURE_MODULES or name in AUTHORS_MODULES or _is_shared(name, folder):
        return
    if parent in folder:
        yield from _sibling_fault(last)
        return
    remedy = _SPECIAL_REMEDY.get(name.partition(".")[0], _REMEDY_IMPORT)
    yield (
        f"imports {shown or name}: a playbook performs no I/O and decides the same event the same way",
        remedy,
    )


def _sibling_fault(name: str) -> Iterator[Fault]:
    if not name.startswith("_") or "." in name:
        yield (
            f"imports {name}: playbook files do not import one another",
            f"move what they share into a module whose name starts with `_`, such as _{name}.py",
        )


def _surface_faults(node: ast.ImportFrom) -> Iterator[Fault]:
    surface = AUTHORS_MODULES[str(node.module)]
    for alias in node.names:
        if alias.name != "*" and alias.name not in surface:
            others = [name for name, names in AUTHORS_MODULES.items() if alias.name in names]
            hint = nearest(alias.name, surface)
            remedy = f"import it from {others[0]}" if others else f"import one of {', '.join(surface)}"
            yield f"{node.module} has no `{alias.name}`{hint}", remedy


def _catches_all(caught: ast.expr | None) -> bool:
    parts = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(part is None or (isinstance(part, ast.Name) and part.id == "BaseException") for part in parts)


def _is_of_rules(node: ast.Import | ast.ImportFrom, folder: Collection[str]) -> bool:
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [str(node.module)]
    relative = isinstance(node, ast.ImportFrom) and node.level > 0
    return relative or any(name.partition(".")[0] in folder for name in names)


def _remedy_call(name: str) -> str:
    if name == "open":
        return "put the data into lists/NAME.txt and read `context.lists`"
    return (
        "put it into the action's `reason`"
        if name == "print"
        else "decide from the event and `context` alone"
    )


def _bound_names(tree: ast.Module) -> Iterator[str]:
    """Names that the module gives a meaning of its own, such as `compile` after `from re import compile`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield node.asname or node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
