"""Batches: many operations on one resource in one request, in the vendor's order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec

from worker.simulator.envelope import ApiError
from worker.simulator.reading import decode

from .collection import Entry
from .editing import Edit

Items = Annotated[list[msgspec.Raw], msgspec.Meta(max_length=1000)]


class Batch(msgspec.Struct):
    """Body of a batch; all four arrays are required, and run in this order."""

    deletes: Items
    patches: Items
    puts: Items
    posts: Items


class Deletes(msgspec.Struct):
    """Body of a batch that can only delete."""

    deletes: list[msgspec.Raw]


class _Named(msgspec.Struct):
    id: str


def _delete(edit: Edit, item: msgspec.Raw, pointer: str) -> Entry:
    return edit.delete(decode(item, _Named, pointer).id, pointer)


def _patch(edit: Edit, item: msgspec.Raw, pointer: str) -> Entry:
    return edit.patch(decode(item, _Named, pointer).id, item, pointer)


def _put(edit: Edit, item: msgspec.Raw, pointer: str) -> Entry:
    return edit.put(decode(item, _Named, pointer).id, item, pointer)


def _post(edit: Edit, item: msgspec.Raw, pointer: str) -> Entry:
    return edit.post(item, pointer)


_WORK: dict[str, Callable[[Edit, msgspec.Raw, str], Entry]] = {
    "deletes": _delete,
    "patches": _patch,
    "puts": _put,
    "posts": _post,
}


def run(edit: Edit, batch: Batch | Deletes, *, atomic: bool) -> dict[str, list[Entry]]:
    """Runs a batch; raises ApiError at its first mistake and tells where it stands.

    An atomic batch has then done nothing, another one what stands before the mistake.
    """
    done: dict[str, list[Entry]] = {}
    try:
        for part in batch.__struct_fields__:
            items = getattr(batch, part)
            done[part] = [_WORK[part](edit, item, f"/{part}/{number}") for number, item in enumerate(items)]
    except ApiError:
        if not atomic:
            edit.keep()
        raise
    edit.keep()
    return done
