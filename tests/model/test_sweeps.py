from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import NOW, detection, sighting
from worker.campaigns.lookout import Lookout
from worker.model.actions import Move
from worker.model.sweeps import CRITERIA, Campaign, Sweep, Watch, within_reach
from worker.playbooks.vetting import refusal

HASH = "9f2c41d8e07ab365"


def sweep(*by: str, window: str = "7d", **fields: Any) -> Sweep:
    """A sweep from a message with these fields."""
    message = detection(**{"edf_hash": HASH, "subject": "Your parcel"} | fields)
    then = Move(message, to="JunkEmail", reason="kit")
    return Sweep(message, by=list(by or ("edf_hash",)), then=then, window=window)


def campaign(*, searching: bool = False, verdict: str | None = "MALICIOUS", **shared: str) -> Campaign:
    """An open campaign."""
    return Campaign(
        id="c1",
        seed="m1",
        verdict=verdict,
        shared=shared or {"edf_hash": HASH},
        to="JunkEmail",
        reason="",
        playbooks=("junk",),
        since=NOW - 900,
        until=NOW + 900,
        searching=searching,
    )


def test_two_sweeps_for_the_same_siblings_are_one() -> None:
    """Whatever message they start from, and in whatever order the marks are named; another mark makes another.

    So does another window: the longer one finds what the shorter one does not.
    """
    one, other = (
        sweep("sender", "edf_hash"),
        sweep("edf_hash", "sender", id="m2", sender="Mallory@Evil.example"),
    )
    assert (one.subject, one.target) == (other.subject, other.target)
    assert one.by == ("edf_hash", "sender")
    assert one.subject != sweep("edf_hash").subject
    assert sweep(window="7d").subject == sweep(window="168h").subject != sweep(window="30d").subject
    assert one.reason == "kit"


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": []},
        {"by": "edf_hash"},
        {"by": ["subject"]},
        {"window": "31d"},
        {"window": "0d"},
        {"window": 7},
        {"then": Move(detection("m2"), to="JunkEmail")},
    ],
)
def test_a_sweep_that_means_nothing_is_refused_at_once(wrong: dict[str, Any]) -> None:
    """So that `worker check` finds it, and not the night in which it is needed."""
    message = detection()
    given: dict[str, Any] = {"by": ["edf_hash"], "then": Move(message, to="JunkEmail")} | wrong
    with pytest.raises((ValueError, TypeError), match="Sweep"):
        Sweep(message, **given)


@pytest.mark.parametrize(
    "by, fields, why",
    [
        (("edf_hash",), {"edf_hash": None}, "has no edf_hash"),
        (("edf_hash",), {"edf_hash": "0" * 64}, "mark of no message"),
        (("htmltext_structure_hash",), {"htmltext_structure_hash": " "}, "has no htmltext_structure_hash"),
        (("exact_subject",), {"subject": ""}, "has no exact_subject"),
        (("exact_subject",), {"subject": "Re: Fwd: "}, "everybody writes"),
        (("exact_subject",), {"subject": "(no subject)"}, "everybody writes"),
        (("sender",), {"sender": None}, "has no sender"),
        (("sender",), {"sender": "ann@gmail.com"}, "public mail provider"),
        (("sender",), {"sender": "ceo@corp.example"}, "corp.example is protected"),
        (("sender",), {"sender": "ceo@mail.ours.example"}, "ours.example is protected"),
    ],
)
def test_what_would_match_strangers_is_refused(by: tuple[str, ...], fields: dict[str, Any], why: str) -> None:
    """Before it is planned, with the reason."""
    assert why in refusal(sweep(*by, **fields), {"ours.example"})


@pytest.mark.parametrize(
    "by, fields",
    [
        (("edf_hash",), {}),
        (("sender",), {}),
        (("exact_subject",), {"subject": "Re: invoice 4711"}),
        (("sender", "edf_hash"), {"sender": "ann@gmail.com"}),
        (("sender", "exact_subject"), {"sender": "ceo@corp.example"}),
    ],
)
def test_what_marks_a_campaign_is_not(by: tuple[str, ...], fields: dict[str, Any]) -> None:
    """Beside another mark a forged or public sender is one more, not the only one."""
    assert refusal(sweep(*by, **fields), {"ours.example"}) == ""


@pytest.mark.parametrize("name", CRITERIA)
def test_a_sibling_shares_everything_that_is_named(name: str) -> None:
    """One difference, and it is a stranger."""
    field = {"exact_subject": "subject"}.get(name, name)
    seed = detection(edf_hash=HASH, htmltext_structure_hash=HASH, subject="Parcel")
    marks = {one: getattr(seed, {"exact_subject": "subject"}.get(one, one)) for one in CRITERIA}
    watch = Watch([campaign(**marks)])
    same = {"edf_hash": HASH, "htmltext_structure_hash": HASH, "subject": "Parcel"}
    assert watch.of(detection("m2", **same))
    assert not watch.of(detection("m3", **same | {field: "other@evil.example"}))
    assert not watch.of(detection("m4", **same | {field: None}))


@pytest.mark.parametrize("verdict", ["NONE", None, "", "ENCRYPTED", "NEVER-HEARD-OF"])
def test_what_the_filter_has_nothing_against_asks_for_a_person(verdict: str | None) -> None:
    """But for the message that was confirmed, as it was then: what is cleared afterwards is confirmed no more."""
    one = campaign(verdict=verdict)
    assert one.asks(detection("m2", final_disposition=verdict))
    assert not one.asks(detection("m1", final_disposition=verdict))
    assert campaign().asks(detection("m1", final_disposition=verdict))
    assert not one.asks(detection("m2", final_disposition="SPAM"))


def test_what_no_mailbox_holds_is_out_of_reach() -> None:
    """Quarantined and rejected mail cannot be moved; what is still on its way, or untold, may be there."""
    assert not within_reach(detection(delivery_status=("quarantined",), is_quarantined=True))
    assert not within_reach(detection(delivery_status=("rejected",)))
    assert within_reach(detection(delivery_status=("moved",)))
    assert within_reach(detection(delivery_status=("deferred",)))
    assert within_reach(detection(delivery_status=()))


def test_nothing_slips_through_between_search_and_watch() -> None:
    """What comes in while a search runs is kept for its list; once that is frozen it is caught instead."""
    lookout = Lookout()
    searching, arriving = campaign(searching=True), detection("m2", edf_hash=HASH)
    lookout.follow([searching])
    lookout.note([sighting(arriving), sighting(detection("m3", edf_hash="other"))])
    lookout.follow([searching])
    assert lookout.arrived(searching) == {"m2": arriving}
    assert not lookout.late
    lookout.follow([campaign()])
    assert lookout.arrived(searching) == {}
    assert [one.id for one in lookout.late.of(arriving)] == ["c1"]


def test_a_list_that_is_frozen_is_watched_at_once() -> None:
    """Even where the ledger cannot be asked just then; what is searched for beside it still is."""
    lookout = Lookout()
    one, other = campaign(searching=True), replace(campaign(searching=True), id="c2")
    arriving = detection("m2", edf_hash=HASH)
    lookout.follow([one, other])
    lookout.froze(one)
    lookout.note([sighting(arriving)])
    assert [late.id for late in lookout.late.of(arriving)] == ["c1"]
    assert lookout.arrived(other) == {"m2": arriving}
