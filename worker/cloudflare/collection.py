"""What a collection of settings can do; each one is declared as its path, its rows and what is sent for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar

from worker.cloudflare import rows
from worker.cloudflare.bodies import Body, Direction, changes, plain
from worker.cloudflare.listing import Listing, Paged, numbered
from worker.cloudflare.operations import Operation, is_id
from worker.cloudflare.shapes import Shape, settle_named
from worker.cloudflare.transport import Answer, Transport
from worker.cloudflare.wire import Named, Setting
from worker.ports import Lane

MAX_BATCH = 1000
"""Entries of each of a batch's four lists (API reference, allow policies)."""

Row = TypeVar("Row", bound=Setting)
Identified = TypeVar("Identified", bound=Named)
Post = TypeVar("Post", bound=Body)
Put = TypeVar("Put", bound=Body)
Patch = TypeVar("Patch", bound=Body)


class Sorted(Paged, total=False):
    """What most lists take."""

    direction: Direction
    search: str


class Collection(Generic[Row, Post, Patch]):
    """Can be listed, read, created, edited and deleted.

    A write returns the row as the API shows it, or None: the API may confirm one without showing it.
    """

    path: ClassVar[str]
    row: type[Row]

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.path}>"

    async def get(self, row_id: str, *, lane: Lane) -> Row:
        """One row. One that is not there is `Refused` with status 404."""
        answer = await self._transport.request(self._one("GET"), lane=lane, ids={"id": row_id})
        return _same(answer, rows.read_one(answer, self._shape), row_id)

    async def create(self, new: Post, *, lane: Lane | None) -> Row | None:
        """Creates one row; two when it is sent twice."""
        answer = await self._transport.request(self._all("POST"), lane=lane, body=plain(new))
        return rows.read_written(answer, self._shape)

    async def edit(self, row_id: str, patch: Patch, *, lane: Lane | None) -> Row | None:
        """Changes the fields that are set, and no others."""
        return await self._write(self._one("PATCH"), row_id, changes(patch), lane)

    async def delete(self, row_id: str, *, lane: Lane | None) -> None:
        """Deletes one row. One that is not there is `Refused` with status 404."""
        answer = await self._transport.request(self._one("DELETE"), lane=lane, ids={"id": row_id})
        gone = rows.read_written(answer, NAMED)
        if gone is not None:
            _same(answer, gone, row_id)

    @property
    def _shape(self) -> Shape[Row, Row]:
        return Shape(self.row, self._settle)

    def _settle(self, row: Row) -> Row:
        return settle_named(row)

    def _all(self, method: str, below: str = "") -> Operation:
        return _operation(method, self.path + below)

    def _one(self, method: str) -> Operation:
        return _operation(method, f"{self.path}/{{id}}")

    def _list(self, query: Mapping[str, Any], lane: Lane) -> Listing[Row]:
        return numbered(self._transport, self._all("GET"), self._shape, query, lane=lane)

    async def _write(self, operation: Operation, row_id: str, body: object, lane: Lane | None) -> Row | None:
        answer = await self._transport.request(operation, lane=lane, ids={"id": row_id}, body=body)
        row = rows.read_written(answer, self._shape)
        return None if row is None else _same(answer, row, row_id)


class Replaceable(Collection[Row, Post, Patch], Generic[Row, Post, Patch, Put]):
    """Can also be replaced whole."""

    async def replace(self, row_id: str, put: Put, *, lane: Lane | None) -> Row | None:
        """Puts a whole row under an id that exists."""
        return await self._write(self._one("PUT"), row_id, plain(put), lane)


@dataclass(frozen=True, slots=True)
class BatchAnswer(Generic[Row]):
    """What a batch did, list by list, in the order in which it was done."""

    deletes: tuple[str, ...] = ()
    patches: tuple[Row, ...] = ()
    puts: tuple[Row, ...] = ()
    posts: tuple[Row, ...] = ()


class Batched(Collection[Row, Post, Patch], Generic[Row, Post, Patch, Put]):
    """Can also be changed in many places by one request."""

    async def batch(
        self,
        *,
        deletes: Sequence[str] = (),
        patches: Mapping[str, Patch] | None = None,
        puts: Mapping[str, Put] | None = None,
        posts: Sequence[Post] = (),
        lane: Lane | None,
    ) -> BatchAnswer[Row]:
        """Deletes, patches, puts and posts, in this order, all or none; of domains the API does not promise that.

        Args:
            deletes: ids.
            patches: changes by id.
            puts: whole rows by the id of what they replace.
            posts: new rows.
            lane: who pays; `CLAIMED` where a claim has.

        Returns:
            What was done, as far as the API shows it: lists may be empty all the same.

        Raises:
            ValueError: nothing to do, too much, an id twice, or an entry that cannot be sent; nothing has been sent.
        """
        body = {
            "deletes": [{"id": one} for one in deletes],
            "patches": [{"id": one, **changes(patch)} for one, patch in (patches or {}).items()],
            "puts": [{"id": one, **plain(put)} for one, put in (puts or {}).items()],
            "posts": [plain(new) for new in posts],
        }
        answer = await send_batch(self._transport, self._all("POST", "/batch"), body, lane)
        shape = self._shape
        shapes: dict[str, Shape[Any, Any]] = {
            "deletes": NAMED,
            "patches": shape,
            "puts": shape,
            "posts": shape,
        }
        groups = rows.read_groups(answer, shapes)
        done = {name: rows.whole(answer, decoded) for name, decoded in groups.items()}
        return BatchAnswer(tuple(one.id for one in done.pop("deletes")), **done)


async def send_batch(
    transport: Transport, operation: Operation, body: dict[str, list[dict[str, Any]]], lane: Lane | None
) -> Answer:
    """Sends a batch that does something, names each id once, and is within its bounds; ValueError for any other."""
    if not any(body.values()) or any(len(entries) > MAX_BATCH for entries in body.values()):
        raise ValueError(f"a batch needs 1 to {MAX_BATCH} entries in each list that is not empty")
    ids = Counter(entry["id"] for entries in body.values() for entry in entries if "id" in entry)
    if any(not is_id(one) or count > 1 for one, count in ids.items()):
        raise ValueError("each id of a batch must be a text that stands in it once")
    return await transport.request(operation, lane=lane, body=body)


@cache
def _operation(method: str, template: str) -> Operation:
    return Operation(method, template)


def _same(answer: Answer, row: Identified, row_id: str) -> Identified:
    if row.id != row_id:
        raise answer.unbelievable("the answer is about another row")
    return row


NAMED: Shape[Named, Named] = Shape(Named, settle_named)
"""The answer to a delete: an id."""
