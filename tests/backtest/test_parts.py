from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import ENFORCE, NOW, at, catalogue, detection, playbook, sighting, submission
from tests.repositories import committed
from worker.backtest.people import AGREED, EXTRA, OTHER, compare, missed
from worker.backtest.plotting import folded, plot, sparkline
from worker.backtest.reporting import AS_DECLARED, Backtest, Other, Terms
from worker.backtest.revision import rules_at
from worker.backtest.rewinding import as_delivered, shown_deeds
from worker.backtest.seen import Deed, Seen, deeds_of
from worker.backtest.tally import BEYOND, Names
from worker.backtest.vendor import without_own
from worker.budget import SHARES, Behind
from worker.errors import UsageError
from worker.model.actions import Action, Mode, Move, Reclassify, Release, Submit
from worker.model.enrichment import LogEntry
from worker.model.entries import BlockSender
from worker.model.events import Detection
from worker.playbooks.declaration import Caps
from worker.ports import Lane, Observation

MOVED: dict[str, Any] = {"delivery_status": ("moved",), "post_delivery_operations": ("PREVIEW", "MOVE")}
RELEASED: dict[str, Any] = {
    "delivery_status": ("delivered",),
    "post_delivery_operations": ("QUARANTINE_RELEASE",),
}


@pytest.mark.parametrize(
    "now,before",
    [
        (MOVED, {"delivery_status": ("delivered",)}),
        (MOVED | {"delivery_status": ("moved", "move_failed")}, {"delivery_status": ("delivered",)}),
        (RELEASED, {"delivery_status": ("quarantined",), "is_quarantined": True}),
        ({"delivery_status": ("rejected",)}, {"delivery_status": ("rejected",)}),
        (RELEASED | {"delivery_status": ()}, {"delivery_status": (), "is_quarantined": True}),
    ],
)
def test_a_message_is_rewound_to_its_delivery(now: dict[str, Any], before: dict[str, Any]) -> None:
    """What was moved or released since is decided as it was before: or playbooks would find nothing left to do."""
    assert as_delivered(detection(**now)) == detection(**before)


def test_what_was_done_is_read_from_the_log_and_else_from_the_row() -> None:
    """Folder and person come from the log alone; what failed, and looking at a message, is nothing that was done."""
    log = [
        LogEntry(operation="MOVE", folder="JunkEmail", requested_by="ann@corp.example", success=True),
        LogEntry(operation="MOVE", folder="JunkEmail", requested_by="ann@corp.example"),
        LogEntry(operation="MOVE", folder="Inbox", success=False),
        LogEntry(operation="PREVIEW"),
        LogEntry(operation="SUBMISSION", requested_disposition="SPAM"),
    ]
    assert deeds_of(log) == (Deed("move", "JunkEmail", "ann@corp.example"), Deed("submit", "SPAM"))
    assert shown_deeds(detection(**MOVED)) == (Deed("move"),)


def test_what_the_worker_did_is_nothing_that_people_did() -> None:
    """By kind and folder; where the vendor does not tell the folder, by the kind."""
    deeds = (Deed("move", "JunkEmail"), Deed("move", "Inbox", "ann"), Deed("submit", "SPAM"), Deed("release"))
    own = [("move", "JunkEmail"), ("reclassify", "SPAM"), ("release", "")]
    assert without_own(deeds, own) == (Deed("move", "Inbox", "ann"),)
    assert without_own((Deed("move"),), own) == ()


@pytest.mark.parametrize(
    "action,deeds,expected",
    [
        (Move(detection(), to="JunkEmail"), [Deed("move", "JunkEmail", "ann")], AGREED),
        (Move(detection(), to="JunkEmail"), [Deed("move")], AGREED),
        (Move(detection(), to="JunkEmail"), [Deed("move", "DeletedItems")], OTHER),
        (Move(detection(), to="JunkEmail"), [Deed("release")], OTHER),
        (Move(detection(), to="JunkEmail"), [], EXTRA),
        (Move(detection(), to="JunkEmail"), None, ""),
        (Reclassify(detection(), to="SPAM"), [Deed("submit", "SPAM")], AGREED),
        (Submit(detection(), to="SPAM"), [Deed("submit", "NONE")], OTHER),
        (Release(detection()), [Deed("release", "", "ann")], AGREED),
        (BlockSender(detection()), [Deed("move")], ""),
    ],
)
def test_an_action_agrees_with_people_or_not(action: Action, deeds: list[Deed] | None, expected: str) -> None:
    """The same kind to the same target is agreement; what nobody knows is not counted."""
    assert compare(action, deeds) == expected


def test_what_people_did_and_nobody_wanted_is_missed() -> None:
    """By its kind: another folder is no miss, but another action."""
    deeds = [Deed("move", "Inbox"), Deed("release")]
    assert missed(deeds, [Move(detection(), to="JunkEmail")]) == [Deed("release")]
    assert missed(deeds, []) == deeds


def test_a_sparkline_shows_the_least_beside_the_most() -> None:
    """One match among a thousand is seen, and none is not."""
    assert sparkline([0, 1, 500, 1000]) == "▁▂▅█"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([]) == ""


def test_hours_are_folded_without_losing_one() -> None:
    """However long the history, every event is in one step, and there are not too many."""
    hours = {1000: 3, 1001: 1, 9000: 7}
    one = plot(hours, (1000, 9000))
    assert (sum(one.counts), one.counts[-1], one.start) == (11, 7, 3_600_000.0)
    assert len(one.counts) <= 24 * 62
    few = folded(one, 48)
    assert (sum(few.counts), len(few.counts) <= 48) == (11, True)


def test_of_made_up_names_only_so_many_are_counted() -> None:
    """An attacker who writes to a new address each time fills no memory."""
    names = Names(most=2)
    for name in ("a", "b", "c", "d", "a"):
        names.add(name)
    assert [(one.name, one.count) for one in names.top(9)] == [("a", 2), (BEYOND, 2), ("b", 1)]


def moves(to: str, verdict: str) -> Any:
    """A playbook's function."""
    return lambda message: Move(message, to=to) if message.final_disposition == verdict else None


def mail(*verdicts: str) -> list[Seen]:
    """One message for each verdict, a minute apart."""
    return [
        Seen(sighting(detection(f"m{n}", final_disposition=one, scanned_at=at(NOW + 60 * n))), NOW + 60 * n)
        for n, one in enumerate(verdicts)
    ]


def test_revisions_are_compared_event_by_event() -> None:
    """Newly hit, no longer hit, another action, new and gone playbooks; what neither can decide is told apart."""
    now = catalogue(
        playbook(moves("JunkEmail", "SPAM"), "narrow", version="v2"),
        playbook(moves("Inbox", "SPAM"), "other", version="v2"),
        playbook(moves("Inbox", "BULK"), "same"),
        playbook(moves("JunkEmail", "BULK"), "new"),
        playbook(lambda _: 1 / 0, "broken", version="v2"),
    )
    then = catalogue(
        playbook(lambda message: Move(message, to="JunkEmail"), "narrow"),
        playbook(moves("JunkEmail", "SPAM"), "other"),
        playbook(moves("Inbox", "BULK"), "same"),
        playbook(moves("Inbox", "SPAM"), "gone"),
        playbook(lambda _: None, "broken"),
    )
    backtest = Backtest(now, Terms(ENFORCE, 30.0), Other(then, "main", "c0ffee"))
    backtest.take(mail("SPAM", "BULK", "SPAM"))
    comparison = backtest.report("file", "rules", 0.0).comparison
    assert comparison is not None
    found = {
        one.playbook: (one.status, one.before, one.after, one.newly_hit, one.no_longer_hit, one.other_action)
        for one in comparison.playbooks
    }
    assert found == {
        "narrow": ("changed", 3, 2, 0, 1, 0),
        "other": ("changed", 2, 2, 0, 0, 2),
        "same": ("same", 1, 1, 0, 0, 0),
        "new": ("new", 0, 1, 1, 0, 0),
        "gone": ("gone", 2, 0, 0, 2, 0),
        "broken": ("changed", 0, 0, 0, 0, 0),
    }
    by_id = {one.playbook: one for one in comparison.playbooks}
    assert by_id["broken"].undecided == 3
    (lost,) = by_id["narrow"].examples
    assert (lost.event, lost.before, lost.after) == ("m1", ["move JunkEmail"], [])


def test_polls_are_played_and_a_plan_over_its_cap_is_held_whole() -> None:
    """Two messages of one poll are over the cap of one, the third a minute later is not; each source polls alone."""
    known = catalogue(playbook(moves("JunkEmail", "SPAM"), caps=Caps(per_poll=1)))
    first, second, third = mail("SPAM", "SPAM", "SPAM")
    backtest = Backtest(known, Terms(ENFORCE, 30.0))
    backtest.take([first, second._replace(at=first.at), third])
    backtest.take([Seen(sighting(submission()), third.at)])
    report = backtest.report("file", "rules", 0.0)
    (one,) = report.playbooks
    assert (one.matches, one.would_act, one.held, one.held_because) == (3, 1, 2, {"cap per poll": 2})
    assert (report.span.polls, report.span.by_source) == (3, {"detections": 3, "submissions": 1})
    assert [row.state for row in report.rows] == ["would act", "held", "held"]


def test_rows_are_the_latest_of_each_playbook() -> None:
    """One that matches everything leaves the others theirs."""
    known = catalogue(playbook(moves("JunkEmail", "SPAM"), "loud"), playbook(moves("Inbox", "BULK"), "quiet"))
    backtest = Backtest(known, Terms(ENFORCE, 30.0, rows=4))
    backtest.take(mail("BULK", *["SPAM"] * 5))
    report = backtest.report("file", "rules", 0.0)
    assert [(row.playbooks, row.event) for row in report.rows] == [
        (["loud"], "m5"), (["loud"], "m4"), (["quiet"], "m0"),
    ]  # fmt: skip
    assert report.rows_in_all == 6


def test_a_playbook_can_be_judged_in_its_declared_mode() -> None:
    """Then shadow shadows, and approval is waited for."""
    known = catalogue(
        playbook(moves("JunkEmail", "SPAM"), "trial", mode=Mode.SHADOW),
        playbook(moves("Inbox", "BULK"), "asks", mode=Mode.APPROVE),
    )
    backtest = Backtest(known, Terms(ENFORCE, 30.0, AS_DECLARED))
    backtest.take(mail("SPAM", "BULK"))
    asks, trial = backtest.report("file", "rules", 0.0).playbooks
    assert (trial.shadowed, trial.would_act) == (1, 0)
    assert (asks.held, asks.held_because) == (1, {"waits for approval": 1})


def test_what_is_not_there_is_told_and_the_rest_goes_on() -> None:
    """A playbook that reads what was not fetched is undecided on that event; another one that raises, too."""

    def reads(message: Detection) -> Action | None:
        return Move(message, to="JunkEmail") if message.details else None

    known = catalogue(
        playbook(reads, "reads", needs=["details"]),
        playbook(lambda _: 1 / 0, "raises"),
        playbook(moves("Inbox", "SPAM")),
    )
    backtest = Backtest(known, Terms(ENFORCE, 30.0))
    backtest.take(mail("SPAM"))
    found = {one.playbook: one for one in backtest.report("file", "rules", 0.0).playbooks}
    assert [(one.name, one.count) for one in found["reads"].undecided_because] == [
        ("needs details, which is not there", 1)
    ]
    assert found["raises"].undecided_because[0].name.startswith("playbook raises: ZeroDivisionError")
    assert (found["junk"].matches, found["junk"].undecided) == (1, 0)


def test_a_folder_is_had_as_a_revision_has_it(tmp_path: Path) -> None:
    """With its lists and without its surroundings; the repository and its work tree stay as they are."""
    rules = tmp_path / "deep" / "rules"
    (rules / "lists").mkdir(parents=True)
    (rules / "one.py").write_text("then", encoding="utf-8")
    (rules / "lists" / "vips.txt").write_text("ann", encoding="utf-8")
    (rules / "link.py").symlink_to("/etc/hostname")
    (tmp_path / "beside.py").touch()
    committed(tmp_path)
    (rules / "one.py").write_text("now", encoding="utf-8")
    with rules_at(rules, "HEAD") as (then, commit):
        files = sorted(str(file.relative_to(then)) for file in then.rglob("*") if file.is_file())
        assert (files, (then / "one.py").read_text(encoding="utf-8")) == (
            ["lists/vips.txt", "one.py"],
            "then",
        )
        assert (then.name, len(commit)) == ("rules", 40)
    assert not then.exists()
    assert (rules / "one.py").read_text(encoding="utf-8") == "now"


@pytest.mark.parametrize("revision", ["nowhere", "--output=/tmp/owned", "HEAD"])
def test_a_revision_that_is_none_is_told(tmp_path: Path, revision: str) -> None:
    """Also one that git could take for an option, and a folder that is in no repository."""
    if revision != "HEAD":
        committed(tmp_path, "--allow-empty")
    with (
        pytest.raises(UsageError, match="--compare: git does not have this folder so"),
        rules_at(tmp_path, revision),
    ):
        pass


def test_a_row_that_was_replaced_is_the_same_event() -> None:
    """Rewinding changes no identity: what is compared with the ledger and the log is the same message."""
    row = detection(**MOVED)
    assert replace(as_delivered(row), **MOVED) == row


async def test_a_history_is_read_on_what_polls_and_actions_leave() -> None:
    """Whatever lane a source names, the budget is asked for the least urgent one; what came of it is seen."""
    admitted: list[Lane] = []
    observed: list[Observation] = []

    class Gate:
        async def admit(self, lane: Lane) -> None:
            admitted.append(lane)

        def observe(self, seen: Observation) -> None:
            observed.append(seen)

    behind = Behind(Gate())
    for lane in Lane:
        await behind.admit(lane)
    behind.observe(seen := Observation("GET investigate", 200, 0.1))
    assert set(admitted) == {Lane.ENRICH} == {min(SHARES, key=SHARES.__getitem__)}
    assert (len(admitted), observed) == (len(Lane), [seen])
