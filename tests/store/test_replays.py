"""A recorded decision can be made again from what was stored with it, and nothing that was changed passes for it."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, delete

from tests.builders import at, catalogue, detection, playbook, poll, report, sighting
from tests.desk import Desk
from worker.deciding.replay import judge
from worker.model.actions import Action, Mode, Move, Reclassify
from worker.model.events import Detection, Event, PhishReport
from worker.model.history import NO_HISTORY, History, PastAction
from worker.model.plans import DETECTIONS, PHISHGUARD
from worker.model.replay import Judgement, Replayed
from worker.pipeline import decide
from worker.playbooks.context import Context, Lists
from worker.playbooks.loader import Catalogue
from worker.store import schema
from worker.store.views.replays import past_decisions

SAME, DIFFERENT = Replayed.SAME, Replayed.DIFFERENT
PARTNERS = Lists({"partners": frozenset({"evil.example"})})


def junk(message: Detection) -> Move | None:
    """Looks at the message alone."""
    return Move(message, to="JunkEmail", reason=f"to {message.id}") if message.is_malicious else None


def moody(message: Detection, context: Context) -> list[Action]:
    """Looks at everything that there is to look at."""
    wanted: list[Action] = []
    if context.now.microsecond % 2:
        wanted.append(Reclassify(message, to="SPAM", reason=context.now.isoformat()))
    if message.sender_domain in context.lists["partners"] and len(context.history) < 2:
        wanted.append(Move(message, to="JunkEmail", reason=_before(context)))
    return wanted


def _before(context: Context) -> str:
    return f"{len(context.history)} before, {len(context.sender_history)} of the sender's"


def reported(message: PhishReport) -> Move | None:
    """Looks at a report."""
    return Move(message.message, to="JunkEmail", reason="told") if message.message else None


def rules(*playbooks: Any, lists: Lists = PARTNERS) -> Catalogue:
    """A generation of playbooks with these lists."""
    return replace(catalogue(*playbooks), lists=lists)


OWN = rules(playbook(junk), playbook(moody, "moody", takes_context=True))


async def live(desk: Desk, *events: Event, by: Catalogue = OWN, history: History = NO_HISTORY) -> None:
    """What the worker does with a page of events."""
    source = PHISHGUARD if isinstance(events[0], PhishReport) else DETECTIONS
    page = poll(f"poll{desk.clock.now()}", source=source)
    now = at(desk.clock.now())
    histories = {one.message.id: history for one in map(sighting, events) if one.message}
    await desk.record(page, *decide([sighting(one) for one in events], by, Mode.ENFORCE, now, histories))


async def replayed(desk: Desk, by: Catalogue = OWN) -> list[Judgement]:
    """Every recorded decision, made again."""
    past = await desk.run(lambda conn: list(past_decisions(conn, desk.ledger.account_id)))
    return [one for each in past for one in judge(each, by)]


async def results(desk: Desk, by: Catalogue = OWN) -> list[Replayed]:
    """Only what came of them."""
    return [one.result for one in await replayed(desk, by)]


@pytest.mark.parametrize("seed", range(10))
async def test_the_same_playbook_decides_the_same(desk: Desk, seed: int) -> None:
    """Whatever it looks at: the message, the time, lists, what was done before, though all of that has moved on since."""
    chance = random.Random(seed)
    made = 0
    for number in range(30):
        desk.clock.pass_time(chance.random() * 100)
        when = at(desk.clock.now())
        past = PastAction("move", "JunkEmail", "succeeded", "junk", when)
        done = History((past,) * chance.randrange(4), (past,) * chance.randrange(3))
        sender = chance.choice(["mallory@evil.example", "ann@corp.example"])
        disposition = chance.choice(["MALICIOUS", "SPAM"])
        message = detection(f"m{number}", sender=sender, final_disposition=disposition)
        await live(desk, message, history=done)
        made = len(await desk.audit("decided"))
    assert made > 20
    assert await results(desk) == [SAME] * made
    seen = [msgspec.json.decode(row["body"]).get("context") for row in await desk.audit("decided")]
    assert any(seen)
    assert not all(seen), "what looks at the message alone needs no context"


async def test_reports_are_decided_again_too(desk: Desk) -> None:
    """With the message that they were joined with."""
    by = rules(playbook(reported, "reported", on=PhishReport))
    await live(desk, replace_message(report(), detection()), by=by)
    assert await results(desk, by) == [SAME]


def replace_message(about: PhishReport, message: Detection) -> PhishReport:
    """The report, joined."""
    return msgspec.structs.replace(about, message=message)


@pytest.mark.parametrize(
    "other,told",
    [
        (lambda _: None, "junk now wants nothing"),
        (lambda m: Move(m, to="Inbox"), 'junk now wants move {"destination":"Inbox"}'),
        (lambda m: Move(m, to="JunkEmail", reason="for fun"), "junk gives another reason"),
        (lambda m: [junk(m), Reclassify(m, to="SPAM")], "junk now also wants reclassify"),
        (lambda m: m.nothing, "junk now playbook junk: AttributeError"),
    ],
)
async def test_another_decision_is_told(desk: Desk, other: Any, told: str) -> None:
    """The record is named, and what the playbook does now."""
    await live(desk, detection("m1"), by=rules(playbook(junk)))
    (one,) = await replayed(desk, rules(playbook(other)))
    (record,) = await desk.audit("decided")
    assert (one.seq, one.action_id, one.result) == (record["seq"], record["action_id"], DIFFERENT)
    assert one.detail.startswith(told)


async def test_what_is_no_longer_there_is_no_difference(desk: Desk) -> None:
    """Another version of a playbook, or none: counted, with its name; the other one is still asked."""
    await live(desk, detection("m1", sender="eve@x.example"))
    for by in (rules(), rules(playbook(junk, version="v2"))):
        (one,) = await replayed(desk, by)
        assert (one.result, one.detail) == (Replayed.VERSION_GONE, "junk")
    await live(desk, detection("m2"))
    without_moody = [one.result for one in await replayed(desk, rules(playbook(junk)))]
    assert without_moody == [SAME, Replayed.VERSION_GONE]
    liar = rules(playbook(lambda m: None), playbook(moody, "moody", version="v2", takes_context=True))
    assert await results(desk, liar) == [DIFFERENT, DIFFERENT]


async def test_other_lists_are_no_difference(desk: Desk) -> None:
    """They concern only who looks at a context."""
    await live(desk, detection("m1"), detection("m2", sender="eve@x.example"))
    other = replace(OWN, lists=Lists({"partners": frozenset()}))
    first, second = await replayed(desk, other)
    assert (first.result, first.detail) == (Replayed.LISTS_CHANGED, "moody")
    assert second.result is SAME


async def test_evidence_that_is_not_kept_any_more(desk: Desk) -> None:
    """Is counted."""
    await live(desk, detection("m1"))
    await desk.run(lambda conn: conn.execute(delete(schema.evidence)))
    assert await results(desk) == [Replayed.EVIDENCE_GONE]


@pytest.mark.parametrize("field", ["sender", "subject", "final_disposition"])
async def test_evidence_that_was_changed_is_found(desk: Desk, field: str) -> None:
    """Even where the playbook would decide the same."""
    await live(desk, detection("m1", subject="hello"))

    def change(conn: Connection) -> None:
        forged = msgspec.json.encode(detection("m1", **{"subject": "hello", field: "MALICIOUS-BEC"})).decode()
        conn.execute(schema.evidence.update().values(body=forged))

    await desk.run(change)
    assert await results(desk) == [Replayed.EVIDENCE_CHANGED]


async def test_a_message_that_came_again(desk: Desk) -> None:
    """Under its old verdict, but looking otherwise: the new sight is kept, and the log shows that it was seen."""
    await live(desk, detection("m1", subject="one"))
    desk.clock.pass_time(60)
    await live(desk, detection("m1", final_disposition="SPAM"))
    desk.clock.pass_time(60)
    await live(desk, detection("m1", subject="two"))
    found = await results(desk)
    assert Replayed.SEEN_AGAIN in found
    assert set(found) <= {SAME, Replayed.SEEN_AGAIN}


async def test_a_sight_that_nobody_decided_on_does_not_replace_evidence(desk: Desk) -> None:
    """WORKER_KEEP_EVENTS=all keeps every message; what a decision rests on comes first."""
    by = rules(playbook(lambda m: Move(m, to="JunkEmail") if m.subject == "one" else None))
    for message in (detection(subject="one"), detection(final_disposition="SPAM"), detection(subject="two")):
        page = poll(f"poll{desk.clock.now()}")
        decided = decide([sighting(message)], by, Mode.ENFORCE, at(desk.clock.now()))
        await desk.record(page, *decided, keep_all=True)
        desk.clock.pass_time(60)
    assert await results(desk, by) == [SAME]
