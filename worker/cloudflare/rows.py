"""From a body to rows that can be believed: fast where the page is clean, row by row where it is not."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import msgspec

from worker.cloudflare import lenient, verdicts
from worker.cloudflare.lenient import Poison, UnbelievableError
from worker.cloudflare.operations import MAX_ID
from worker.cloudflare.pages import FastRows
from worker.cloudflare.shapes import DETECTION, MOVE_ROW, Shape
from worker.cloudflare.sparing import LeftOut, without
from worker.cloudflare.transport import Answer
from worker.cloudflare.wire import BadRow, MoveRow, Page
from worker.model.events import Detection

MAX_ROWS = 10_000
"""Rows of one answer: ten times the largest page that can be asked for."""
MAX_RAW = 8192
FEW = 10
"""Bad rows that may be a page's only ones: so many say that the vendor has changed, not that a row is odd."""
_MAX_REASON, _MAX_CURSOR = 200, 8192

R = TypeVar("R")
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Decoded(Generic[R]):
    """The rows of an answer, and what its `result_info` says: None or 0 where it does not."""

    rows: tuple[R, ...]
    bad: tuple[BadRow, ...] = ()
    next: str | None = None
    total: int = 0
    per_page: int = 0
    pages: int = 0
    left_out: tuple[LeftOut, ...] = ()
    """Values that rows were read without."""


_DETECTIONS = FastRows(DETECTION.wire, DETECTION.settle, usual=2 * 2**20)
_MOVES = FastRows(MOVE_ROW.wire, MOVE_ROW.settle, usual=lenient.MAX_CONTAINERS)
decode_detections = _DETECTIONS.read


def read_detections(answer: Answer) -> Decoded[Detection]:
    """As `read_list`, and several times as fast for a page in which nothing is odd."""
    return _read_fast(answer, DETECTION, _DETECTIONS)


def read_moves(answer: Answer) -> Decoded[MoveRow]:
    """As `read_list`, and several times as fast for an answer in which nothing is odd."""
    return _read_fast(answer, MOVE_ROW, _MOVES)


def _read_fast(answer: Answer, shape: Shape[Any, R], fast: FastRows[Any, R]) -> Decoded[R]:
    read = fast.read(answer.body)
    if (
        read is None
        or len(read[0]) > MAX_ROWS
        or len(cursor := read[1] or "") > _MAX_CURSOR
        or lenient.UNSAFE in cursor
    ):
        return read_list(answer, shape)
    return Decoded(read[0], next=read[1] or None)


def read_list(answer: Answer, shape: Shape[Any, R]) -> Decoded[R]:
    """The rows of an envelope whose `result` is an array.

    Raises:
        VendorError: the envelope cannot be believed (`BadAnswer`; `AnswerLost` for a write).
    """
    try:
        rows, info = _result(answer.body, list)
        cursor, numbers = _result_info(info)
    except UnbelievableError as error:
        raise answer.unbelievable(str(error)) from None
    if len(rows) > MAX_ROWS:
        raise answer.unbelievable(f"more than {MAX_ROWS} rows")
    total, per_page, pages = numbers
    return replace(_convert(rows, shape), next=cursor, total=total, per_page=per_page, pages=pages)


def read_one(answer: Answer, shape: Shape[Any, R]) -> R:
    """The row of an envelope whose `result` is an object.

    Raises:
        VendorError: envelope or row cannot be believed.
    """
    try:
        row, _ = _result(answer.body, dict)
    except UnbelievableError as error:
        raise answer.unbelievable(str(error)) from None
    return whole(answer, _convert([row], shape))[0]


def read_written(answer: Answer, shape: Shape[Any, R]) -> R | None:
    """The row that a write has made, or None where the API confirms without showing it: null, or nothing at all.

    An array of one is taken as well: older documents give one for trusted domains.

    Raises:
        VendorError: envelope or row cannot be believed.
    """
    try:
        result, _ = _result(answer.body, object, missing=None)
    except UnbelievableError as error:
        raise answer.unbelievable(str(error)) from None
    if result is None:
        return None
    written = whole(answer, _convert(result if isinstance(result, list) else [result], shape))
    if len(written) != 1:
        raise answer.unbelievable("result is not one row")
    return written[0]


def whole(answer: Answer, decoded: Decoded[R]) -> tuple[R, ...]:
    """The rows, none of which may be missing."""
    if decoded.bad:
        raise answer.unbelievable(decoded.bad[0].reason)
    return decoded.rows


def some(answer: Answer, decoded: Decoded[R]) -> Decoded[R]:
    """The rows of a page, some of which may be bad, but not all of many.

    A row that is odd by itself must not stop its source, so it is set aside. Where no row can be read the vendor has
    changed: the page proves nothing, and whoever believed it would never read these rows again.
    """
    if not decoded.rows and len(decoded.bad) >= FEW:
        raise answer.unbelievable(f"none of {len(decoded.bad)} rows can be read: {decoded.bad[0].reason}")
    return decoded


def read_groups(answer: Answer, shapes: Mapping[str, Shape[Any, Any]]) -> dict[str, Decoded[Any]]:
    """The lists of an envelope whose `result` holds one for each name; a list that is left out is empty.

    Raises:
        VendorError: the envelope cannot be believed.
    """
    try:
        result, _ = _result(answer.body, dict, missing={})
    except UnbelievableError as error:
        raise answer.unbelievable(str(error)) from None
    groups = {name: result.get(name, []) for name in shapes}
    if not all(isinstance(rows, list) and len(rows) <= MAX_ROWS for rows in groups.values()):
        raise answer.unbelievable(f"a list of the result is none, or has more than {MAX_ROWS} rows")
    return {name: _convert(rows, shapes[name]) for name, rows in groups.items()}


def read_receipt(answer: Answer) -> None:
    """An envelope with `success` true and no errors, whose result, an object or null, says nothing more.

    Raises:
        VendorError: the envelope cannot be believed.
    """
    try:
        _result(answer.body, dict, missing={})
    except UnbelievableError as error:
        raise answer.unbelievable(str(error)) from None
    if told := verdicts.describe(verdicts.api_errors(answer.body)):
        raise answer.unbelievable(f"errors beside a success ({told})")


def numbered_page(decoded: Decoded[R], *, page: int, per_page: int) -> Page[R]:
    """The rows as a page of a list whose pages have numbers.

    The vendor may give less than it is asked for: a page is full with as many rows as the vendor says its pages have.
    """
    count = len(decoded.rows) + len(decoded.bad)
    full = count >= min(per_page, decoded.per_page or per_page) or page < decoded.pages
    return Page(decoded.rows, decoded.bad, full=full, total=decoded.total)


def _result(body: bytes, kind: type[K], missing: K | None = None) -> tuple[K, Any]:
    """`result` and `result_info` of an envelope that says success and means it."""
    envelope = lenient.parse(body)
    if not isinstance(envelope, dict):
        raise UnbelievableError("the body is not an envelope")
    if envelope.get("success") is not True:
        told = verdicts.describe(verdicts.api_errors(body))
        raise UnbelievableError(f"success is not true{told and f' ({told})'}")
    result = envelope.get("result", missing)
    if not isinstance(result, kind):
        raise UnbelievableError(f"result is not a {kind.__name__}")
    return result, envelope.get("result_info", {})


def _result_info(info: object) -> tuple[str | None, list[int]]:
    if not isinstance(info, dict) or any(isinstance(value, Poison) for value in info.values()):
        raise UnbelievableError("result_info is not what the API sends")
    cursor = info.get("next", "")
    if not isinstance(cursor, str) or len(cursor) > _MAX_CURSOR or lenient.UNSAFE in cursor:
        raise UnbelievableError("result_info.next is not a cursor")
    numbers = (info.get(name) for name in ("total_count", "per_page", "total_pages"))
    return cursor or None, [int(one) if isinstance(one, int | float) else 0 for one in numbers]


def _convert(rows: list[Any], shape: Shape[Any, R]) -> Decoded[R]:
    good: list[R] = []
    bad: list[BadRow] = []
    left_out: list[LeftOut] = []
    for row in rows:
        try:
            read, fields = _read_row(row, shape)
        except ValueError as error:
            bad.append(_bad_row(row, shape.identity, str(error)))
        else:
            good.append(read)
            left_out += [LeftOut(field, str(row[shape.identity])) for field in fields]
    return Decoded(tuple(good), tuple(bad), left_out=tuple(left_out))


def _read_row(row: Any, shape: Shape[Any, R]) -> tuple[R, list[str]]:
    """The row, and the fields that it was read without. ValueError where that does not help."""
    left_out: list[str] = []
    while True:
        try:
            return shape.settle(msgspec.convert(row, shape.wire)), left_out
        except ValueError as error:
            # It ends: each time the row has a value less.
            spared = without(row, str(error), shape.spare)
            if spared is None:
                raise
            row, field = spared
            left_out.append(field)


def _bad_row(row: Any, identity: str, reason: str) -> BadRow:
    text = lenient.dump(row)
    row_id = row.get(identity) if isinstance(row, dict) else None
    return BadRow(
        row_id=row_id[:MAX_ID] if isinstance(row_id, str) else None,
        reason=verdicts.printable(reason)[:_MAX_REASON],
        digest=hashlib.sha256(text.encode("ascii")).hexdigest(),
        raw=text[:MAX_RAW],
    )
