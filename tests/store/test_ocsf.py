"""Every attempt to change mail becomes an event that the published OCSF schema allows, and says how it ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.builders import ACCOUNT, NOW, decided, detection, junk, wish
from tests.desk import Desk
from worker.audit.ocsf import VERSION, event
from worker.model.actions import Move, OnMessage, Reclassify, Release, State
from worker.model.calls import Answered, Outcome
from worker.store.trail.attempts import told

CONTRACT = Path(__file__).parents[1] / "contract" / f"ocsf-{VERSION}-remediation-activity.trimmed.json"
SCHEMA = json.loads(CONTRACT.read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
PARTLY = "moved for some recipients only; not for bob@corp.example: FAILED"


async def events(desk: Desk) -> list[dict[str, Any]]:
    """What is exported; each is valid and could be written as JSON."""
    found = await desk.run(lambda conn: [event(one, ACCOUNT, "1.2.3") for one in told(conn, ACCOUNT)])
    for one in found:
        VALIDATOR.validate(json.loads(json.dumps(one)))
        assert one["type_uid"] == one["class_uid"] * 100 + one["activity_id"]
    return found


async def answer(desk: Desk, state: State, error: str | None = None, **more: Any) -> None:
    """One answer for every action of every call that can be claimed."""
    for call in await desk.claim():
        outcomes = tuple(Outcome(item.action_id, state, error, more.get("due_in")) for item in call.items)
        name = more.get("name", "call.answered")
        await desk.ledger.settle(
            call, Answered(outcomes, name, more.get("status", 200), more.get("ray"), error)
        )


def test_the_schema_is_the_one_that_events_name() -> None:
    """And its required attributes are those that the class has in that version."""
    assert f"version {VERSION} " in SCHEMA["$comment"]
    assert set(SCHEMA["required"]) == {
        "activity_id", "category_uid", "class_uid", "command_uid", "metadata", "severity_id", "time", "type_uid",
    }  # fmt: skip
    assert not VALIDATOR.is_valid({})


@pytest.mark.parametrize(
    "action,activity,technique",
    [
        (Move(detection(), to="JunkEmail"), (1, "Isolate"), None),
        (Move(detection(), to="DeletedItems"), (2, "Evict"), "D3-ER"),
        (Move(detection(), to="RecoverableItemsDeletions"), (2, "Evict"), "D3-ER"),
        (Move(detection(), to="Inbox"), (3, "Restore"), "D3-RE"),
        (Release(detection(is_quarantined=True)), (3, "Restore"), "D3-RE"),
        (Reclassify(detection(), to="NONE"), (99, "Reclassify"), None),
    ],
)
async def test_each_kind_of_action(
    desk: Desk, action: OnMessage, activity: tuple[int, str], technique: str | None
) -> None:
    """Has an activity of the class, or says in its own words what it is."""
    await desk.take_in(decided(action.message, wish(action)))
    await answer(desk, State.SUCCEEDED)
    (found,) = await events(desk)
    assert (found["activity_id"], found["activity_name"]) == activity
    measures = found.get("countermeasures", [{}])
    assert measures[0].get("d3f_technique", {}).get("uid") == technique


@pytest.mark.parametrize(
    "state,error,status",
    [
        (State.SUCCEEDED, None, "Success"),
        (State.FAILED, "refused for every recipient: FAILED", "Failure"),
        (State.FAILED, PARTLY, "Partial"),
        (State.UNKNOWN, "AnswerLost: time-out", "Unknown"),
        (State.READY, "RateLimited: 429", "Error"),
        (State.SKIPPED, "the entry was gone already", "Does Not Exist"),
    ],
)
async def test_each_end(desk: Desk, state: State, error: str | None, status: str) -> None:
    """Has a status, with the words of the log beside it."""
    await desk.take_in(junk())
    await answer(desk, state, error, due_in=30.0)
    (found,) = await events(desk)
    assert found["status"] == status
    assert found.get("status_detail") == error


async def test_what_an_event_says(desk: Desk) -> None:
    """Whom, what, why, by which playbook, under which ids; and which record of the log it is."""
    await desk.take_in(junk())
    await answer(desk, State.SUCCEEDED, ray="8f1b2c3d4e5f6071-AMS")
    (found,) = await events(desk)
    row = await desk.row()
    (record,) = await desk.audit("outcome")
    assert found["command_uid"] == row["id"]
    assert found["time"] == int(NOW * 1000)
    assert found["remediation"] == {"desc": "test"}
    assert (found["message"], found["status_code"]) == ("move to JunkEmail: succeeded", "200")
    assert found["metadata"]["uid"] == f"{record['hash']}:{row['id']}"
    assert found["metadata"]["correlation_uid"] == row["call_id"]
    assert found["metadata"]["tenant_uid"] == ACCOUNT
    assert found["unmapped"] == {
        "message_id": "m1",
        "kind": "move",
        "target": "JunkEmail",
        "state": "succeeded",
        "cf_ray": "8f1b2c3d4e5f6071-AMS",
        "plan_id": row["plan_id"],
        "playbooks": [["junk", "junk-v1"]],
        "evidence_sha256": found["unmapped"]["evidence_sha256"],
    }


async def test_a_lost_answer_is_told_until_it_is_known(desk: Desk) -> None:
    """Each look is an event of the same command; what was read back belongs to the call that was lost."""
    await desk.take_in(junk())
    await answer(desk, State.UNKNOWN, "lost", due_in=30.0, name="call.lost", status=None)
    row = await desk.row()
    for state in (State.UNKNOWN, State.SUCCEEDED):
        await desk.ledger.settle_read_back(Outcome(row["id"], state, None, 30.0), counted=True)
    found = await events(desk)
    assert [one["status"] for one in found] == ["Unknown", "Unknown", "Success"]
    assert {one["command_uid"] for one in found} == {row["id"]}
    assert {one["metadata"]["correlation_uid"] for one in found} == {row["call_id"]}
    assert len({one["metadata"]["uid"] for one in found}) == 3


async def test_a_call_that_a_crash_cut_off(desk: Desk) -> None:
    """Is an attempt of which nothing is known yet."""
    await desk.take_in(junk("m1"), junk("m2"))
    await desk.claim()
    await desk.ledger.recover(30.0)
    found = await events(desk)
    assert [one["status"] for one in found] == ["Unknown", "Unknown"]
    assert {one["unmapped"]["message_id"] for one in found} == {"m1", "m2"}


async def test_what_was_never_sent_is_no_attempt(desk: Desk) -> None:
    """Held, shadowed, claimed too late, nobody to tell: nothing was tried."""
    await desk.take_in(junk(to="RecoverableItemsPurges"))
    await desk.take_in(junk("m2"))
    await answer(desk, State.READY, "too old", due_in=0.0, name="call.not_sent", status=None)
    await answer(desk, State.SKIPPED, "nobody is named to tell", name="call.not_needed", status=None)
    assert (await desk.row("m2"))["state"] == State.SKIPPED
    assert await events(desk) == []
