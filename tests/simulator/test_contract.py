from __future__ import annotations

import re
from typing import Any

import pytest
from jsonschema import ValidationError

from tests.simulator import contract
from tests.simulator.api import Api, Simulate
from worker.simulator.app import VendorApi


@pytest.mark.parametrize("deprecated", [True, False])
async def test_every_operation_answers_as_the_contract_says(simulate: Simulate, *, deprecated: bool) -> None:
    """Each operation succeeds once, and `Api` holds its answer against the contract."""
    api = await simulate(deprecated=deprecated, messages=100 if deprecated else 0)
    messages = [await api.given(delivery_status=["quarantined"], is_quarantined=True) for _ in range(2)]
    first = messages[0]
    await api.admin(f"messages/{first}/report", {})
    assert (await api.post(f"investigate/{first}/move", {"destination": "JunkEmail"})).status == 200
    assert (await api.post("investigate/move", {"destination": "Inbox", "ids": messages})).status == 200
    assert (await api.post("investigate/release", {"ids": messages})).status == 200
    reclassified = await api.post(f"investigate/{first}/reclassify", {"expected_disposition": "SPAM"})
    assert (reclassified.status, reclassified.result) == (202, {})
    for path in ("submissions", "phishguard/reports", f"investigate/{first}/action_log"):
        assert (await api.get(path)).result
    if deprecated:
        assert len(await api.all_rows(detections_only=False, per_page=30)) == 102
        assert (await api.row(first))["ts"]


async def test_rows_without_deprecated_fields_lack_only_those(simulate: Simulate) -> None:
    """`deprecated=False` drops `ts` and `action_log`, which the contract still requires."""
    old, new = await simulate(), await simulate(deprecated=False)
    before = (await old.get("investigate", per_page=1)).result[0]
    with pytest.raises(ValidationError, match=r"'ts' is a required property|'action_log' is"):
        await new.get("investigate", per_page=1)
    after = (await new.get("investigate", per_page=1, valid=False)).result[0]
    assert before == after | {"ts": after["scanned_at"], "action_log": []}


@pytest.mark.parametrize("path", ["/user/tokens/verify", "/accounts/{account}/tokens/verify"])
async def test_token_is_verified(api: Api, path: str) -> None:
    """Both verification paths call the accepted token active and refuse another one."""
    path = path.format(account=api.simulator.account_id)
    assert (await api.send("GET", path)).result["status"] == "active"
    assert (await api.send("GET", path, token="other")).error == (401, 1000)


async def test_the_simulator_serves_what_the_contract_has(api: Api) -> None:
    """All 70 operations and no other, but for the place where a slow search is waited for."""
    served = {
        (route.method, re.sub(r"\{\w+\}", "{}", f"{{}}/{route.path}"))
        for route in VendorApi(api.tenant).routes
    }
    known = {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in contract.operations()}
    known = {(method, path.replace("/accounts/{}/email-security", "{}")) for method, path in known}
    assert len(known) == 70
    assert served - known == {("GET", "{}/investigate/searches/{}")}
    assert not known - served


async def test_every_operation_refuses_a_wrong_token(api: Api) -> None:
    """A bad token is code 10000 wherever it is used."""
    for method, template in sorted(contract.operations()):
        path = re.sub(r"\{\w+\}", "x", template.replace("{account_id}", api.simulator.account_id))
        assert (await api.send(method, path, token="other")).error == (403, 10000)


async def test_another_account_is_refused(api: Api) -> None:
    """The token is good for one account only."""
    path = f"/accounts/{'f' * 32}/email-security/submissions"
    assert (await api.send("GET", path)).error == (403, 10000)


@pytest.mark.parametrize(
    "params",
    [
        {"per_page": 0},
        {"per_page": 1001},
        {"per_page": "many"},
        {"page": 0},
        {"final_disposition": "MALICIOUS-BEC"},
        {"delivery_status": "lost"},
        {"message_action": "MOVE"},
        {"detections_only": "maybe"},
        {"start": "yesterday"},
        {"start": "1800000000"},
        {"end": "null"},
        {"final_disposition": "null"},
        {"start": "2027-01-15T08:00:01Z"},
        {"start": "2027-01-15T07:00:00Z", "end": "2027-01-15T06:00:00Z"},
        {"cursor": "nonsense"},
        {"cursor": "AAA"},
    ],
)
async def test_search_refuses_wrong_parameters(api: Api, params: dict[str, Any]) -> None:
    """What the contract forbids is a 400 with the reason."""
    assert (await api.get("investigate", **params)).error == (400, 1004)


@pytest.mark.parametrize(
    "path, body",
    [
        ("investigate/move", {"destination": "Inbox", "ids": []}),
        ("investigate/move", {"destination": "Inbox", "ids": ["x"] * 1001}),
        ("investigate/move", {"destination": "Trash", "ids": ["x"]}),
        ("investigate/move", {"destination": "Inbox"}),
        ("investigate/release", {"ids": []}),
        ("investigate/release", ["x"]),
        ("investigate/x/move", {}),
        ("investigate/x/reclassify", {"expected_disposition": "MALICIOUS-BEC"}),
    ],
)
async def test_actions_refuse_wrong_bodies(api: Api, path: str, body: object) -> None:
    """A body that breaks the contract is a 400 and has no effect."""
    assert (await api.post(path, body)).error == (400, 1004)
    assert await api.admin("effects") == []


@pytest.mark.parametrize(
    "path, body",
    [
        ("investigate/move", {"destination": "Inbox", "ids": ["x"], "expected_disposition": "BAD"}),
        ("investigate/x/reclassify", {"expected_disposition": "SPAM", "eml_content": None}),
        ("investigate/bulk", {"action": "RELEASE", "search_params": {"start": None}}),
        ("investigate/bulk", {"action": "RELEASE", "search_params": {"start": "soon"}}),
        ("investigate/bulk", {"action": "RELEASE", "search_params": {}, "destination": None}),
    ],
)
async def test_null_is_no_value(api: Api, path: str, body: object) -> None:
    """What may be left out may not be null, unless the contract says so, and what has no function is checked too."""
    assert (await api.post(path, body)).error == (400, 1004)


@pytest.mark.parametrize("body", [b"", b"\xff", b'{"ids":["\xff"]}', b"[" * 100_000, b'{"ids":["\\ud800"]}'])
async def test_a_body_that_is_no_json_is_refused(api: Api, body: bytes) -> None:
    """Bytes of any kind are a 400, never an error inside."""
    for path in ("investigate/move", "settings/block_senders", "settings/block_senders/batch"):
        assert (await api.send("POST", f"{api.root}/{path}", data=body)).error == (400, 1004)


async def test_null_is_a_word_to_search_for(api: Api) -> None:
    """A query has no null: a search for the word finds what has it."""
    name = await api.given(subject="A null pointer", final_disposition="SPAM")
    assert [row["id"] for row in await api.all_rows(subject="null")] == [name]


async def test_unknown_things_are_not_found(api: Api) -> None:
    """Unknown ids and routes are 404, a wrong method is 405."""
    for path in ("investigate/x", "investigate/x/action_log"):
        assert (await api.get(path)).error == (404, 1005)
    move = {"destination": "Inbox"}
    assert (await api.post("investigate/x/move", move)).error == (404, 1005)
    assert (await api.post("investigate/move", move | {"ids": ["x"]})).error == (404, 1005)
    assert (await api.get("nothing/here")).error == (404, 7003)
    refused = await api.send("DELETE", f"{api.root}/submissions")
    assert (refused.error, refused.headers["Allow"]) == ((405, 10405), "GET,POST")
