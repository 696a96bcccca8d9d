"""docs/audit.md explains what the code writes into the log."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from worker.model.actions import State

ROOT = Path(__file__).parents[2]
BY_STATE = {str(state) for state in (State.SHADOWED, State.HELD, State.SKIPPED, State.EXPIRED, State.UNKNOWN)}
"""What is written as the state that it ends or stops in."""
PASSED_ON = ("_change", "_let_go", "entries_for")
"""Functions that take the kind as an argument."""


def _kinds(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(kind)):
            yield kind
        case ast.IfExp():
            yield from _kinds(node.body)
            yield from _kinds(node.orelse)
        case ast.Call(func=ast.Name(id="str")):
            yield from BY_STATE
        case ast.Name(id="kind"):
            pass  # see PASSED_ON
        case _:
            raise AssertionError(f"an audit record of unforeseen kind: {ast.unparse(node)}")


def _written() -> Iterator[str]:
    for path in sorted((ROOT / "worker/store").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="Entry"), args=[kind, *_]):
                    yield from _kinds(kind)
                case ast.Call(func=ast.Name(id=name), args=args) if name in PASSED_ON:
                    yield from (
                        one.value
                        for one in args
                        if isinstance(one, ast.Constant) and isinstance(one.value, str)
                    )


def test_the_table_of_kinds_is_what_the_code_writes() -> None:
    """None is missing, and none is there that nobody writes."""
    table = (
        (ROOT / "docs/audit.md")
        .read_text(encoding="utf-8")
        .partition("| kind | when |")[2]
        .partition("\n\n")[0]
    )
    named = [kind for row in table.splitlines() for kind in re.findall(r"`(\w+)`", row.split(" | ")[0])]
    assert sorted(named) == sorted(set(_written()))


def test_nothing_else_writes_records() -> None:
    """The table is compared with worker/store alone: no other package makes entries of the log."""
    outside = (path for path in (ROOT / "worker").rglob("*.py") if "store" not in path.parts)
    writes = re.compile(r"store\.trail\.audit import|audit\.(append|Entry)\b")
    assert not [path for path in outside if writes.search(path.read_text(encoding="utf-8"))]
