from __future__ import annotations

from typing import Any

from tests.simulator.api import START, Api, Clock, Simulate

QUARANTINED: dict[str, Any] = {"is_quarantined": True, "delivery_status": ["quarantined"]}


async def operations(api: Api, investigate_id: str) -> list[str]:
    """The operations in a message's action log."""
    log = (await api.get(f"investigate/{investigate_id}/action_log")).result
    return [entry["operation"] for entry in log]


async def test_move_shows_everywhere(api: Api) -> None:
    """A move changes the row, is logged with its folder, and is an effect of that request."""
    name = await api.given(client_recipients=["a@corp.example"], delivery_status=["delivered"])
    await api.post(f"investigate/{name}/move", {"destination": "JunkEmail"})
    row = await api.row(name)
    assert (row["delivery_status"], row["post_delivery_operations"]) == (["moved"], ["MOVE"])
    assert row in await api.all_rows(message_action="MOVED", detections_only=False)
    assert await api.admin("effects") == [
        {"kind": "move", "id": name, "recipients": ["a@corp.example"], "target": "JunkEmail",
         "actor": "api", "at": START, "request": 1}
    ]  # fmt: skip


async def test_bulk_move_answers_a_row_per_recipient_without_ids(api: Api) -> None:
    """Rows have a message id and a recipient; an unknown id has none; a repeated id counts once."""
    names = [await api.given(client_recipients=["a@corp.example", "b@corp.example"]) for _ in range(2)]
    body = {"destination": "DeletedItems", "ids": [*names, names[0], "unknown"]}
    rows = (await api.post("investigate/move", body)).result
    expected = [api.tenant.messages[name].row.message_id for name in names for _ in "ab"]
    assert [row["message_id"] for row in rows] == expected
    assert all("id" not in row and row["success"] for row in rows)
    assert [effect["id"] for effect in await api.admin("effects")] == names


async def test_repeated_move_is_a_second_effect(api: Api) -> None:
    """Nothing is idempotent: tests can see what a client did twice."""
    name = await api.given()
    for _ in range(2):
        await api.post(f"investigate/{name}/move", {"destination": "JunkEmail"})
    assert len(await api.admin("effects")) == 2
    assert await operations(api, name) == ["MOVE", "MOVE"]
    assert (await api.row(name))["post_delivery_operations"] == ["MOVE"]


async def test_release_delivers(api: Api) -> None:
    """A release ends the quarantine and delivers to every recipient; again, if asked again."""
    name = await api.given(**QUARANTINED, client_recipients=["a@corp.example"])
    for _ in range(2):
        (answer,) = (await api.post("investigate/release", {"ids": [name]})).result
        assert answer == {"id": name, "delivered": ["a@corp.example"], "undelivered": [], "failed": []}
    row = await api.row(name)
    assert (row["is_quarantined"], row["delivery_status"]) == (False, ["delivered"])
    assert row["post_delivery_operations"] == ["QUARANTINE_RELEASE"]
    assert [effect["kind"] for effect in await api.admin("effects")] == ["release", "release"]


async def test_release_of_other_mail_does_nothing(api: Api) -> None:
    """Mail that is not in quarantine stays undelivered, an unknown id gets nulls."""
    name = await api.given(is_quarantined=False, client_recipients=["a@corp.example"])
    known, unknown = (await api.post("investigate/release", {"ids": [name, "unknown"]})).result
    assert known == {"id": name, "delivered": [], "undelivered": ["a@corp.example"], "failed": []}
    assert unknown == {"id": "unknown", "delivered": None, "undelivered": None, "failed": None}
    assert await api.admin("effects") == []


async def test_old_release_body_behind_a_switch(simulate: Simulate) -> None:
    """With `release_array` the bare array of older clients works as well as the object."""
    api = await simulate(release_array=True)
    name = await api.given(**QUARANTINED)
    for body in ([name], {"ids": [name]}):
        assert (await api.post("investigate/release", body)).result[0]["delivered"]


async def test_reclassify_leaves_two_traces(api: Api) -> None:
    """The submission is in the action log and in the list of submissions, under one id; the verdict stays."""
    name = await api.given(final_disposition="SPAM")
    await api.post(f"investigate/{name}/reclassify", {"expected_disposition": "NONE"})
    (entry,) = (await api.get(f"investigate/{name}/action_log")).result
    (submission,) = (await api.get("submissions", type="TEAM")).result
    assert entry["operation"] == "SUBMISSION"
    assert entry["properties"]["requested_disposition"] == submission["requested_disposition"] == "NONE"
    assert entry["properties"]["submission_id"] == submission["submission_id"]
    assert (await api.row(name))["final_disposition"] == "SPAM"


async def test_reclassify_may_change_the_verdict_later(simulate: Simulate, clock: Clock) -> None:
    """With `verdict_delay` the verdict follows, and the submission gets its outcome."""
    api = await simulate(verdict_delay=60.0)
    name = await api.given(final_disposition="NONE")
    await api.post(f"investigate/{name}/reclassify", {"expected_disposition": "SPOOF"})
    clock.advance(59)
    assert (await api.row(name))["final_disposition"] == "NONE"
    clock.advance(1)
    row = await api.row(name)
    assert row["final_disposition"] == "SPOOF"
    assert row["alert_id"]
    (submission,) = (await api.get("submissions", type="TEAM", outcome_disposition="SPOOF")).result
    assert submission["customer_status"] == "reviewed"


async def test_logs_may_lag(simulate: Simulate, clock: Clock) -> None:
    """Effects are immediate, but the action log and the submissions show them after their lags."""
    api = await simulate(action_log_lag=20.0, submission_lag=40.0)
    name = await api.given()
    await api.post(f"investigate/{name}/reclassify", {"expected_disposition": "SPAM"})
    seen = []
    for _ in range(3):
        submissions = (await api.get("submissions", type="TEAM")).result
        seen.append((len(await operations(api, name)), len(submissions)))
        clock.advance(20)
    assert seen == [(0, 0), (1, 0), (1, 1)]
    assert len(await api.admin("effects")) == 1


async def test_action_log_is_paged(api: Api) -> None:
    """The log is paged by number, oldest first."""
    name = await api.given()
    for folder in ("JunkEmail", "Inbox", "DeletedItems"):
        await api.post(f"investigate/{name}/move", {"destination": folder})
    answer = await api.get(f"investigate/{name}/action_log", page=2, per_page=2)
    assert [entry["properties"]["folder"] for entry in answer.result] == ["DeletedItems"]
    assert answer.info == {"count": 1, "page": 2, "per_page": 2, "total_count": 3}


async def test_analyst_moves_a_message(api: Api) -> None:
    """A person's move looks like any other, but names somebody else and belongs to no request."""
    name = await api.given()
    await api.admin(f"messages/{name}/analyst-move", {"destination": "Inbox"})
    (entry,) = (await api.get(f"investigate/{name}/action_log")).result
    assert entry["properties"]["requested_by"] == "analyst@corp.example"
    (effect,) = await api.admin("effects")
    assert (effect["actor"], effect["request"], effect["target"]) == ("analyst", None, "Inbox")
