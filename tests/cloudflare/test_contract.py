"""Method, path, query, body and result of every operation, against the vendor's own description."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from jsonschema import Draft202012Validator

from tests.cloudflare.operations import ID, TABLE, Asked, call
from tests.cloudflare.vendor import ACCOUNT, OpenGate, Request, Vendor, answer, envelope
from tests.contract.document import (
    DOCUMENT,
    Examples,
    body_schemas,
    kept,
    operations,
    query_parameters,
    success,
)
from worker.cloudflare import Cloudflare, MoveAnswer, Page, Receipt, ReleaseAnswer, SubmissionAnswer

OPERATIONS = operations()


def cases() -> Iterator[tuple[str, Asked, dict[str, Any]]]:
    """All that can be asked of each operation, once for each kind of body, and the schema of that."""
    for name, operation in OPERATIONS.items():
        examples = Examples()
        query = {one: examples.of(schema, one) for one, schema in query_parameters(operation).items()}
        if name.endswith("/action_log"):
            query = {"page": 1, "per_page": 1000}  # the log is always read whole
        for schema in body_schemas(operation) or [{}]:
            yield name, Asked((ID,) if "{" in name else (), query, examples.of(schema)), schema


def answered(name: str, examples: Examples) -> tuple[int, Any]:
    """Status and result of a success; what tells of an id tells of the one that was asked for."""
    status, schema, _ = success(OPERATIONS[name])
    result = examples.of(schema)
    if isinstance(result, dict) and "{" in name:
        result |= {key: ID for key in ("id", "job_id") if key in result}
    return status, result


CASES = [*cases()]
ASKED = {name: one for name, one, _ in CASES}
EVERY = pytest.mark.parametrize("name", OPERATIONS)


def test_every_operation_has_a_method_and_every_method_an_operation() -> None:
    """None of the seventy is missing, and none is invented."""
    assert len(OPERATIONS) == 70
    assert TABLE.keys() == OPERATIONS.keys()
    cloudflare = Cloudflare(
        base_url="http://127.0.0.1", account_id=ACCOUNT, token=lambda: "", gate=OpenGate()
    )
    names = [name for name, _ in TABLE.values()]
    assert sorted(names) == sorted(set(methods(cloudflare)) - {"open", "close", "tokens.verify"})


def methods(resource: object, prefix: str = "") -> Iterator[str]:
    """The names of everything public that can be called."""
    for name in dir(resource):
        value = getattr(resource, name)
        if name.startswith("_") or isinstance(value, type | str):
            continue
        if callable(value):
            yield prefix + name
        else:
            yield from methods(value, f"{prefix}{name}.")


@pytest.mark.parametrize("name,one,schema", CASES, ids=[name for name, *_ in CASES])
async def test_what_is_sent(
    vendor: Vendor, cloudflare: Cloudflare, name: str, one: Asked, schema: dict[str, Any]
) -> None:
    """Method, path, every parameter and field that is not deprecated, no other, and only what the contract allows."""
    status, result = answered(name, Examples())
    vendor.will(answer(envelope(result), status))
    await call(cloudflare, name, one)
    (request,) = vendor.requests
    method, _, template = name.partition(" ")
    before, variable, after = template.partition("{")
    assert (request.method, request.path) == (
        method,
        before + (ID + after.partition("}")[2]) * bool(variable),
    )
    assert query(request) == {key: written(value) for key, value in one.query.items()}
    assert (request.json if request.body else {}) == one.body
    Draft202012Validator(schema | {"components": DOCUMENT["components"]}).validate(one.body)


def query(request: Request) -> dict[str, list[str]]:
    """Parameters as they were sent."""
    return parse_qs(urlsplit(request.target).query, keep_blank_values=True)


def written(value: Any) -> list[str]:
    """A value as a query string has it."""
    values = value if isinstance(value, list) else [value]
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in values]


@pytest.mark.parametrize("examples", [{}, {"novel": True}, {"bare": True}], ids=["whole", "novel", "bare"])
@EVERY
async def test_what_is_answered(
    vendor: Vendor, cloudflare: Cloudflare, name: str, examples: dict[str, Any]
) -> None:
    """Every field that is not deprecated arrives; new values and fields do no harm, nor do missing ones."""
    status, result = answered(name, Examples(**examples))
    vendor.will(answer(envelope(result), status))
    shown = await call(cloudflare, name, ASKED[name])
    expected = flat(name, kept(success(OPERATIONS[name])[1], result))
    assert missing(expected, tell(shown)) == []


def tell(shown: Any) -> Any:
    """A result of the client as JSON has it."""
    if isinstance(shown, Page | MoveAnswer | ReleaseAnswer | SubmissionAnswer):
        assert not shown.bad
        return tell(shown.rows)
    return {} if isinstance(shown, Receipt) else msgspec.to_builtins(shown)


def flat(name: str, result: Any) -> Any:
    """The contract's result where the client's is of another form."""
    if name == "POST submissions":
        return result["results"]
    if name.endswith("/action_log"):
        return [entry | (entry.pop("properties", None) or {}) for entry in result]
    if name == "DELETE settings/domains":
        return [gone["id"] for gone in result]
    if name.startswith("DELETE"):
        return None
    if name.endswith("/batch"):
        gone = [one["id"] for one in result.get("deletes", [])]
        return gone if "restrictions" in name else result | {"deletes": gone}
    return result


def missing(expected: Any, told: Any, path: str = "$") -> list[str]:
    """Where what was told lacks something of what was expected."""
    if isinstance(expected, dict):
        return [
            one
            for key, value in expected.items()
            for one in missing(value, (told or {}).get(key), f"{path}.{key}")
        ]
    if isinstance(expected, list):
        pairs = zip(expected, told or (), strict=False)
        lacking = [] if len(expected) == len(told or ()) else [path]
        return lacking + [one for value, got in pairs for one in missing(value, got, f"{path}[]")]
    return [] if expected == told else [f"{path}: {expected!r} became {told!r}"]
