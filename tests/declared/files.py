"""Short ways to say what a file wants, what a tenant has, and what follows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from textwrap import dedent
from typing import Any

from worker.declared.document import Document, parse
from worker.declared.entries import Present
from worker.declared.planning import Change, Plan, plan
from worker.declared.sections import SECTIONS
from worker.declared.vetting import Guard
from worker.model.entries import MARK

OWN = ("corp.example",)
EARLY = datetime(2026, 1, 1, tzinfo=UTC)


def file(text: str) -> Document:
    """What a file of this text says."""
    return parse("settings.yaml", dedent(text).encode())


def there(section: str, number: int = 1, *, directory: bool = False, **values: Any) -> Present:
    """An entry of the tenant; the higher its number, the newer it is."""
    at = EARLY + timedelta(days=number)
    return Present(SECTIONS[section], f"id-{number}", values, at, from_directory=directory)


def blocked(number: int = 1, pattern: str = "evil.example", **values: Any) -> Present:
    """A block of a domain."""
    given: dict[str, Any] = {"pattern": pattern, "pattern_type": "DOMAIN", "is_regex": False}
    return there("block_senders", number, **given | values)


def made(action: str) -> str:
    """The comment of an entry that an action of the worker has made."""
    return f"{MARK}{action} (block-phishers) until 2026-12-01: phishing"


def compared(text: str, *tenant: Present, made: Collection[str] = (), own: Sequence[str] = OWN) -> Plan:
    """The plan of a file against a tenant with these entries."""
    present = {name: [one for one in tenant if one.section.name == name] for name in SECTIONS}
    return plan(file(text), present, Guard(own), made)


def said(changes: Sequence[Change]) -> list[str]:
    """The changes, a short line each."""
    return [f"{one.op} {one.label}" for one in changes]
