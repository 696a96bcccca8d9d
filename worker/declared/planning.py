"""What would have to be done for the tenant to be as a file says. Pure: a plan can be made as often as one likes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from worker.declared.document import Document, nameable
from worker.declared.entries import Present, Problem, Unusable, Wanted
from worker.declared.sections import FROM_ELSEWHERE, SECTIONS, Section
from worker.declared.vetting import Guard, narrows

TAKEN_OVER = "taken over from the worker"
"""The comment of an entry that a file makes its own without giving it one."""
_NEVER = datetime.max.replace(tzinfo=UTC)


class Op(StrEnum):
    """What is done to an entry, in the order in which the vendor's batches do it."""

    DELETE = "delete"
    EDIT = "edit"
    ADD = "add"


@dataclass(frozen=True, slots=True)
class Change:
    """One entry that is to become another one, to come or to go. Of an edit only what differs is held."""

    section: Section
    op: Op
    label: str
    key: tuple[Any, ...]
    id: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    line: int | None = None
    made_by: str = ""
    """The action of the worker that had made the entry, if one had."""

    @property
    def mark(self) -> tuple[str, tuple[Any, ...]]:
        """What two plans speak of the same change by."""
        return (self.section.name, (self.id,) if self.op is Op.DELETE else self.key)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that differs, section by section."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()
    """What is left as it is although one might have expected otherwise."""

    def of(self, section: str) -> tuple[Change, ...]:
        """The changes of one section."""
        return tuple(one for one in self.changes if one.section.name == section)

    def count(self, op: Op) -> int:
        """How many entries come, change or go."""
        return sum(one.op is op for one in self.changes)


def plan(
    document: Document,
    tenant: Mapping[str, Sequence[Present]],
    guard: Guard,
    made: Collection[str] = (),
) -> Plan:
    """Compares the file's sections with the tenant's.

    Args:
        document: what is wanted.
        tenant: what is there, for each section of the file.
        guard: knows what must not be declared.
        made: ids of entries that the worker has made and that are to go as well.

    Raises:
        Unusable: with every line that asks for what cannot or must not be done.
    """
    changes: list[Change] = []
    notes: list[str] = []
    problems: list[Problem] = []
    for section in SECTIONS.values():
        if section.name not in document.sections:
            continue
        one = _Comparison(section, tenant[section.name], guard)
        wanted = document.sections[section.name]
        found = list(one.compare(wanted))
        changes += one.left_over(made, complete=section.name in document.complete)
        changes += sorted(found, key=lambda change: change.op is Op.ADD)
        notes += one.notes
        problems += one.problems
    if problems:
        raise Unusable(document.name, problems)
    return Plan(tuple(changes), tuple(notes))


class _Comparison:
    """One section."""

    def __init__(self, section: Section, there: Sequence[Present], guard: Guard) -> None:
        self._section = section
        self._guard = guard
        self._left: defaultdict[tuple[Any, ...], list[Present]] = defaultdict(list)
        for one in sorted(there, key=lambda one: (bool(one.made_by), one.created_at or _NEVER, one.id)):
            self._left[one.key].append(one)
        self._declared: set[tuple[Any, ...]] = set()
        self.notes: list[str] = []
        self.problems: list[Problem] = []

    def compare(self, wanted: Sequence[Wanted]) -> Iterator[Change]:
        """What comes and what changes."""
        for one in wanted:
            self._declared.add(one.key)
            candidates = self._left[one.key]
            found = min(candidates, key=lambda there: len(_differing(one, there)), default=None)
            if found is not None:
                candidates.remove(found)
            try:
                change = self._added(one) if found is None else self._edited(one, found)
            except _RefusedError as refused:
                self.problems.append(Problem(*refused.args))
            else:
                if change is not None:
                    yield change

    def left_over(self, made: Collection[str], *, complete: bool) -> list[Change]:
        """What goes: where the file has every entry, all that it does not have; what the worker made, if named."""
        rest = [one for several in self._left.values() for one in several if not one.from_directory]
        self.notes += [
            f"{self._section.name}: {one.label} is in the tenant once more, as id {one.id}; see the dashboard"
            for one in rest
            if one.key in self._declared and not complete and not one.made_by
        ]
        ours = [one for one in rest if one.made_by]
        theirs = [one for one in rest if complete and not one.made_by]
        gone = [one for one in theirs if nameable(self._section, one.values)]
        gone += [one for one in ours if one.id in made]
        self.notes += [
            f"{self._section.name}: {one.label} was made by the worker (action {one.made_by}) and stays, as id {one.id}; "
            f"`worker undo {one.made_by}` takes it back, or add --delete-made {one.id}"
            for one in ours
            if complete and one.id not in made
        ]
        self.notes += [
            f"{self._section.name}: id {one.id} stays: no file can name it; see the dashboard"
            for one in theirs
            if not nameable(self._section, one.values)
        ]
        return [
            Change(self._section, Op.DELETE, one.label, one.key, one.id, one.values, {}, made_by=one.made_by)
            for one in gone
        ]

    def _added(self, one: Wanted) -> Change:
        section, values = self._section, {**self._section.defaults, **one.values}
        if section.edit_only:
            raise _RefusedError(
                one.line, f"{section.label(values)} is not in the tenant; add it in the dashboard first"
            )
        if values.get("pattern_type") == FROM_ELSEWHERE:
            raise _RefusedError(
                one.lines["pattern_type"],
                "pattern_type: no new entry can be UNKNOWN; use EMAIL, DOMAIN or IP",
            )
        missing = [name for name in section.required if values.get(name) is None]
        if missing:
            raise _RefusedError(
                one.line, f"{section.label(values)} is new, so it needs {', '.join(missing)} too"
            )
        if why := self._guard.refusal(section, values):
            raise _RefusedError(one.line, why)
        ordered = {name: values[name] for name in section.fields if name in values}
        return Change(section, Op.ADD, section.label(values), one.key, "", {}, ordered, one.line)

    def _edited(self, one: Wanted, there: Present) -> Change | None:
        section, names = self._section, _differing(one, there)
        if not names:
            if there.made_by:
                self.notes.append(
                    f"{section.name}: {there.label} was made by the worker (action {there.made_by}) and goes with it; "
                    f"give it `{section.remark}` of your own to make it yours"
                )
            return None
        if there.made_by and section.remark not in names:
            # Without the worker's mark it is anybody's, and no longer comes and goes with an action.
            names.append(section.remark)
        after = {name: one.values.get(name, TAKEN_OVER) for name in names}
        before = {name: there.values.get(name) for name in names}
        if there.from_directory:
            why = f"{there.label} comes from a directory, and the vendor lets nobody edit it; take it out"
            raise _RefusedError(one.line, why)
        if not all(narrows(name, after[name]) for name in names if name != section.remark) and (
            why := self._guard.refusal(section, {**there.values, **one.values})
        ):
            raise _RefusedError(one.line, why)
        if there.made_by:
            self.notes.append(
                f"{section.name}: {there.label} was made by the worker (action {there.made_by}); once it is changed it "
                "is yours, and the worker does not take it back"
            )
        return Change(
            section, Op.EDIT, there.label, one.key, there.id, before, after, one.line, there.made_by
        )


class _RefusedError(Exception):
    """A line, and why it cannot be done."""


def _differing(wanted: Wanted, there: Present) -> list[str]:
    return [
        name
        for name in wanted.section.fields
        if name in wanted.values
        and name not in wanted.section.key
        and there.differs(name, wanted.values[name])
    ]
