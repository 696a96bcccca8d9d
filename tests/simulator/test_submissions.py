from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.simulator.api import Api, Clock, Simulate


async def missed(api: Api, **fields: Any) -> dict[str, Any]:
    """A new benign message, as a missed detection names it."""
    row = await api.row(await api.given(final_disposition="NONE", **fields))
    return {
        "postfix_id": row["postfix_id"],
        "message_id": row["message_id"],
        "recipient_emails": row["client_recipients"][:1],
        "expected_disposition": "MALICIOUS",
    }


async def wrong(api: Api, verdict: str = "NONE") -> dict[str, Any]:
    """A new detection, as a reclassification names it."""
    row = await api.row(await api.given(final_disposition="SPAM"))
    return {"alert_id": row["alert_id"], "expected_disposition": verdict}


async def submitted(api: Api, kind: str, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """The results of one call."""
    answer = await api.post("submissions", {"type": kind, "messages": list(messages)})
    assert answer.status == 202
    results: list[dict[str, Any]] = answer.result["results"]
    return results


async def test_one_call_submits_many_detections(api: Api) -> None:
    """Each is accepted, listed, logged with its message, and an effect of that request."""
    messages = [await wrong(api, verdict) for verdict in ("NONE", "SPOOF")]
    assert await submitted(api, "reclassification", *messages) == [
        {"id": message["alert_id"], "accepted": True} for message in messages
    ]
    rows = (await api.get("submissions", type="TEAM", order="requested_disposition", direction="asc")).result
    assert [row["requested_disposition"] for row in rows] == ["NONE", "SPOOF"]
    effects = await api.admin("effects")
    assert [(one["kind"], one["target"], one["request"]) for one in effects] == [
        ("reclassify", "NONE", 3),
        ("reclassify", "SPOOF", 3),
    ]
    (entry,) = (await api.get(f"investigate/{effects[0]['id']}/action_log")).result
    assert entry["properties"]["submission_id"] == rows[0]["submission_id"]


async def test_one_call_submits_many_that_passed(api: Api) -> None:
    """Benign mail has no alert: it is named by its postfix id, its Message-ID and whom it went to."""
    messages = [await missed(api), await missed(api) | {"eml_content": base64.b64encode(b"a: b").decode()}]
    results = await submitted(api, "missed_detection", *messages)
    assert [result["accepted"] for result in results] == [True, True]
    rows = (await api.get("submissions", type="TEAM")).result
    assert {row["original_postfix_id"] for row in rows} == {message["postfix_id"] for message in messages}


@pytest.mark.parametrize(
    "change, error",
    [
        ({"postfix_id": "unknown"}, "message not found"),
        ({"message_id": "<other@x.example>"}, "message not found"),
        ({"recipient_emails": ["stranger@x.example"]}, "recipient not found"),
        ({"eml_content": "no base64!"}, "base64"),
    ],
)
async def test_what_is_not_known_is_not_accepted(api: Api, change: dict[str, Any], error: str) -> None:
    """One message may be refused while the others of the call are submitted."""
    good = await missed(api)
    results = await submitted(api, "missed_detection", await missed(api) | change, good)
    assert [result["accepted"] for result in results] == [False, True]
    assert error in results[0]["error"].lower()
    assert len(await api.admin("effects")) == 1
    assert await submitted(api, "reclassification", {"alert_id": "x", "expected_disposition": "SPAM"}) == [
        {"id": "x", "accepted": False, "error": "alert not found"}
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"messages": []},
        {"type": "other", "messages": []},
        {"type": "reclassification"},
        {"type": "reclassification", "messages": [{"alert_id": "x"}]},
        {
            "type": "reclassification",
            "messages": [{"alert_id": "x", "expected_disposition": "MALICIOUS-BEC"}],
        },
        {
            "type": "missed_detection",
            "messages": [
                {"postfix_id": "x", "message_id": "x", "recipient_emails": [], "expected_disposition": "SPAM"}
            ],
        },
    ],
)
async def test_wrong_submissions_are_refused(api: Api, body: object) -> None:
    """A body that breaks the contract submits nothing."""
    assert (await api.post("submissions", body)).error == (400, 1004)
    assert await api.admin("effects") == []


async def test_results_may_name_the_submission(simulate: Simulate) -> None:
    """What a result's id means is not documented, so it can be either."""
    api = await simulate(submission_ids=True)
    (result,) = await submitted(api, "reclassification", await wrong(api))
    (row,) = (await api.get("submissions", type="TEAM")).result
    assert result["id"] == row["submission_id"]


async def test_outcomes_come_after_a_while(simulate: Simulate, clock: Clock) -> None:
    """The analysts accept most of the team's submissions and refuse some; verdicts stay as they are."""
    api = await simulate(messages=0, outcome_delay=60.0)
    await submitted(api, "reclassification", *[await wrong(api) for _ in range(40)])
    clock.advance(59)
    before = (await api.get("submissions", per_page=100)).result
    assert {(row["status"], row["outcome"]) for row in before} == {("pending", None)}
    clock.advance(1)
    after = (await api.get("submissions", per_page=100)).result
    outcomes = [(row["outcome"], row["outcome_disposition"]) for row in after]
    assert set(outcomes) == {("accepted", "NONE"), ("refused", "SPAM")}
    assert outcomes.count(("refused", "SPAM")) < 20
    assert {row["final_disposition"] for row in await api.all_rows()} == {"SPAM"}


async def test_users_reports_are_judged_too(simulate: Simulate) -> None:
    """The submissions behind reported mail have their outcomes, the newest ones not yet."""
    api = await simulate(messages=3000, span=36_000.0)
    rows = (await api.get("submissions", type="USER", per_page=100)).result
    judged = [row["outcome_disposition"] is not None for row in rows]
    assert judged == [row["requested_at"] <= "2027-01-15T07:55:00.000Z" for row in rows]
    assert {"accepted", "refused"} <= {row["outcome"] for row in rows}


async def test_an_escalated_report_says_so(api: Api) -> None:
    """A submission of the team that names a user's marks that one."""
    name = await api.given(final_disposition="SPAM")
    report = await api.admin(f"messages/{name}/submission", {"requested_by": "a@corp.example"})
    message = {"alert_id": api.tenant.messages[name].row.alert_id, "expected_disposition": "MALICIOUS"}
    await submitted(api, "reclassification", message | {"escalated_submission_id": report["submission_id"]})
    (row,) = (await api.get("submissions", submission_id=report["submission_id"])).result
    assert (row["customer_status"], row["escalated_as"]) == ("escalated", "MALICIOUS")
    assert len((await api.get("submissions", status="escalated")).result) == 1


async def test_an_outcome_can_be_given(api: Api, clock: Clock) -> None:
    """A test decides what the analysts say, and time does not change it."""
    await submitted(api, "reclassification", await wrong(api))
    (row,) = (await api.get("submissions", type="TEAM")).result
    await api.admin(f"submissions/{row['submission_id']}/outcome", {"outcome_disposition": "BULK"})
    clock.advance(1000)
    (row,) = (await api.get("submissions", type="TEAM")).result
    assert (row["outcome"], row["outcome_disposition"]) == ("refused", "BULK")
    with pytest.raises(AssertionError, match="submission x not found"):
        await api.admin("submissions/x/outcome", {"outcome_disposition": "BULK"})


async def test_faults_strike_submissions(api: Api) -> None:
    """A call can be lost after its effect, or be accepted for some messages only."""
    first, second = await wrong(api), await wrong(api)
    body = {"type": "reclassification", "messages": [first, second]}
    await api.admin(
        "faults", [{"on": "submit", "kind": "partial", "recipients": [second["alert_id"]], "count": 1}]
    )
    results = (await api.post("submissions", body)).result["results"]
    assert [result["accepted"] for result in results] == [True, False]
    await api.admin("faults", [{"on": "submit", "kind": "500", "after": True}])
    assert (await api.post("submissions", body)).status == 500
    assert len(await api.admin("effects")) == 3
