from __future__ import annotations

from typing import Any

import pytest

from tests.builders import ACCOUNT, NOW, junk, poll, vote
from tests.builders import ENFORCE as CEILINGS
from tests.desk import Desk, messages
from worker.model.actions import Mode, State
from worker.model.levels import Level, level_of
from worker.store.people import levels
from worker.store.people.trials import trial

SHADOW, APPROVE, ENFORCE = Mode


def record(level: Mode, playbook: str = "junk", version: str = "junk-v1") -> Level:
    """What a person recorded."""
    return Level(playbook, level, version, "ann", "odd moves", NOW)


async def demote(desk: Desk, level: Mode, playbook: str = "junk") -> list[dict[str, Any]]:
    """A person demotes the playbook from enforce."""
    return await desk.run(levels.demote, ACCOUNT, record(level, playbook), ENFORCE, 3600.0)


@pytest.mark.parametrize(
    "level, ready, approved, held",
    [(SHADOW, "shadowed", "shadowed", "shadowed"), (APPROVE, "held", "ready", "held")],
)
async def test_a_demotion_takes_what_is_not_sent(
    desk: Desk, level: Mode, ready: str, approved: str, held: str
) -> None:
    """In its own transaction: what is ready, and to shadow also what a person approved or was asked about."""
    await desk.take_in(junk("ready"), junk("approved"), junk("held", vote(mode=APPROVE)))
    await desk.take_in(junk("other", vote("other")))
    await desk.approve("approved")
    await demote(desk, level)
    states = {"ready": [ready], "approved": [approved], "held": [held], "other": ["ready"]}
    assert await desk.states() == states
    row = await desk.row("ready")
    assert (row["mode"], row["due_at"], row["admitted_at"], row["approval_id"]) == (level, None, None, None)
    assert row["error"] == f"junk was demoted to {level} by ann: odd moves"
    assert await desk.intact()


async def test_what_another_playbook_may_do_goes_on_under_its_name(desk: Desk) -> None:
    """It wants the same and is trusted as before: its detections must not be lost with the other's."""
    await desk.take_in(junk("m1", vote("junk"), vote("other")))
    await demote(desk, SHADOW)
    row = await desk.row()
    assert (row["state"], row["playbook"], row["playbook_version"], row["plan_id"]) == (
        "ready", "other", "other-v1", "poll1.other",
    )  # fmt: skip


async def test_what_comes_back_to_a_demoted_playbook_is_not_sent_again(desk: Desk) -> None:
    """It was under way when the playbook was demoted, and the vendor did not take it."""
    await desk.take_in(junk("m1"), junk("m2", vote("other")))
    (call,) = await desk.claim()
    await demote(desk, SHADOW)
    assert await desk.states() == {"m1": ["submitted"], "m2": ["submitted"]}
    await desk.settle(call, State.READY, due_in=0.0)
    for row in await desk.rows():
        await desk.edit(row["id"], verified_at=desk.clock.now(), due_at=desk.clock.now())
    (again,) = await desk.claim()
    assert messages(again) == ["m2"]
    assert (await desk.row("m1"))["state"] == State.SHADOWED


async def test_a_poll_that_was_open_closes_under_the_lower_level(desk: Desk) -> None:
    """Its votes were cast before the demotion."""
    one = poll("open")
    await desk.record(one, junk("m1"), junk("m2", vote("other")))
    await demote(desk, SHADOW)
    await desk.ledger.close(one, CEILINGS, None)
    assert await desk.states() == {"m1": ["shadowed"], "m2": ["ready"]}


async def test_an_undo_goes_on_whatever_becomes_of_the_playbook(desk: Desk) -> None:
    """A person ordered it, most likely because of that very playbook."""
    (done,) = await desk.bring(State.SUCCEEDED, junk("m1"))
    await desk.take_in(junk("m2"))
    await desk.edit((await desk.row("m2"))["id"], cause=done["id"], playbook="junk")
    await demote(desk, SHADOW)
    assert (await desk.row("m2"))["state"] == State.READY


async def test_every_record_is_in_the_log(desk: Desk) -> None:
    """Who, why, from where to where, on what proof."""
    await desk.run(levels.promote, ACCOUNT, record(ENFORCE), SHADOW, 3, forced=True)
    await demote(desk, APPROVE)
    bodies = [row["body"] for row in await desk.audit("promote", "demote")]
    assert '"by":"ann"' in bodies[0]
    assert '"matches":3' in bodies[0]
    assert '"was":"shadow"' in bodies[0]
    assert '"reason":"odd moves"' in bodies[1]
    assert (await desk.ledger.levels())["junk"].level is APPROVE


async def test_the_proof_counts_messages_of_this_version_alone(desk: Desk) -> None:
    """What older code wanted proves nothing of the new; nor does what it did by itself."""
    await desk.take_in(junk("m1", vote(mode=SHADOW)), junk("m2", vote(mode=APPROVE)), junk("m3"))
    await desk.take_in(junk("m4", vote(mode=SHADOW)))
    shown = await desk.run(trial, ACCOUNT, "junk", "junk-v1")
    assert (shown["matches"], shown["largest_poll"]) == (3, 2)
    assert shown["wanted"] == [{"kind": "move", "target": "JunkEmail", "messages": 3}]
    assert (await desk.run(trial, ACCOUNT, "junk", "v2"))["matches_of_other_versions"] == 3


@pytest.mark.parametrize(
    "declared, level, version, effective",
    [
        (SHADOW, ENFORCE, "v1", ENFORCE),
        (SHADOW, ENFORCE, "v2", APPROVE),
        (ENFORCE, ENFORCE, "v2", ENFORCE),
        (ENFORCE, SHADOW, "v2", SHADOW),
        (SHADOW, APPROVE, "v2", APPROVE),
    ],
)
def test_other_code_than_was_promoted_waits_for_approval(
    declared: Mode, level: Mode, version: str, effective: Mode
) -> None:
    """Unless its own file says that it acts; a demotion holds for whatever code."""
    known = {"junk": record(level, version="v1")}
    assert level_of("junk", version, declared, known) is effective
    assert level_of("other", version, declared, known) is declared
