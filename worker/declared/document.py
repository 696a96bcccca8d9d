"""Reads a settings file: YAML without its traps, each value as the API takes it, each error with its line."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import yaml

from worker.declared.entries import Problem, Unusable, Wanted
from worker.declared.sections import FROM_ELSEWHERE, SECTIONS, Section
from worker.model.entries import MARK
from worker.model.strictyaml import YamlError, composed

MAX_BYTES = 8 * 2**20
MAX_VALUES = 500_000
"""Names and values of a file; all of them are held at once."""
COMPLETE = "complete"
"""The key that names the sections of which the file has every entry."""
_PREFIX = "tag:yaml.org,2002:"
_WHERE = re.compile(r"^(.*?) - at `\$\.(\w+)[^`]*`$", re.DOTALL)
_YES = frozenset({"yes", "true", "on"})


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says. A section that it does not name is not its business."""

    name: str
    sections: Mapping[str, tuple[Wanted, ...]]
    complete: frozenset[str] = frozenset()
    sha256: str = ""


def load(path: Path) -> Document:
    """Reads a file. Unusable names every line at which something is wrong; UsageError where it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unusable(str(path), [Problem(1, f"cannot be read: {error.strerror}; name a file")]) from None
    return parse(str(path), data)


def parse(name: str, data: bytes) -> Document:
    """What the bytes of a file say."""
    try:
        if len(data) > MAX_BYTES:
            what = f"is larger than {MAX_BYTES // 2**20} MiB; split the sections into several files"
            raise Unusable(name, [Problem(1, what)])
        text = data.decode("utf-8-sig")
        root = composed(text, values=MAX_VALUES)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Unusable(name, [Problem(line, "is not UTF-8; save it as UTF-8")]) from None
    except YamlError as error:
        raise Unusable(name, [Problem(error.line, str(error))]) from None
    return replace(_Reader(name).read(root), sha256=hashlib.sha256(data).hexdigest())


class _Reader:
    """Goes on after a mistake, so that one run shows them all."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._problems: list[Problem] = []

    def read(self, root: yaml.Node | None) -> Document:
        sections: dict[str, tuple[Wanted, ...]] = {}
        complete: dict[str, int] = {}
        for key, value in self._pairs(root, "the file") if root is not None else ():
            if key.value == COMPLETE:
                complete = dict(self._names(value))
            elif key.value in SECTIONS:
                sections[key.value] = tuple(self._section(SECTIONS[key.value], value))
            else:
                self._unknown(key, "section", (*SECTIONS, COMPLETE))
        for name, line in complete.items():
            self._check_complete(name, line, sections)
        if self._problems:
            raise Unusable(self._name, self._problems)
        return Document(self._name, sections, frozenset(complete))

    def _note(self, node: yaml.Node, what: str) -> None:
        self._problems.append(Problem(_line(node), what))

    def _unknown(self, node: yaml.Node, what: str, known: Iterable[str]) -> None:
        names = list(known)
        close = difflib.get_close_matches(str(node.value), names, 1)
        hint = f"did you mean {close[0]}?" if close else f"use one of {', '.join(names)}"
        self._note(node, f"{_shown(node.value)} is no {what}; {hint}")

    def _check_complete(self, name: str, line: int, sections: Mapping[str, object]) -> None:
        if name not in SECTIONS:
            self._problems.append(
                Problem(line, f"{_shown(name)} is no section; use one of {', '.join(SECTIONS)}")
            )
        elif SECTIONS[name].edit_only:
            self._problems.append(
                Problem(line, f"{name} cannot be complete: none is ever deleted; take it out")
            )
        elif name not in sections:
            what = f"{name} is complete, but has no section here: all of it would go; write `{name}: []` for that"
            self._problems.append(Problem(line, what))

    def _pairs(self, node: yaml.Node, what: str) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        """Keys and values, each key once."""
        if not isinstance(node, yaml.MappingNode):
            self._note(node, f"{what} is not `name: value` lines")
            return
        seen: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != f"{_PREFIX}str":
                self._note(key, "a name is expected here; put it in quotes if it looks like something else")
            elif key.value in seen:
                self._note(key, f"{_shown(key.value)} stands in line {seen[key.value]} already; keep one")
            else:
                seen[key.value] = _line(key)
                yield key, value

    def _names(self, node: yaml.Node) -> Iterator[tuple[str, int]]:
        if not isinstance(node, yaml.SequenceNode):
            self._note(node, f"`{COMPLETE}` is not a list of sections, such as [block_senders]")
            return
        yield from ((str(one.value), _line(one)) for one in node.value)

    def _section(self, section: Section, node: yaml.Node) -> Iterator[Wanted]:
        if not isinstance(node, yaml.SequenceNode):
            self._note(node, f"{section.name} is not a list of entries; write `{section.name}: []` for none")
            return
        seen: dict[tuple[Any, ...], int] = {}
        for one in node.value:
            wanted = self._entry(section, one)
            if wanted is None:
                continue
            if wanted.key in seen:
                self._note(one, f"the same entry stands in line {seen[wanted.key]} already; keep one")
            seen.setdefault(wanted.key, wanted.line)
            yield wanted

    def _entry(self, section: Section, node: yaml.Node) -> Wanted | None:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        before = len(self._problems)
        for key, value in self._pairs(node, f"an entry of {section.name}"):
            if key.value not in section.fields:
                self._unknown(key, f"field of {section.name}", section.fields)
                continue
            lines[key.value] = _line(value)
            values[key.value] = self._value(value)
        if len(self._problems) > before or not isinstance(node, yaml.MappingNode):
            return None
        self._check(section, values, lines, node)
        return Wanted(section, values, _line(node), lines) if len(self._problems) == before else None

    def _value(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.SequenceNode):
            return tuple(self._value(one) for one in node.value)
        kind = node.tag.removeprefix(_PREFIX)
        if isinstance(node, yaml.ScalarNode):
            if kind == "str":
                return node.value
            if kind == "null":
                return None
            if kind == "bool":
                return node.value.lower() in _YES
            if kind == "int" and re.fullmatch(r"0|[1-9]\d{0,8}", node.value):
                return int(node.value)
        self._note(node, "is not a text, yes or no, a number or a list; put a text in quotes")
        return None

    def _check(
        self, section: Section, values: Mapping[str, Any], lines: Mapping[str, int], node: yaml.Node
    ) -> None:
        missing = [one for one in section.key if one not in values and one not in section.defaults]
        if missing:
            self._note(node, f"an entry of {section.name} needs {', '.join(missing)}")
        for name, value in values.items():
            why = wrong(section, name, value)
            if why:
                self._problems.append(Problem(lines[name], f"{name}: {why}"))


def nameable(section: Section, values: Mapping[str, Any]) -> bool:
    """Whether a file can speak of such an entry: by a key that it could write."""
    return not any(
        wrong(section, name, values.get(name)) for name in section.key if name not in section.defaults
    )


def wrong(section: Section, name: str, value: Any) -> str:
    """Why the API would not take the value; empty where it would."""
    if name == "pattern_type" and value == FROM_ELSEWHERE:
        return ""  # of entries from before, which stay as they are
    if value is None and name in section.key:
        return "is empty; an entry is recognised by it"
    texts = [one for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, str)]
    if any(not one.isprintable() for one in texts if name != section.remark):
        return "holds a character that cannot be seen; write it without"
    if name == section.remark and any(one.startswith(MARK) for one in texts):
        return f"begins with {MARK.strip()!r}, by which the worker knows its own entries; begin with another word"
    return _unsendable(section, name, value)


def _unsendable(section: Section, name: str, value: Any) -> str:
    """By the struct that would be sent."""
    field, choices = _field(section, name)
    try:
        str(value).encode()
        msgspec.convert({name: value}, field)
    except msgspec.ValidationError as error:
        found = _WHERE.match(str(error))
        return _explained(found[1] if found else str(error), choices, value)
    except UnicodeEncodeError:
        return "holds a lone surrogate, which is no character"
    return ""


@cache
def _field(section: Section, name: str) -> tuple[type[msgspec.Struct], tuple[str, ...]]:
    """The field alone, as a struct, and the words that it takes, where it takes only some."""
    kind = section.new if name in section.key else section.change
    hint = get_type_hints(kind, include_extras=True)[name]
    return msgspec.defstruct("Field", [(name, hint)]), tuple(_choices(hint))


def _explained(told: str, choices: Sequence[str], value: Any) -> str:
    if choices:
        return f"expected {'a list of ' if 'array' in told else ''}{', '.join(choices)}, got {_shown(value)}"
    if "regex" in told:
        return "is blank; write what is meant"
    told = told.replace("`", "").replace("str | null", "text").replace("str", "text")
    told = told.replace(" | null", "").replace("Expected", "expected")
    quotes = "; put it in quotes" if "expected text" in told and isinstance(value, bool | int) else ""
    return f"{told}{quotes}"


def _choices(hint: Any) -> list[str]:
    """The words that a field takes, where it takes only some."""
    if get_origin(hint) is Literal:
        return [str(one) for one in get_args(hint)]
    parts = get_args(hint)[:1] if get_origin(hint) is Annotated else get_args(hint)
    return [word for part in parts for word in _choices(part)]


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return ascii(text[:60])
