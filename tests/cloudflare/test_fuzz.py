"""Bytes that no vendor sends, written by Hypothesis: both ways through a page against each other."""

from __future__ import annotations

import json
import os
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from worker.cloudflare import actions, investigate, rows, shapes, verdicts
from worker.cloudflare.rows import Decoded
from worker.cloudflare.transport import Answer
from worker.errors import AnswerLost, BadAnswer
from worker.model.events import MAX_TEXT, Detection

FAST = settings(deadline=None, max_examples=300)
SOAK = settings(
    deadline=None,
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "20000")),
    suppress_health_check=list(HealthCheck),
)
FIELDS = [field.encode_name for field in msgspec.structs.fields(Detection)]
SHAPES: list[Any] = [
    shapes.REPORT,
    shapes.LOG_ENTRY,
    shapes.MOVE_ROW,
    shapes.RELEASE_ROW,
    shapes.SUBMISSION,
    shapes.DETECTION,
]

TEXTS = st.text(st.characters(codec=None), max_size=8) | st.sampled_from(
    [
        "m1",
        "MALICIOUS",
        "NONE",
        "2024-01-05T10:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "x" * (MAX_TEXT + 1),
        '":',
        '\\":',
    ]
)
NUMBERS = st.sampled_from(
    ["0", "-1", "7.5", "1e5", "1e999", "-1e999", "NaN", "Infinity", "9" * 19, "9" * 5000]
)
SPACE = st.sampled_from(["", "", "", " ", "\n\t "])


def quoted(text: str) -> st.SearchStrategy[str]:
    """The text as JSON may write it: bare, in ASCII, or every letter escaped."""
    ascii_, every = (
        json.dumps(text),
        '"' + "".join(f"\\u{ord(c):04x}" for c in text if ord(c) < 0x10000) + '"',
    )
    return st.sampled_from([ascii_, json.dumps(text, ensure_ascii=False), every])


STRINGS = TEXTS.flatmap(quoted)
KEYS = (st.sampled_from([*FIELDS, "a", "a\\", 'a"', "next"]) | TEXTS).flatmap(quoted)


def objects(values: st.SearchStrategy[str], size: int = 6) -> st.SearchStrategy[str]:
    """An object whose keys may stand twice, with spaces anywhere."""
    pair = st.tuples(KEYS, SPACE, SPACE, values).map(lambda part: f"{part[0]}{part[1]}:{part[2]}{part[3]}")
    return st.lists(pair, max_size=size).map(lambda pairs: "{" + ",".join(pairs) + "}")


LEAVES = STRINGS | NUMBERS | st.sampled_from(["null", "true", "false"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        objects(inner, 3) | st.lists(inner, max_size=3).map(lambda items: "[" + ",".join(items) + "]")
    ),
    max_leaves=6,
)
NAMED = st.tuples(STRINGS, objects(VALUES)).map(
    lambda part: f'{{"id":{part[0]}{"," if len(part[1]) > 2 else ""}{part[1][1:]}'
)
ROWS = st.lists(NAMED | objects(VALUES) | VALUES, max_size=4)
INFO = st.sampled_from(["", ',"result_info":{"next":"c"}']) | objects(VALUES).map(
    lambda text: f',"result_info":{text}'
)
PAGES = st.tuples(ROWS, INFO, st.sampled_from(["true", "true", "true", "false", "1"])).map(
    lambda part: f'{{"success":{part[2]},"result":[{",".join(part[0])}]{part[1]}}}'
)
CUT = st.tuples(
    PAGES.map(lambda text: text.encode("utf-8", "surrogatepass")), st.integers(0, 400), st.binary(max_size=3)
)
BODIES = CUT.map(lambda part: part[0][: part[1]] + part[2] + part[0][part[1] + len(part[2]) :]) | st.binary(
    max_size=200
)


def page(body: bytes) -> Answer:
    """The answer to a list."""
    return Answer(investigate.LIST, 200, body, URL("http://127.0.0.1/"), 0.1)


def slowly(body: bytes) -> Decoded[Any] | None:
    """The slow, sure way; None where the page is not believed."""
    try:
        return rows.read_list(page(body), shapes.DETECTION)
    except BadAnswer:
        return None


def both_ways_agree(body: bytes) -> None:
    """What the fast way believes, the slow way believes too, and reads the same."""
    fast = rows.decode_detections(body)
    if fast is None:
        return
    slow = slowly(body)
    assert slow is not None
    assert slow.bad == ()
    assert (slow.rows, slow.next) == (fast[0], fast[1] or None)


def believed(body: bytes) -> Decoded[Any] | None:
    """The page as the poller sees it; None where it is refused, in words that can be shown."""
    refusal = ""
    try:
        return rows.read_detections(page(body))
    except BadAnswer as error:
        refusal = str(error)
    assert refusal.isascii()
    assert refusal.isprintable()
    return None


def every_row_is_safe(body: bytes) -> None:
    """Each row of a believed page is good or bad; a good one can be stored, sent and shown as one line."""
    decoded = believed(body)
    if decoded is None:
        return
    stored = msgspec.json.encode(decoded.rows)
    assert msgspec.json.decode(stored, type=tuple[Detection, ...]) == decoded.rows
    for text in _texts(msgspec.to_builtins(decoded.rows)):
        assert len(text) <= MAX_TEXT
        assert not any(character < " " or "\x7f" <= character <= "\x9f" for character in text)
        text.encode()
    for bad in decoded.bad:
        assert (bad.raw + bad.reason).isascii()


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [text for item in items for text in _texts(item)]


def any_resource_is_read_or_refused(body: bytes) -> None:
    """No reader raises anything but its one error, and none loses a row."""
    for shape in SHAPES:
        for read, error in ((investigate.LIST, BadAnswer), (actions.MOVE, AnswerLost)):
            answer = Answer(read, 200, body, URL("http://127.0.0.1/"), 0.1)
            for reader in (rows.read_list, rows.read_one):
                try:
                    reader(answer, shape)
                except error:
                    continue
    verdicts.api_errors(body)


LAWS = [both_ways_agree, every_row_is_safe, any_resource_is_read_or_refused]


@FAST
@given(BODIES | PAGES.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_body_breaks_a_law_of_the_parser(body: bytes) -> None:
    """Both ways agree; rows are safe; nothing but the declared errors."""
    for law in LAWS:
        law(body)


@pytest.mark.soak
@SOAK
@given(BODIES | PAGES.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_soak_no_body_breaks_a_law_of_the_parser(body: bytes) -> None:
    """The same for as many bodies as FUZZ_EXAMPLES says."""
    for law in LAWS:
        law(body)


@FAST
@given(ROWS, st.lists(st.integers(0, 10**6), min_size=1, max_size=5, unique=True))
def test_no_row_costs_another_one(poison: list[str], numbers: list[int]) -> None:
    """Good rows come through in order, whatever stands between them, unless the page as a whole is none."""
    good = [f'{{"id":"good-{number}"}}' for number in numbers]
    mixed = [row for pair in zip(good, [*poison, *["7"] * len(good)], strict=False) for row in pair]
    body = f'{{"success":true,"result":[{",".join(mixed)}]}}'.encode("utf-8", "surrogatepass")
    decoded = rows.read_detections(page(body))
    kept = [row.id for row in decoded.rows if row.id.startswith("good-")]
    assert kept == [f"good-{number}" for number in numbers]
    assert len(decoded.rows) + len(decoded.bad) == len(mixed)
