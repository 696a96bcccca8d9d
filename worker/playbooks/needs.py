"""What playbooks declare to need, and what they read: the two must agree before anything is fetched for them."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from reprlib import repr  # noqa: A004 - bounded, and safe where an author's __repr__ fails

from worker.model.needs import NEEDS
from worker.playbooks.problems import Fault, nearest

_WRITE = 'write needs=["details"]; there are ' + ", ".join(NEEDS)


def need_faults(needs: object) -> Iterator[Fault]:
    """What is wrong with the decorator's `needs`."""
    if not isinstance(needs, list | tuple):
        yield f"needs={repr(needs)}: expected a list of names", _WRITE
        return
    for need in needs:
        if need not in NEEDS:
            yield f"needs: no such need {repr(need)}{nearest(need, NEEDS)}", _WRITE


def undeclared_fault(need: str, needs: Collection[str]) -> Fault:
    """A playbook with these needs reads another one."""
    return f"reads `{need}`, which it does not declare", remedy_for(need, needs)


def remedy_for(need: str, needs: Collection[str]) -> str:
    """How to declare one need more."""
    named = ", ".join(f'"{one}"' for one in NEEDS if one == need or one in needs)
    return f"add it to the decorator: needs=[{named}]"


def undeclared(tree: ast.Module, name: str, needs: Collection[str]) -> Iterator[tuple[int, Fault]]:
    """Where the function of that name reads, off its event, what it does not declare."""
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    if (function := next(functions, None)) is None:
        return  # it is found out when an event, or an example, comes there
    parameters = [*function.args.posonlyargs, *function.args.args]
    for node in ast.walk(function):
        if not isinstance(node, ast.Attribute) or node.attr not in NEEDS or node.attr in needs:
            continue
        owner = node.value
        if isinstance(owner, ast.Attribute) and owner.attr == "message":
            owner = owner.value
        if isinstance(owner, ast.Name) and owner.id == parameters[0].arg:
            yield node.lineno, undeclared_fault(node.attr, needs)
