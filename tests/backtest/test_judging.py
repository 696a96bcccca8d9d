from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any, cast

import pytest

from tests.builders import ENFORCE, NOW, at, catalogue, detection, playbook, poll, report, sighting
from tests.desk import Desk
from worker.backtest.judging import GIVEN_UP, Judge, as_enforcing
from worker.backtest.seen import Seen
from worker.backtest.standing import Past, Remembered, Standing, Window
from worker.model.actions import Action, Mode, Move, Release, State
from worker.model.admission import Existing
from worker.model.caps import DAY, HOUR
from worker.model.entries import BlockSender, UnblockSender
from worker.model.events import Detection, PhishReport
from worker.model.history import PastAction
from worker.model.plans import DETECTIONS, PHISHGUARD, Ceilings
from worker.model.telling import Notify
from worker.playbooks.context import Context
from worker.playbooks.declaration import Caps
from worker.playbooks.loader import Catalogue

ROUNDS, EVENTS = 10, 10
TIGHT = Ceilings(Mode.ENFORCE, per_poll=6, per_hour=14, per_day=60, share=0.9)


def quarrelling() -> Catalogue:
    """Playbooks that meet caps, contradict one another, agree, tell people and want entries that must not be."""

    def junk(message: Detection) -> Action | None:
        return Move(message, to="JunkEmail") if message.final_disposition == "SPAM" else None

    def also_junk(message: Detection) -> Action | None:
        return Move(message, to="JunkEmail") if "offer" in (message.subject or "") else None

    def purge(message: Detection) -> Action | None:
        return (
            Move(message, to="RecoverableItemsPurges") if message.final_disposition == "MALICIOUS" else None
        )

    def release(message: Detection) -> list[Action]:
        return [Release(message)] if "partner" in (message.subject or "") else []

    def block(message: Detection) -> Action | None:
        return BlockSender(message) if message.final_disposition == "MALICIOUS" else None

    def unblock(message: Detection) -> Action | None:
        return UnblockSender(message) if message.final_disposition == "NONE" else None

    def tell(message: Detection) -> Action | None:
        return Notify(message, text="look") if "partner" in (message.subject or "") else None

    def reported(one: PhishReport) -> Action | None:
        return Move(one.message, to="DeletedItems") if one.message is not None else None

    return catalogue(
        playbook(junk, "junk", caps=Caps(per_poll=3, per_hour=7)),
        playbook(also_junk, "also-junk", mode=Mode.APPROVE),
        playbook(purge, "purge"),
        playbook(release, "release", caps=Caps(per_day=9)),
        playbook(block, "block"),
        playbook(unblock, "unblock", mode=Mode.SHADOW),
        playbook(tell, "tell", caps=Caps(per_poll=2)),
        playbook(reported, "reported", on=PhishReport),
    )


def drawn(chance: Random, number: int, source: str) -> Seen:
    """An event of the tenth minute or so; reports are about messages that were seen before."""
    subject = chance.choice(("offer", "partner", "offer of a partner", "hello"))
    message = detection(
        f"m{chance.randrange(number + 1) if source == PHISHGUARD else number}",
        subject=subject,
        final_disposition=chance.choice(("SPAM", "MALICIOUS", "NONE", "SPOOF")),
        sender=chance.choice(("s1@evil.example", "s2@evil.example", "s3@evil.example", "boss@corp.example")),
    )
    event = message if source == DETECTIONS else report(number, message=message)
    return Seen(sighting(event), NOW)


@pytest.mark.parametrize("seed", range(2))
async def test_a_judge_rules_as_the_ledger_does(desk: Desk, seed: int) -> None:
    """What would act, be held or skipped is what the real ledger makes of the same polls, where it acts at once."""
    chance, judge = Random(seed), Judge(quarrelling(), TIGHT)
    number, states = 0, Counter[str]()
    for turn in range(ROUNDS):
        source = PHISHGUARD if turn % 4 == 3 else DETECTIONS
        events = [drawn(chance, number := number + 1, source) for _ in range(EVENTS)]
        decided = judge.page(source, events, desk.clock.now())
        one = poll(f"poll{turn}", source=source)
        await desk.record(one, *decided)
        await desk.ledger.close(one, TIGHT, None)
        rows = await desk.rows(poll_id=one.id)
        theirs = Counter(
            (row["subject"] or row["message_id"], row["kind"], row["target"], row["state"]) for row in rows
        )
        ours = Counter(
            (action.subject or action.message.id, action.kind, action.target, str(judged.state))
            for judged in judge.close(source, desk.clock.now())
            for action in [cast("Any", judged.wish.action)]
            if judged.why != "the same action exists"  # of which the ledger makes a vote for that one
        )
        assert ours == theirs, turn
        states.update(row["state"] for row in rows)
        for row in rows:
            if row["state"] == State.READY:
                await desk.edit(row["id"], state=State.SUCCEEDED)
        desk.clock.pass_time(chance.choice((60.0, 600.0, 1800.0)))
    assert {"ready", "held", "skipped", "shadowed"} <= states.keys()


def test_a_window_forgets_what_is_older() -> None:
    """Caps per hour count the last hour, whatever came before."""
    window = Window(HOUR)
    window.add(NOW, {"a": 2, "b": 1}, 2)
    window.add(NOW + 1800, {"a": 1}, 1)
    assert window.used(NOW + 1800) == ({"a": 3, "b": 1}, 3)
    by, total = window.used(NOW + HOUR)
    assert (by["a"], by["b"], total) == (1, 0, 1)
    assert window.used(NOW + DAY)[1] == 0


def test_a_playbook_sees_what_it_would_have_done_before() -> None:
    """The history of a message is that of the played polls."""
    histories: list[tuple[str, ...]] = []

    def curious(message: Detection, context: Context) -> Action:
        histories.append(tuple(f"{past.kind} {past.target} {past.state}" for past in context.history))
        return Move(message, to="JunkEmail")

    judge, states = Judge(catalogue(playbook(curious, takes_context=True)), ENFORCE), []
    for later in (0.0, 60.0):
        judge.page(DETECTIONS, [Seen(sighting(detection()), NOW)], NOW + later)
        states += [(one.state, one.why) for one in judge.close(DETECTIONS, NOW + later)]
    assert histories == [(), ("move JunkEmail succeeded",)]
    assert states == [(State.READY, ""), (State.SKIPPED, "the same action exists")]


def test_a_playbook_sees_what_it_would_have_done_to_other_mail_of_the_sender() -> None:
    """As the worker's own memory of a sender, which leaves the message itself out."""
    seen: list[tuple[int, int]] = []

    def curious(message: Detection, context: Context) -> Action:
        seen.append((len(context.history), len(context.sender_history)))
        return Move(message, to="JunkEmail")

    judge = Judge(catalogue(playbook(curious, takes_context=True)), ENFORCE)
    for turn, name in enumerate(("m1", "m2", "m2", "m3")):
        sender = "ann@evil.example" if name != "m3" else "ben@evil.example"
        judge.page(DETECTIONS, [Seen(sighting(detection(name, sender=sender)), NOW)], NOW + turn)
        judge.close(DETECTIONS, NOW + turn)
    assert seen == [(0, 0), (0, 1), (1, 1), (0, 0)]


def test_what_is_remembered_is_bounded() -> None:
    """Of more messages than that the oldest is forgotten, and nothing grows."""
    remembered, past = Remembered(most=3), Past(most=3)
    for number in range(50):
        message = detection(f"m{number}", sender=f"s{number}@evil.example")
        old = Existing(f"a{number}", message.id, "move", "JunkEmail", State.SUCCEEDED)
        remembered.add(Standing(old, ("junk",)))
        past.add(message, PastAction("move", "JunkEmail", "succeeded", "junk", at(NOW)))
    assert [one.existing.about for one in remembered.on(f"m{number}" for number in range(50))] == [
        "m47",
        "m48",
        "m49",
    ]
    known = [number for number in range(50) if past.of(detection(f"m{number}", sender=None), at(NOW))]
    assert known == [47, 48, 49]


def test_a_playbook_that_only_fails_is_given_up() -> None:
    """A history of a million events is not asked a million times in vain; the others go on, and it is told."""
    asked = 0

    def broken(_: Detection) -> None:
        nonlocal asked
        asked += 1
        raise ValueError

    judge = Judge(catalogue(playbook(broken, "broken"), playbook(lambda _: None, "fine")), ENFORCE)
    decided = judge.page(
        DETECTIONS, [Seen(sighting(detection(f"m{n}")), NOW) for n in range(GIVEN_UP + 50)], NOW
    )
    assert asked == GIVEN_UP
    assert all(one.failures[0].playbook == "broken" for one in decided)
    assert decided[-1].failures[0].error.startswith("not asked any more after: playbook broken: ValueError")


def test_every_playbook_can_be_judged_as_if_it_might_act() -> None:
    """A shadow playbook is to show what it would do if it were let go."""
    shadow = catalogue(playbook(lambda message: Move(message, to="JunkEmail"), mode=Mode.SHADOW))
    for known, state in ((shadow, State.SHADOWED), (as_enforcing(shadow), State.READY)):
        judge = Judge(known, ENFORCE)
        judge.page(DETECTIONS, [Seen(sighting(detection()), NOW)], NOW)
        assert [one.state for one in judge.close(DETECTIONS, NOW)] == [state]


def test_of_two_that_contradict_each_other_one_names_the_other() -> None:
    """So that a message on which two playbooks quarrel counts once."""
    known = catalogue(
        playbook(lambda message: Move(message, to="JunkEmail"), "a"),
        playbook(lambda message: Move(message, to="Inbox"), "b"),
    )
    judge = Judge(known, ENFORCE)
    judge.page(DETECTIONS, [Seen(sighting(detection()), NOW)], NOW)
    judged = judge.close(DETECTIONS, NOW)
    assert [(one.state, one.category) for one in judged] == [(State.HELD, "conflict")] * 2
    assert [one.against for one in judged] == [(("b", "move", "Inbox"),), ()]
