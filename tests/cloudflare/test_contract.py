"""Method, path, query, body and result of every operation, against the vendor's own description."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, Unpack, get_args, get_origin, get_type_hints
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from jsonschema import Draft202012Validator

from tests.cloudflare.operations import COLLECTIONS, ID, TABLE, Asked, call
from tests.cloudflare.vendor import (
    ACCOUNT,
    OpenGate,
    Reply,
    Request,
    Vendor,
    answer,
    drop,
    envelope,
    refusal,
)
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
from worker.errors import AnswerLost, BadAnswer, Refused, Transient, Unauthorized, VendorError
from worker.ports import Lane

API = Path(__file__).parents[2] / "docs" / "api.md"

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
    vendor: Vendor, cloudflare: Cloudflare, gate: OpenGate, name: str, one: Asked, schema: dict[str, Any]
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
    assert gate.admitted == ([Lane.ENRICH] if method == "GET" else [])
    Draft202012Validator(schema | {"components": DOCUMENT["components"]}).validate(one.body)


@pytest.mark.parametrize(
    "reply,read_error,write_error",
    [
        (answer(b"", 502), Transient, AnswerLost),
        (answer(refusal((7003, "no route")), 404), Refused, Refused),
        (answer(refusal((10000, "no right")), 403), Unauthorized, Unauthorized),
        (answer(refusal((1234, "no luck"))), BadAnswer, AnswerLost),
        (drop, Transient, AnswerLost),
    ],
    ids=["5xx", "404", "403", "success false", "no answer"],
)
@EVERY
async def test_what_goes_wrong(
    vendor: Vendor,
    cloudflare: Cloudflare,
    gate: OpenGate,
    name: str,
    reply: Reply,
    read_error: type[VendorError],
    write_error: type[VendorError],
) -> None:
    """One request, whatever comes back, and an error that says whether it may have had its effect."""
    vendor.will(reply)
    with pytest.raises(VendorError) as caught:
        await call(cloudflare, name, ASKED[name])
    assert type(caught.value) is (read_error if name.startswith("GET") else write_error)
    assert str(caught.value).startswith(re.sub(r"\{\w+\}", "{id}", name))
    assert (len(vendor.requests), len(gate.seen)) == (1, 1)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if not name.startswith("GET")])
async def test_a_write_may_wait_for_its_turn(
    vendor: Vendor, cloudflare: Cloudflare, gate: OpenGate, name: str
) -> None:
    """One that names a lane is admitted like a read: a person's command has no claim that has paid."""
    vendor.will(answer(b"", 502))
    with pytest.raises(AnswerLost):
        await call(cloudflare, name, replace(ASKED[name], lane=Lane.ACTION))
    assert gate.admitted == [Lane.ACTION]


@pytest.mark.parametrize(
    "name", [name for name, one in ASKED.items() if one.query and "action_log" not in name]
)
def test_what_can_be_asked_is_typed(cloudflare: Cloudflare, name: str) -> None:
    """Each parameter is a keyword of the method and none is invented; the values of its enumeration are its type's."""
    hints = get_type_hints(attrgetter(TABLE[name][0])(cloudflare))
    typed = {key: hint for key, hint in hints.items() if get_origin(hint) is not Unpack}
    for filters in [get_args(hint)[0] for hint in hints.values() if get_origin(hint) is Unpack]:
        typed |= get_type_hints(filters)
    known = query_parameters(OPERATIONS[name])
    assert typed.keys() - {"lane", "return", "investigate_id", "job_id", "patience"} == known.keys()
    for parameter, schema in known.items():
        assert literals(typed[parameter]) == set(schema.get("enum", ())) - {None, "UNKNOWN"}, parameter


def literals(hint: Any) -> set[str]:
    """The values of a type that is one of some."""
    if get_origin(hint) is Literal:
        return set(get_args(hint))
    return {value for one in get_args(hint) for value in literals(one)}


def test_the_table_of_the_documentation_is_this_one() -> None:
    """docs/api.md names every operation, its method of the client and the permission that it needs."""
    rows = [
        f"| `{name.replace(' ', ' /', 1)}` | `{TABLE[name][0]}` | {permission(OPERATIONS[name])} |"
        for name in OPERATIONS
    ]
    assert re.findall(r"^\| `[A-Z]+ /.*`.* \|$", API.read_text(), re.MULTILINE) == rows


def permission(operation: dict[str, Any]) -> str:
    """What the token must be allowed to do, and whether the operation is on its way out."""
    groups = operation["x-api-token-group"]
    right = "not told" if groups is None else "read" if len(groups) > 1 else "write"
    return f"{right}, deprecated" if operation.get("deprecated") else right


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


def test_what_few_runs_need_is_not_loaded_by_all() -> None:
    """The client alone loads no settings, no jobs and no evidence; a collection loads itself only."""
    code = "import sys, worker.cloudflare as c, worker.cloudflare.settings.block_senders; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    ours = {
        name.removeprefix("worker.cloudflare.") for name in loaded if name.startswith("worker.cloudflare.")
    }
    lazy = {"bulk", "evidence", *(f"settings.{name}" for name in COLLECTIONS)}
    assert lazy & ours == {"settings.block_senders"}
