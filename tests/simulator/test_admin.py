from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.api import START, Api


async def test_requests_are_counted_and_timed(api: Api) -> None:
    """Every vendor request is in the log with its number, time, endpoint and status."""
    await api.get("investigate")
    await api.get("investigate", per_page=0)
    await api.get("nothing")
    log = await api.admin("requests")
    assert log["counts"] == {"list": {"200": 1, "400": 1}, "other": {"404": 1}}
    assert [(entry["number"], entry["at"], entry["method"]) for entry in log["requests"]] == [
        (1, START, "GET"),
        (2, START, "GET"),
        (3, START, "GET"),
    ]


async def test_given_fields_are_kept_and_the_rest_is_drawn(api: Api) -> None:
    """A partial row is completed to fit its verdict and scan time."""
    moment = "2027-01-15T07:00:00.000Z"
    name = await api.given(
        final_disposition="SPOOF", scanned_at=moment, subject="Hi", **{"from": "a@b.example"}
    )
    row = await api.row(name)
    assert (row["subject"], row["from"], row["scanned_at"]) == ("Hi", "a@b.example", moment)
    assert row["validation"]["dmarc"] == "fail"
    assert row["id"].startswith(f"{row['postfix_id']}-2027-01-15T07:00:00-")


@pytest.mark.parametrize(
    "path, body, complaint",
    [
        ("messages", [{"colour": "red"}], "colour"),
        ("messages", [{"subject": 7}], "subject"),
        ("messages", [{"scanned_at": "soon"}], "Invalid RFC3339"),
        ("messages/x/verdict", {"final_disposition": "SPAM"}, "not found"),
        ("token", {}, "token"),
    ],
)
async def test_mistakes_are_explained(api: Api, path: str, body: Any, complaint: str) -> None:
    """A lever that is pulled wrongly says why."""
    with pytest.raises(AssertionError, match=complaint):
        await api.admin(path, body)


async def test_message_cannot_be_added_twice(api: Api) -> None:
    """Investigate ids are unique."""
    name = await api.given()
    with pytest.raises(AssertionError, match="exists"):
        await api.given(id=name)


async def test_verdict_changes(api: Api) -> None:
    """A changed verdict shows at once, even one that nobody knows; the scan time stays."""
    name = await api.given(final_disposition="NONE")
    before = await api.row(name)
    await api.admin(f"messages/{name}/verdict", {"final_disposition": "SPAM"})
    after = await api.row(name)
    assert after["final_disposition"] == "SPAM"
    assert after["scanned_at"] == before["scanned_at"]
    await api.admin(f"messages/{name}/verdict", {"final_disposition": "NOVEL"})
    assert (await api.get(f"investigate/{name}", valid=False)).result["final_disposition"] == "NOVEL"


async def test_token_is_replaced(api: Api) -> None:
    """The old token is refused from then on."""
    old = api.simulator.token
    await api.admin("token", {"token": "rotated"})
    assert api.simulator.token == "rotated"
    assert (await api.get("submissions")).status == 200
    assert (await api.send("GET", f"{api.root}/submissions", token=old)).error == (403, 10000)
