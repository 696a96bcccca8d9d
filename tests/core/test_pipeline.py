from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import NOW, at, catalogue, detection, playbook, report, sighting
from worker.model.actions import Mode, Move, Reclassify
from worker.model.history import History, PastAction
from worker.model.plans import Decided
from worker.pipeline import decide, needs_history
from worker.playbooks import Caps
from worker.playbooks.deciding import Playbook
from worker.playbooks.loader import Catalogue

SHADOW, APPROVE, ENFORCE = Mode


def junk(reason: str = "") -> Any:
    """A playbook's function that moves everything to Junk."""
    return lambda message: Move(message, to="JunkEmail", reason=reason)


def ask(known: Catalogue, event: Any = None, *, ceiling: Mode = ENFORCE, **more: Any) -> Decided:
    """What the playbooks say of one event."""
    (one,) = decide([sighting(event or detection())], known, ceiling, at(NOW), **more)
    return one


def wishes(one: Decided) -> list[tuple[str, str, list[str]]]:
    """Kind, target and playbooks of each wish."""
    return [(w.action.kind, w.action.target, [vote.playbook for vote in w.votes]) for w in one.wishes]


def broken(_: Any) -> None:
    """A playbook's function that always raises."""
    raise ValueError("it quotes mail")


def test_a_playbook_that_wants_nothing_leaves_no_wish() -> None:
    """And no evidence is kept for it."""
    one = ask(catalogue(playbook(lambda _: None)))
    assert (one.wishes, one.failures, one.keeps_evidence) == ((), (), False)


def test_a_wish_carries_its_playbook_version_mode_and_caps() -> None:
    """Everything that the caps and the audit need later, as it was when it was decided."""
    one = ask(catalogue(playbook(junk(), "p", caps=Caps(per_poll=3, per_hour=9))))
    (vote,) = one.wishes[0].votes
    assert (vote.playbook, vote.version, vote.mode) == ("p", "v1", ENFORCE)
    assert (vote.per_poll, vote.per_hour) == (3, 9)


@pytest.mark.parametrize("own", Mode)
@pytest.mark.parametrize("ceiling", Mode)
def test_a_vote_is_cast_under_the_operators_ceiling(own: Mode, ceiling: Mode) -> None:
    """The effective mode is the lower of the two."""
    one = ask(catalogue(playbook(junk(), mode=own)), ceiling=ceiling)
    assert one.wishes[0].mode is min(own, ceiling, key=list(Mode).index)


def test_playbooks_that_agree_share_a_wish() -> None:
    """One action with both votes, the lowest id first."""
    one = ask(catalogue(playbook(junk(), "b"), playbook(junk(), "a")))
    assert wishes(one) == [("move", "JunkEmail", ["a", "b"])]


def test_the_reason_is_that_of_the_playbook_that_acts() -> None:
    """A trial's reason must not stand on what another one does."""
    one = ask(catalogue(playbook(junk("trial"), "a", mode=SHADOW), playbook(junk("real"), "b")))
    assert one.wishes[0].action.reason == "real"
    assert one.wishes[0].mode is ENFORCE


def test_different_wishes_stay_apart() -> None:
    """Contradictions are for the plan's closing, which knows more."""
    one = ask(catalogue(playbook(junk(), "a"), playbook(lambda m: Move(m, to="Inbox"), "b")))
    assert wishes(one) == [("move", "JunkEmail", ["a"]), ("move", "Inbox", ["b"])]


def test_one_playbook_may_want_several_things() -> None:
    """A move and a new verdict for one message."""
    both = playbook(lambda m: [Move(m, to="JunkEmail"), Reclassify(m, to="SPAM")])
    assert wishes(ask(catalogue(both))) == [("move", "JunkEmail", ["junk"]), ("reclassify", "SPAM", ["junk"])]


def test_a_playbook_that_raises_stops_no_other() -> None:
    """The event is parked for it alone; its error quotes no mail."""
    one = ask(catalogue(playbook(broken, "a"), playbook(junk(), "b")))
    assert wishes(one) == [("move", "JunkEmail", ["b"])]
    (failure,) = one.failures
    assert (failure.playbook, failure.version) == ("a", "v1")
    assert "ValueError" in failure.error
    assert "quotes" not in failure.error
    assert one.keeps_evidence


def test_an_event_that_one_playbook_cannot_decide_stops_no_other_event() -> None:
    """Each event is decided alone."""

    def picky(message: Any) -> Any:
        return broken(message) if message.id == "m1" else Move(message, to="JunkEmail")

    first, second = decide(
        [sighting(detection("m1")), sighting(detection("m2"))], catalogue(playbook(picky)), ENFORCE, at(NOW)
    )
    assert (len(first.failures), len(second.wishes)) == (1, 1)


def test_playbooks_see_their_own_events_only() -> None:
    """A playbook on detections is never asked about a report."""
    from worker.model.events import PhishReport  # noqa: PLC0415 - only here

    known = catalogue(
        playbook(junk(), "a"), playbook(lambda r: Move(r.message, to="JunkEmail"), "b", on=PhishReport)
    )
    assert wishes(ask(known)) == [("move", "JunkEmail", ["a"])]
    assert wishes(ask(known, report(message=detection()))) == [("move", "JunkEmail", ["b"])]


def test_a_file_that_could_not_be_loaded_parks_every_event() -> None:
    """It may hold a playbook for any of them; the others decide as ever."""
    one = ask(catalogue(playbook(junk()), broken=["odd.py", "odd.py", "lists.txt"]))
    assert len(one.wishes) == 1
    assert [(failure.playbook, failure.version) for failure in one.failures] == [("file:odd.py", "")]


def test_events_decided_again_are_asked_of_the_named_playbooks_only() -> None:
    """The others have decided before, and files that are still broken do not park them twice."""
    known = catalogue(playbook(junk(), "a"), playbook(junk(), "b"), broken=["odd.py"])
    one = ask(known, only=frozenset({"b"}))
    assert wishes(one) == [("move", "JunkEmail", ["b"])]
    assert one.failures == ()


def test_a_playbook_knows_the_time_and_what_was_done_before() -> None:
    """The time of the decision, and the histories of this message and its sender alone."""
    seen: list[Any] = []

    def curious(_: Any, context: Any) -> None:
        told = (context.history, context.sender_history)
        seen.append((context.now, [[past.state for past in history] for history in told]))

    known: Catalogue = catalogue(playbook(curious, takes_context=True))
    past = PastAction("move", "JunkEmail", "succeeded", "other", at(NOW - 60))
    histories = {"m1": History((past,), (replace(past, state="failed"),))}
    decide([sighting(detection("m1")), sighting(detection("m2"))], known, ENFORCE, at(NOW), histories)
    assert seen == [(at(NOW), [["succeeded"], ["failed"]]), (at(NOW), [[], []])]


@pytest.mark.parametrize("takes", [True, False])
def test_histories_are_needed_only_where_somebody_may_look(takes: bool) -> None:
    """Or every page would cost another query."""
    one: Playbook = playbook(junk(), takes_context=takes)
    assert needs_history(catalogue(playbook(junk(), "other"), one)) is takes


def test_decisions_come_in_the_order_of_the_events() -> None:
    """One for each, whoever wants what."""
    seen = [sighting(detection(f"m{n}")) for n in range(5)]
    assert [one.sighting for one in decide(seen, catalogue(playbook(junk())), ENFORCE, at(NOW))] == seen
