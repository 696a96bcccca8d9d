"""One entry of a section: as a file wants it, and as the tenant has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from worker.cloudflare.wire import Setting
from worker.declared.sections import Section, normal
from worker.errors import UsageError
from worker.model.entries import MARK

DIRECTORY = "SNOOPY-"
"""How the provenance of a person begins whom a directory brings: the vendor lets nobody edit those."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An entry of the file; fields that it does not name are left as they are."""

    section: Section
    values: Mapping[str, Any]
    line: int
    lines: Mapping[str, int]

    @property
    def key(self) -> tuple[Any, ...]:
        return self.section.key_of(self.values)


@dataclass(frozen=True, slots=True)
class Present:
    """An entry of the tenant, as far as a file can speak of it."""

    section: Section
    id: str
    values: Mapping[str, Any]
    created_at: datetime | None = None
    from_directory: bool = False

    @property
    def key(self) -> tuple[Any, ...]:
        return self.section.key_of(self.values)

    @property
    def label(self) -> str:
        return self.section.label(self.values)

    @property
    def made_by(self) -> str:
        """The id of the worker's action that has made it; empty for everybody else's."""
        text = str(self.values.get(self.section.remark) or "")
        return (
            text.removeprefix(MARK).split()[0] if text.startswith(MARK) and text[len(MARK) :].strip() else ""
        )

    def differs(self, name: str, wanted: Any) -> bool:
        """Whether the tenant says something else there."""
        return bool(normal(self.values.get(name)) != normal(wanted))


def present(section: Section, row: Setting) -> Present:
    """What a row of the API says of what a file can say."""
    values = {name: value for name in section.fields if (value := getattr(row, name)) is not None}
    return Present(
        section,
        row.id,
        values,
        row.created_at,
        from_directory=str(getattr(row, "provenance", None) or "").startswith(DIRECTORY),
    )


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What is wrong at a line of the file, and how to mend it."""

    line: int
    what: str


class Unusable(UsageError):
    """A file that cannot be applied as it is: everything that is wrong with it, each with its line."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        self.lines = [f"{name}:{one.line}: {one.what}" for one in sorted(set(problems))]
        super().__init__("; ".join(self.lines))
