"""Loads a rules folder: each file of its top level whose name starts with neither `_` nor `.`.

The only module of this package that reads files. A bad file never stops the others.
"""

from __future__ import annotations

import ast
import stat
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from inspect import getattr_static
from pathlib import Path
from types import MappingProxyType, ModuleType

from worker.model.events import EVENT_TYPES, Event
from worker.playbooks.context import Lists, Review
from worker.playbooks.deciding import Playbook
from worker.playbooks.declaration import MARK, Declaration
from worker.playbooks.excluding import NO_EXCLUSIONS, Exclusions, excluded_by, is_reserved
from worker.playbooks.foreseeing import foreseen
from worker.playbooks.guard import NO_GUARD, Guard, NotRunAgainError, Overran
from worker.playbooks.index import Asked, Index
from worker.playbooks.interrupts import by_a_person
from worker.playbooks.namespace import TOO_LONG, BrokenModuleError, Namespace, Source
from worker.playbooks.needs import undeclared
from worker.playbooks.overrides import NAME as PARAMS
from worker.playbooks.overrides import Overrides, overrides_of, unreadable
from worker.playbooks.parameters import GUARDED as TUNING
from worker.playbooks.parameters import tuned
from worker.playbooks.problems import Problem, nearest
from worker.playbooks.purity import swallows
from worker.playbooks.tables import READERS, BadListError, Listed, read
from worker.playbooks.validation import build

FILE_LIMIT = 1024 * 1024
"""Bytes of one file of code."""
LIST_FILE_LIMIT = 32 * FILE_LIMIT
"""Bytes of one list."""


Print = tuple[tuple[str, tuple[int, ...]], ...]
"""The files of a folder, each with what changes when it is written or exchanged."""


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """One generation of playbooks, by id, with everything that was wrong with the others."""

    playbooks: tuple[Playbook, ...]
    problems: tuple[Problem, ...]
    lists: Lists
    by_type: Mapping[type[Event], tuple[Playbook, ...]]
    cautions: tuple[Problem, ...] = ()
    """What loads, and is worth a thought all the same."""
    guard: Guard = NO_GUARD
    """Holds the playbooks to their bounds while they decide."""
    foreseen: tuple[Problem, ...] = ()
    """What loads, and will fail where it comes to that line."""
    exclusions: Exclusions = NO_EXCLUSIONS
    """Mail about which no playbook is asked."""
    unguarded: tuple[Problem, ...] = ()
    """Why it is not known what to exclude: then nothing may be decided."""
    index: Mapping[type[Event], Index] = field(init=False, repr=False)
    """Whom to ask about an event."""

    def __post_init__(self) -> None:
        indexes = {kind: Index(kind, playbooks) for kind, playbooks in self.by_type.items()}
        object.__setattr__(self, "index", MappingProxyType(indexes))

    def asked(self, events: Sequence[Event], only: Collection[str] | None = None) -> Iterator[Asked]:
        """Each playbook that may want something of these events of one type, with the places of those to ask it about."""
        index = self.index.get(type(events[0])) if events else None
        return index.columns(events, only) if index else iter(())


def load(directory: Path, guard: Guard = NO_GUARD) -> Catalogue:
    """The playbooks of a folder. Never raises for what stands in the folder: that is in `problems`."""
    sources, problems = _sources(directory)
    lists, list_problems = _lists(directory / "lists")
    problems += list_problems
    overrides = overrides_in(directory)
    found: list[Playbook] = []
    with guard.watching(), Namespace(sources, directory.resolve().name, guard) as namespace:
        for stem in sorted(stem for stem in sources if not stem.startswith("_")):
            built = _inspected(namespace, stem, sources[stem])
            found += [one for one in built if isinstance(one, Playbook)]
            problems += [one for one in built if isinstance(one, Problem)]
        problems += [problem for broken in namespace.problems.values() for problem in broken]
        found, untuned = tuned(found, overrides)
        problems += untuned
        ahead = tuple(_ahead(namespace, sources, found, None if list_problems else lists))
    found, listless = (found, []) if list_problems else _with_lists(found, lists)
    unique, duplicates = _unique(found)
    ordered = sorted(
        [*problems, *listless, *duplicates], key=lambda problem: (str(problem.path), problem.line)
    )
    return Catalogue(
        unique,
        tuple(ordered),
        lists,
        _by_type(unique),
        tuple(namespace.cautions),
        guard,
        ahead,
        Exclusions.of_lists(lists),
        tuple(one for one in list_problems if is_reserved(one.path.stem) or one.path.name == "lists"),
    )


def lists_of(directory: Path) -> Lists:
    """The lists of a rules folder, without those that cannot be read."""
    return _lists(directory / "lists")[0]


def overrides_in(directory: Path) -> Overrides:
    """What `params.toml` of a rules folder says; nothing where there is none."""
    file = directory / PARAMS
    with suppress(PermissionError):
        try:
            file.lstat()  # so that a link into nothing is told
        except (FileNotFoundError, NotADirectoryError):
            return Overrides(file)
    text = _text(file)
    return unreadable(file, text) if isinstance(text, Problem) else overrides_of(file, text)


def fingerprint(directory: Path) -> Print:
    """What tells one state of a folder from another without reading it; links are followed. Never raises."""
    files = (file for pattern in ("*.py", "*.toml", "lists/*") for file in directory.glob(pattern))
    return tuple((str(file), _stamp(file)) for file in sorted(files))


def _stamp(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except OSError:
        return ()  # on its way in or out
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def catalogue_of(catalogue: Catalogue, playbooks: Iterable[Playbook]) -> Catalogue:
    """The catalogue with other forms of its playbooks."""
    others = tuple(playbooks)
    return replace(catalogue, playbooks=others, by_type=_by_type(others))


def _sources(directory: Path) -> tuple[dict[str, Source], list[Problem]]:
    remedy = (
        "name the folder that holds the playbooks, for example WORKER_RULES_DIR=rules or `worker check rules`"
    )
    try:
        files = sorted(file for file in directory.iterdir() if file.suffix == ".py" and not file.is_dir())
    except OSError as error:
        return {}, [Problem(directory, 0, "", f"cannot read the rules folder: {error.strerror}", remedy)]
    sources: dict[str, Source] = {}
    problems = []
    for file in files:
        if file.name.startswith("."):
            continue
        text = _text(file)
        if isinstance(text, Problem):
            problems.append(text)
        else:
            sources[file.stem] = Source(file, text)
    if not problems and all(stem.startswith("_") for stem in sources):
        problems.append(Problem(directory, 0, "", "no playbook file in this folder", remedy))
    return sources, problems


def _lists(directory: Path) -> tuple[Lists, list[Problem]]:
    files, problems = _list_files(directory)
    listed: dict[Path, Listed] = {}
    for file in files:
        text = _text(file, LIST_FILE_LIMIT)
        if isinstance(text, Problem):
            problems.append(text)
            continue
        try:
            listed[file] = read(file.suffix, text)
            excluded_by(file.stem, listed[file].entries)
        except BadListError as error:
            listed.pop(file, None)
            problems += [Problem(file, row.line, "", row.what, row.remedy) for row in error.rows]
    entries = {file.stem: frozenset(one.entries) for file, one in listed.items()}
    tables = {file.stem: one.rows for file, one in listed.items() if one.rows is not None}
    reviews = {file.stem: Review(file, one.line, one.reviewed) for file, one in listed.items()}
    return Lists(entries, tables, reviews), problems


def _list_files(directory: Path) -> tuple[list[Path], list[Problem]]:
    """The lists, and what could be taken for one and is none; a folder that is not there has none."""
    try:
        found = sorted(file for file in directory.iterdir() if not file.name.startswith("."))
    except FileNotFoundError:
        return [], []
    except OSError as error:
        remedy = "make the folder of the lists readable for this user"
        return [], [Problem(directory, 0, "", f"cannot be read: {error.strerror}", remedy)]
    names = Counter(file.stem for file in found if file.suffix in READERS)
    files, problems = [], []
    for file in found:
        if file.suffix not in READERS:
            if is_reserved(file.stem):
                remedy = f"give it one of the endings {', '.join(READERS)}, or another name"
                problems.append(Problem(file, 0, "", "begins with `_` and is no list", remedy))
        elif names[file.stem] > 1:
            others = ", ".join(other.name for other in found if other.stem == file.stem and other is not file)
            what = f"its list has the name of {others} too"
            problems.append(Problem(file, 0, "", what, "keep one of them"))
        else:
            files.append(file)
    return files, problems


def _text(file: Path, limit: int = FILE_LIMIT) -> str | Problem:
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            return Problem(file, 0, "", "is no file", "remove it, or give it another suffix")
        if status.st_size > limit:
            what = f"has {status.st_size} bytes; at most {limit} are read"
            return Problem(file, 0, "", what, "split it, or keep only what playbooks need")
        data = file.read_bytes()
    except OSError as error:
        remedy = "mend the file's permissions, or remove the link"
        return Problem(file, 0, "", f"cannot be read: {error.strerror}", remedy)
    try:
        # A version must not depend on how a checkout ends its lines.
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Problem(file, line, "", "is not UTF-8", "save the file as UTF-8")


def _inspected(namespace: Namespace, stem: str, source: Source) -> list[Playbook | Problem]:
    try:
        with namespace.holding(stem):
            return list(_playbooks(namespace, stem, source))
    except (NotRunAgainError, Overran) as error:
        return [Problem(source.path, 1, "", f"cannot be read: {error}", TOO_LONG)]
    except BaseException as error:
        # Reading an author's objects runs the author's code. SystemExit too: no file may end the worker.
        if by_a_person(error):
            raise
        what = f"cannot be inspected: {type(error).__name__}"
        remedy = "keep objects with attributes of their own making out of the file's top level"
        return [Problem(source.path, 1, "", what, remedy)]


def _playbooks(namespace: Namespace, stem: str, source: Source) -> Iterator[Playbook | Problem]:
    try:
        module = namespace.module(stem)
    except BrokenModuleError:
        return  # the reason is in `namespace.problems`
    tree = namespace.trees[stem]
    yield from _hidden(source, tree)
    functions = _decorated(module)
    if not functions:
        remedy = "decorate a function with @playbook(on=...), or start the file's name with `_`"
        yield Problem(source.path, 1, "", "holds no playbook", remedy)
    for function in functions:
        built = build(function, source.path, namespace.version(stem))
        yield from (tuple(_at_odds(built, source, tree)) or [built]) if isinstance(built, Playbook) else built


def _ahead(
    namespace: Namespace, sources: Mapping[str, Source], found: Iterable[Playbook], lists: Lists | None
) -> Iterator[Problem]:
    """What the code of all modules will do wrong where nothing has come yet."""
    playbooks = {(one.path, one.function.__name__): one for one in found}
    for stem, module in namespace.modules():
        path = sources[stem].path
        on = {name: one.on for (file, name), one in playbooks.items() if file == path}
        for name, line, fault in foreseen(namespace.trees[stem], module, on, lists):
            playbook = playbooks.get((path, name))
            yield Problem(path, line, playbook.id if playbook else "", *fault)


def _at_odds(playbook: Playbook, source: Source, tree: ast.Module) -> Iterator[Problem]:
    """Where a playbook's code does not go together with its needs."""
    for line, fault in undeclared(tree, playbook.function.__name__, playbook.needs):
        yield Problem(source.path, line, playbook.id, *fault)
    for line, fault in swallows(tree) if playbook.needs else ():
        yield Problem(source.path, line, playbook.id, *fault)


def _decorated(module: ModuleType) -> list[object]:
    """The playbooks that the module itself defines, each once, in their order."""
    own: dict[int, object] = {}
    for value in vars(module).values():
        # Asked of the object itself: what its class would answer with is code of the file.
        declared = isinstance(getattr_static(value, MARK, None), Declaration)
        if declared and getattr(value, "__module__", "") == module.__name__:
            own.setdefault(id(value), value)
    return list(own.values())


def _hidden(source: Source, tree: ast.Module) -> Iterator[Problem]:
    """Functions that a later one of the same name replaces: a playbook among them would vanish in silence."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    counts = Counter(node.name for node in functions)
    for node in functions:
        if counts[node.name] > 1 and node.decorator_list:
            counts[node.name] = 0
            remedy = "give each function its own name"
            yield Problem(source.path, node.lineno, "", f"defines `{node.name}` more than once", remedy)


def _with_lists(found: Iterable[Playbook], lists: Lists) -> tuple[list[Playbook], list[Problem]]:
    """The playbooks whose conditions look into lists that there are."""
    whole, problems = [], []
    for one in found:
        unknown = {name: leaf for leaf in one.leaves for name in leaf.lists if name not in lists}
        for name, leaf in unknown.items():
            what = f"{leaf.name}: no list {name!r}{nearest(name, lists)}"
            remedy = f"write lists/{name}.txt; known lists: {', '.join(sorted(lists)) or 'none'}"
            problems.append(Problem(one.path, one.line, one.id, what, remedy))
        if not unknown:
            whole.append(one)
    return whole, problems


def _unique(found: Iterable[Playbook]) -> tuple[tuple[Playbook, ...], list[Problem]]:
    """The playbooks whose ids are their own, by id; of duplicates none is right, so none is loaded."""
    by_id: dict[str, list[Playbook]] = defaultdict(list)
    for one in found:
        by_id[one.id].append(one)
    problems = []
    for name, group in by_id.items():
        for one in group if len(group) > 1 else ():
            others = ", ".join(f"{other.path}:{other.line}" for other in group if other is not one)
            what = f"its id is also that of {others}"
            problems.append(Problem(one.path, one.line, name, what, "give each playbook an id of its own"))
    return tuple(by_id[name][0] for name in sorted(by_id) if len(by_id[name]) == 1), problems


def _by_type(playbooks: tuple[Playbook, ...]) -> Mapping[type[Event], tuple[Playbook, ...]]:
    return MappingProxyType({kind: tuple(one for one in playbooks if one.on is kind) for kind in EVENT_TYPES})


GUARDED = (Namespace.run.__code__, _inspected.__code__, *TUNING)
"""What runs author code while a folder is loaded, and turns whatever that raises into a Problem."""
