from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from tests.cloudflare.vendor import row
from worker.cloudflare import investigate, rows
from worker.cloudflare.transport import Answer

FULL = row(0, validation={"spf": "pass", "dmarc": "fail"}, to=["a@x"], unknown={"deep": [{"a": 1}]})
SPELLINGS = ['"{key}":{value}', '"{key}" :{value}', '"{key}"\n:\t{value}', '"{escaped}":{value}']
NUMBER = 150


def spelled(spelling: str, key: str, value: Any) -> str:
    """The pair, as JSON may write it."""
    escaped = f"\\u{ord(key[0]):04x}{key[1:]}"
    return spelling.format(key=key, escaped=escaped, value=json.dumps(value))


def page(texts: list[str]) -> Answer:
    """The page of these rows."""
    body = (
        '{"success":true,"errors":[],"result":[' + ",".join(texts) + '],"result_info":{"next":"c","count":1}}'
    )
    return Answer(investigate.LIST, 200, body.encode(), URL("http://127.0.0.1/"), 0.1)


@pytest.mark.parametrize("number", [3, NUMBER], ids=["short page", "long page"])
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("key", FULL)
def test_a_key_that_stands_twice_is_found(key: str, spelling: str, number: int) -> None:
    """In any field, read or not, in any row of short and long pages, with spaces and escapes; it costs its row only."""
    texts = [
        json.dumps(row(n) | {"validation": FULL["validation"], "to": ["a@x"], "unknown": FULL["unknown"]})
        for n in range(number)
    ]
    assert rows.decode_detections(page(texts).body) is not None
    for at in (0, number // 2, number - 1):
        spoilt = [*texts]
        spoilt[at] = spoilt[at][:-1] + "," + spelled(spelling, key, FULL[key]) + "}"
        assert rows.decode_detections(page(spoilt).body) is None
        decoded = rows.read_detections(page(spoilt))
        wanted = number if key == "unknown" else number - 1
        assert (len(decoded.rows), len(decoded.bad)) == (wanted, number - wanted)


@pytest.mark.parametrize(
    "inner",
    ['{"spf":"pass","dmarc":"fail","dmarc":"pass"}', '{"spf":"pass","dmarc":"fail","dm\\u0061rc":"pass"}'],
)
@pytest.mark.parametrize("number", [3, NUMBER], ids=["short page", "long page"])
def test_a_key_twice_in_an_inner_object_is_found(inner: str, number: int) -> None:
    """A forged pass of DMARC is worth as much as a forged verdict."""
    texts = [json.dumps(FULL | {"id": str(n)}) for n in range(number)]
    texts[1] = texts[1].replace(json.dumps(FULL["validation"]), inner)
    assert inner in texts[1]
    decoded = rows.read_detections(page(texts))
    assert [bad.row_id for bad in decoded.bad] == ["1"]


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=12), min_size=1, max_size=5
    )
)
def test_no_text_looks_like_a_key(texts: list[str]) -> None:
    """A page of clean rows goes the fast way whatever its mail says: nobody can slow the worker with a subject."""
    tricky = [*texts, '":', '\\":', '\\\\":', ':) "id": ', '","id":"x', "\\", "a\\", ":"]
    listed = [json.dumps(row(n, subject=tricky[n % len(tricky)])) for n in range(NUMBER)]
    fast = rows.decode_detections(page(listed).body)
    assert fast is not None
    assert [one.subject for one in fast[0]] == [tricky[n % len(tricky)] for n in range(NUMBER)]


def test_rows_that_differ_are_counted_one_by_one() -> None:
    """A page in which rows leave fields out is read the exact way, and found clean."""
    listed = [
        json.dumps({name: value for name, value in row(n).items() if n % 3 or name in {"id", "subject"}})
        for n in range(NUMBER)
    ]
    assert rows.decode_detections(page(listed).body) is not None
