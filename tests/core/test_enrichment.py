"""What playbooks read beyond the list's row: fetched where they come to read it, once, within bounds, never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, select

from tests.builders import ENFORCE, catalogue, detection, playbook, poll, report
from tests.desk import Desk
from tests.fakes import FailingLedger, FakeCloudflare, OpenBudget
from tests.taking_in import Given, page, take
from worker.cloudflare.evidence import RawMessage
from worker.deciding.allowance import FAILURES
from worker.deciding.enrichment import Enricher
from worker.deciding.fetching import BELIEVED, DOUBTED
from worker.deciding.replay import judge
from worker.errors import (
    BadAnswer,
    RateLimited,
    Refused,
    StoreError,
    TooLarge,
    Transient,
    Unauthorized,
    VendorError,
)
from worker.intake import Intake
from worker.model.actions import Move, State
from worker.model.enrichment import Attachment, Details
from worker.model.events import Detection, PhishReport
from worker.model.plans import DETECTIONS, PHISHGUARD
from worker.model.replay import Replayed
from worker.ops.metrics import Metrics
from worker.playbooks.deciding import Playbook
from worker.ports import Lane, Ledger
from worker.store import schema
from worker.store.views.replays import past_decisions

DOWN = Transient("GET investigate/{id}/detections: 503", status=503)
READS = ("detections", "trace", "raw", "action_log")


@pytest.fixture
def vendor(desk: Desk) -> FakeCloudflare:
    """A tenant with two malicious messages and a benign one."""
    one = FakeCloudflare(desk.clock)
    one.add(detection("m1"), detection("m2"), detection("good", final_disposition="NONE"))
    return one


@pytest.fixture
def budget() -> OpenBudget:
    """What the rest of the worker has used."""
    return OpenBudget()


Make = Callable[..., Intake]


@pytest.fixture
def make(desk: Desk, vendor: FakeCloudflare, budget: OpenBudget, metrics: Metrics) -> Make:
    """An intake with these playbooks, as after a restart."""

    def build(*playbooks: Playbook, ledger: FailingLedger | None = None, **limits: Any) -> Intake:
        known, reads = catalogue(*playbooks), vendor.client.investigate
        enricher = Enricher(reads, budget, desk.clock, metrics, **{"per_poll": 100, **limits})
        port = ledger.port if ledger else desk.ledger
        return Intake(
            port, known, ENFORCE, desk.clock, metrics, lambda: None, keep_all=False, enricher=enricher
        )

    return build


def spam(message: Detection) -> Move | None:
    """Wants what the filter calls spam, if its details are there."""
    if not message.is_malicious or message.details is None:
        return None
    return Move(message, to="JunkEmail", reason=message.details.action or "")


def wants_details(id: str = "junk", function: Any = spam, **more: Any) -> Playbook:  # noqa: A002
    """A playbook that reads details of malicious mail."""
    return playbook(function, id, needs=("details",), **more)


def fetched(vendor: FakeCloudflare) -> list[tuple[str, str]]:
    """Every request beyond the lists, in order."""
    return [(one.operation, one.arguments["id"]) for one in vendor.requests if one.operation in READS]


async def parked(desk: Desk) -> list[dict[str, Any]]:
    """What is parked, as it stands."""

    def read(conn: Connection) -> list[dict[str, Any]]:
        return [dict(row) for row in conn.execute(select(schema.parked)).mappings()]

    return await desk.run(read)


async def test_only_what_is_read_is_fetched(make: Make, desk: Desk, vendor: FakeCloudflare) -> None:
    """A message on which the playbook gets no further than its row costs nothing; the request takes its own lane."""
    vendor.details["m1"] = Details(action="quarantined")
    await take(make(wants_details()), page(detection("m1"), detection("m2", final_disposition="SPAM")))
    assert fetched(vendor) == [("detections", "m1")]
    assert vendor.asked("detections")[0]["lane"] is Lane.ENRICH
    assert (await desk.row("m1"))["reason"] == "quarantined"
    assert await desk.states() == {"m1": ["ready"]}


async def test_without_needs_nothing_is_asked(make: Make, vendor: FakeCloudflare) -> None:
    """Nobody pays for what others need: no further question to a playbook, none to the vendor."""
    asked: list[str] = []
    await take(
        make(playbook(lambda m: asked.append(m.id)), wants_details(on=PhishReport)), page(detection("m1"))
    )
    assert (asked, fetched(vendor)) == (["m1"], [])


async def test_playbooks_share_what_is_fetched(make: Make, desk: Desk, vendor: FakeCloudflare) -> None:
    """One request for each message and need, however many playbooks read it; what follows from it costs nothing."""

    def attached(message: Detection) -> Move | None:
        return Move(message, to="JunkEmail") if message.attachments else None

    vendor.details["m1"] = Details(attachments=(Attachment(name="a.exe", sha256="0" * 64),))
    both = wants_details("a"), wants_details("b"), playbook(attached, "c", needs=("attachments",))
    await take(make(*both), page(detection("m1"), detection("m2")))
    assert sorted(fetched(vendor)) == [("detections", "m1"), ("detections", "m2")]
    (row,) = await desk.audit("plan", "joined") and [await desk.row("m1")]
    assert row["state"] == "ready"


async def test_a_need_that_follows_from_another_is_fetched_in_turn(
    make: Make, vendor: FakeCloudflare
) -> None:
    """The details say whether the trace is worth its request."""

    def deep(message: Detection) -> None:
        if message.details is not None and message.details.action == "look":
            _ = message.trace, message.action_log

    vendor.details["m1"] = Details(action="look")
    await take(
        make(playbook(deep, needs=("details", "trace", "action_log"))), page(detection("m1"), detection("m2"))
    )
    assert sorted(fetched(vendor)) == [
        ("action_log", "m1"),
        ("detections", "m1"),
        ("detections", "m2"),
        ("trace", "m1"),
    ]


async def test_attachments_come_from_the_message_where_the_details_do_not_have_them(
    make: Make, desk: Desk, vendor: FakeCloudflare
) -> None:
    """Details first, which are short; the message itself only where they name an attachment without its hash."""

    def attached(message: Detection) -> Move | None:
        names = [one.name for one in message.attachments or () if one.sha256]
        return Move(message, to="JunkEmail", reason=",".join(map(str, names))) if names else None

    mail = 'Content-Disposition: attachment; filename="raw.exe"\nContent-Type: application/x\n\nMZ'
    vendor.details["m1"] = Details(attachments=(Attachment(name="told.exe", size=2),))
    vendor.mails["m1"] = RawMessage(raw=mail)
    await take(make(playbook(attached, needs=("attachments",))), page(detection("m1"), detection("m2")))
    assert sorted(fetched(vendor)) == [("detections", "m1"), ("detections", "m2"), ("raw", "m1")]
    assert (await desk.row("m1"))["reason"] == "raw.exe"


@pytest.mark.parametrize(
    "message, error, word",
    [
        ("good", None, "refused"),
        ("nowhere", None, "gone"),
        ("m1", TooLarge("GET investigate/{id}/detections: more than 8 bytes", status=200), "too_large"),
    ],
)
async def test_what_the_vendor_refuses_is_none_with_the_reason(
    make: Make, desk: Desk, vendor: FakeCloudflare, message: str, error: VendorError | None, word: str
) -> None:
    """It is decided without it, at once: asking again would bring the same answer."""

    def why(event: Detection) -> Move | None:
        return (
            Move(event, to="JunkEmail", reason=event.why_missing("details"))
            if event.details is None
            else None
        )

    if error is not None:
        vendor.will("detections", error)
    verdict = "MALICIOUS" if message == "m1" else "NONE"
    await take(make(wants_details(function=why)), page(detection(message, final_disposition=verdict)))
    row = await desk.row(message)
    assert (row["state"], row["reason"].partition(":")[0]) == ("ready", word)
    assert len(fetched(vendor)) == 1


async def test_a_refusal_of_what_is_listed_as_a_detection_is_doubted(
    make: Make, desk: Desk, vendor: FakeCloudflare
) -> None:
    """Its verdict was away just then; what comes back with it is the same revision, so it was never decided again."""
    vendor.details["m1"] = Details(action="quarantined")
    vendor.will("detections", Refused("GET investigate/{id}/detections: 404", status=404))
    intake = make(wants_details())
    await take(intake, page(detection("m1")))
    assert await desk.states() == {}
    desk.clock.pass_time(3600)
    await intake.again.take_up_due(DETECTIONS)
    assert (await desk.row("m1"))["reason"] == "quarantined"


async def test_a_gateway_without_a_route_says_nothing_of_a_message(
    make: Make, desk: Desk, vendor: FakeCloudflare
) -> None:
    """However often it answers so: the playbook waits for what it needs."""
    vendor.details["m1"] = Details(action="quarantined")
    vendor.will("detections", *[Refused("no route", status=404, codes=(7003,))] * (DOUBTED + 1))
    intake = make(wants_details())
    await take(intake, page(detection("m1")))
    for _ in range(DOUBTED):
        desk.clock.pass_time(3600)
        await intake.again.take_up_due(DETECTIONS)
    assert (len(fetched(vendor)), await desk.states()) == (DOUBTED + 1, {})
    desk.clock.pass_time(3600)
    await intake.again.take_up_due(DETECTIONS)
    assert (await desk.row("m1"))["reason"] == "quarantined"


async def test_what_is_refused_again_and_again_is_believed(
    make: Make, desk: Desk, vendor: FakeCloudflare
) -> None:
    """A list that says so for good does not keep a decision waiting for ever."""
    intake = make(playbook(lambda m: None if m.details else Move(m, to="JunkEmail"), needs=("details",)))
    vendor.will("detections", *[Refused("GET investigate/{id}/detections: 404", status=404)] * 20)
    await take(intake, page(detection("m1")))
    for _ in range(10):
        desk.clock.pass_time(3600)
        await intake.again.take_up_due(DETECTIONS)
    assert (len(fetched(vendor)), await desk.states()) == (DOUBTED, {"m1": ["ready"]})


async def test_a_report_is_enriched_by_its_message(make: Make, desk: Desk, vendor: FakeCloudflare) -> None:
    """And one without a message needs nothing."""

    def reported(event: PhishReport) -> Move | None:
        return Move(event.message, to="JunkEmail") if event.message and event.message.details else None

    events = report(1, message=detection("m1")), report(2, message=None)
    intake = make(wants_details(function=reported, on=PhishReport))
    await take(intake, page(*events), source=Given(PHISHGUARD))
    assert (fetched(vendor), await desk.states()) == ([("detections", "m1")], {"m1": ["ready"]})


@pytest.mark.parametrize(
    "error", [DOWN, RateLimited("429", retry_after=1.0), Unauthorized("403", status=403)]
)
async def test_what_fails_for_now_waits_and_others_go_on(
    make: Make, desk: Desk, vendor: FakeCloudflare, error: VendorError, capsys: pytest.CaptureFixture[str]
) -> None:
    """The event is parked for that playbook alone, with the reason, and decided with a later poll."""
    vendor.will("detections", error)
    other = playbook(lambda m: Move(m, to="DeletedItems"), "other")
    intake = make(wants_details(), other)
    await take(intake, page(detection("m1")))
    assert await desk.states() == {"m1": ["ready"]}
    (row,) = await parked(desk)
    assert (row["playbook"], row["error"]) == ("junk", f"waits for details: {error}")
    assert "enrichment.waiting" in "".join(capsys.readouterr())
    desk.clock.pass_time(3600)
    await intake.again.take_up_due(DETECTIONS)
    assert await parked(desk) == []
    assert {one["playbook"] for one in await desk.rows()} == {"junk", "other"}


async def test_each_failure_makes_the_wait_longer(make: Make, desk: Desk, vendor: FakeCloudflare) -> None:
    """At most an hour; nothing is given up, and the log has one record of it however often it fails."""
    intake = make(wants_details())
    vendor.will("detections", *[DOWN] * 12)
    await take(intake, page(detection("m1")))
    waits = []
    for tries in range(2, 13):
        (row,) = await parked(desk)
        waits.append(row["due_at"] - desk.clock.now())
        desk.clock.pass_time(waits[-1] - 1)
        await intake.again.take_up_due(DETECTIONS)
        assert len(fetched(vendor)) == tries - 1, "nothing is fetched before it is due"
        desk.clock.pass_time(1)
        await intake.again.take_up_due(DETECTIONS)
    assert waits[0] <= 2
    assert 60 < max(waits) <= 3600
    assert len(await desk.audit("parked")) == 1
    desk.clock.pass_time(3600)
    await intake.again.take_up_due(DETECTIONS)
    assert await desk.states() == {"m1": ["ready"]}


async def test_what_cannot_be_believed_is_asked_for_again_and_then_missed(
    make: Make, desk: Desk, vendor: FakeCloudflare
) -> None:
    """A message that always gets such an answer is decided without it in the end."""

    def why(event: Detection) -> Move | None:
        return (
            Move(event, to="JunkEmail", reason=event.why_missing("details"))
            if event.details is None
            else None
        )

    vendor.will("detections", *[BadAnswer("GET investigate/{id}/detections: not JSON", status=200)] * 20)
    intake = make(wants_details(function=why))
    await take(intake, page(detection("m1")))
    for _ in range(15):
        desk.clock.pass_time(3600)
        await intake.again.take_up_due(DETECTIONS)
    assert len(fetched(vendor)) == BELIEVED
    assert (await desk.row("m1"))["reason"].startswith("unreadable: GET investigate")


async def test_a_cap_holds_over_what_goes_beyond_it(make: Make, desk: Desk, vendor: FakeCloudflare) -> None:
    """For each playbook and poll; the next polls take up the rest, the oldest first, and none twice."""
    names = [f"n{number:02}" for number in range(25)]
    vendor.add(*(detection(name) for name in names))
    intake = make(wants_details("a"), wants_details("b"), per_poll=10)
    await take(intake, page(*(detection(name) for name in names)))
    assert len(fetched(vendor)) == 10
    assert {row["error"] for row in await parked(desk)} == {
        "waits for details: WORKER_ENRICH_PER_POLL: no more than 10 messages in one poll"
    }
    for so_far in (20, 25):
        await intake.again.take_up_due(DETECTIONS)
        assert len(fetched(vendor)) == so_far
    await intake.again.take_up_due(DETECTIONS)
    assert (len(fetched(vendor)), await parked(desk)) == (25, [])
    assert {name: ["ready"] for name in names} == await desk.states()


async def test_pages_of_one_poll_share_its_cap(make: Make, vendor: FakeCloudflare) -> None:
    """However many they are."""
    vendor.add(*(detection(f"n{number}") for number in range(30)))
    pages = [page(*(detection(f"n{number}") for number in range(at, at + 10))) for at in (0, 10, 20)]
    await take(make(wants_details(), per_poll=15), *pages)
    assert len(fetched(vendor)) == 15


@pytest.mark.parametrize("how", ["used", "refused"])
async def test_actions_and_polls_come_first(
    make: Make, desk: Desk, vendor: FakeCloudflare, budget: OpenBudget, how: str
) -> None:
    """Where they have used the budget's share nothing is fetched, and nobody waits for it; it is once there is room."""
    setattr(budget, how, 0.6)
    intake = make(wants_details())
    await take(intake, page(detection("m1")))
    await intake.again.take_up_due(DETECTIONS)
    assert (fetched(vendor), await desk.states()) == ([], {})
    (row,) = await parked(desk)
    assert "WORKER_REQUEST_BUDGET" in row["error"]
    assert len(await desk.audit("parked")) == 1
    setattr(budget, how, 0.0)
    await intake.again.take_up_due(DETECTIONS)
    assert await desk.states() == {"m1": ["ready"]}


async def test_a_vendor_that_is_down_is_not_asked_for_every_message(
    make: Make, vendor: FakeCloudflare
) -> None:
    """After some failures in a row the poll fetches nothing more."""
    vendor.add(*(detection(f"n{number}") for number in range(50)))
    vendor.will("detections", *[DOWN] * 50)
    await take(make(wants_details()), page(*(detection(f"n{number}") for number in range(50))))
    assert len(fetched(vendor)) < FAILURES + 8


async def test_a_vendor_that_does_not_answer_holds_nobody_up(
    make: Make, desk: Desk, vendor: FakeCloudflare
) -> None:
    """When the poll's time for fetching is over, the page is recorded without."""

    async def never(**_: Any) -> Any:
        await asyncio.Event().wait()

    vendor.will("detections", never)
    other = playbook(lambda m: Move(m, to="DeletedItems"), "other")
    intake = make(wants_details(), other, seconds=0.05)
    await take(intake, page(detection("m1")), page(detection("m2")))
    assert {row["playbook"] for row in await desk.rows()} == {"other"}
    assert fetched(vendor) == [("detections", "m1")]
    assert {row["error"] for row in await parked(desk)} == {
        "waits for details: the poll's time for fetching is used up"
    }
    desk.clock.pass_time(3600)
    await intake.again.take_up_due(DETECTIONS)
    assert await parked(desk) == []


async def test_slow_messages_do_not_keep_others_waiting_for_ever(
    make: Make, desk: Desk, vendor: FakeCloudflare
) -> None:
    """As many as are fetched at once, and each is slow: they lose their turn to those behind."""
    slow, quick = [f"s{number}" for number in range(8)], ["z1", "z2"]
    vendor.add(*map(detection, [*slow, *quick]))

    async def crawl(**_: Any) -> Any:
        await asyncio.sleep(10)

    vendor.will("detections", *[crawl] * len(slow))
    intake = make(wants_details(), seconds=1.0)
    await take(intake, page(*map(detection, [*slow, *quick])))
    assert {row["tries"] for row in await parked(desk) if row["key"] in slow} == {1}
    await intake.again.take_up_due(DETECTIONS)
    assert {row["key"] for row in await parked(desk)} == set(slow)


async def test_who_fails_on_what_it_waited_for_is_not_asked_about_all_of_it(
    make: Make, vendor: FakeCloudflare, desk: Desk
) -> None:
    """Asked once for what it reads, and then once more to decide, it would hold everything up twice for each event."""
    asked: list[str] = []

    def wants(message: Detection) -> None:
        asked.append(f"{message.id} {message.details}")
        raise ValueError

    names = [f"n{number:02}" for number in range(40)]
    vendor.add(*map(detection, names))
    vendor.will("detections", *[DOWN] * len(names))
    intake = make(wants_details(function=wants))
    await take(intake, page(*map(detection, names)))
    vendor.forget("detections")
    desk.clock.pass_time(7200)
    asked.clear()
    await intake.again.take_up_due(DETECTIONS)
    assert len([one for one in asked if "Details(" in one]) < len(names) / 2


class Ending(FailingLedger):
    """The process ends at the call of that number: before it takes place, or right after."""

    def __init__(self, ledger: Ledger, at: int, *, after: bool) -> None:
        super().__init__(ledger)
        self._at, self._after = at, after

    def __getattr__(self, name: str) -> Any:
        method = super().__getattr__(name)

        async def run(*args: Any, **kwargs: Any) -> Any:
            if len(self.calls) > self._at or (len(self.calls) == self._at and not self._after):
                raise StoreError("the process has ended")
            result = await method(*args, **kwargs)
            if len(self.calls) > self._at:
                raise StoreError("the process has ended")
            return result

        return run


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_wherever_it_ends_everything_is_decided_once(
    make: Make, desk: Desk, vendor: FakeCloudflare, *, after: bool
) -> None:
    """At each transaction of a poll and of the taking up again: what was not recorded is fetched again, no more."""
    wanted = wants_details("a"), wants_details("b"), playbook(lambda m: Move(m, to="Inbox"), "other")

    async def live(number: int, ledger: FailingLedger | None) -> None:
        mail, one = page(detection(f"{number}-1"), detection(f"{number}-2")), poll(f"poll-{number}")
        intake = make(*wanted, ledger=ledger)
        await intake.take(Given(), one, mail, last_chance=False)
        await intake.close(one, None)
        desk.clock.pass_time(3600)
        await intake.again.take_up_due(DETECTIONS)

    for number in range(100):
        vendor.add(detection(f"{number}-1"), detection(f"{number}-2"))
        vendor.will("detections", DOWN)
        try:
            await live(number, Ending(desk.ledger, number, after=after))
        except StoreError:
            await live(number, None)
        else:
            break
    assert 5 < number < 99
    assert await parked(desk) == []
    for message in range(number):
        for half in (1, 2):
            rows = await desk.rows(message_id=f"{message}-{half}")
            assert sorted(row["target"] for row in rows) == ["Inbox", "JunkEmail"], (message, half)
    assert await desk.intact()


async def test_a_new_verdict_ends_the_waiting(make: Make, desk: Desk, vendor: FakeCloudflare) -> None:
    """Also one that comes while the old one's details are being fetched."""
    intake = make(wants_details())
    vendor.will("detections", DOWN)
    await take(intake, page(detection("m1")))
    desk.clock.pass_time(3600)

    async def overtaken(**_: Any) -> Any:
        await intake.refresh([detection("m1", final_disposition="SPAM")], desk.clock.now())
        return Details()

    vendor.will("detections", overtaken)
    await intake.again.take_up_due(DETECTIONS)
    assert (await desk.states(), await parked(desk)) == ({}, [])


async def test_nothing_is_fetched_at_start(make: Make, desk: Desk, vendor: FakeCloudflare) -> None:
    """A start must not wait for the vendor: what a new version needs is fetched with the next poll."""
    vendor.will("detections", DOWN)
    await take(make(wants_details(version="v1")), page(detection("m1")))
    intake = make(wants_details(version="v2"))
    assert await intake.again.redecide() == 1
    assert len(fetched(vendor)) == 1
    await intake.again.take_up_due(DETECTIONS)
    (row,) = await desk.rows()
    assert (row["state"], row["playbook_version"]) == ("ready", "v2")


async def test_an_event_for_two_playbooks_is_taken_up_once(
    make: Make, desk: Desk, vendor: FakeCloudflare
) -> None:
    """They agree on one action, as they would have at first."""
    vendor.will("detections", DOWN)
    intake = make(wants_details("a"), wants_details("b"))
    await take(intake, page(detection("m1")))
    assert len(await parked(desk)) == 2
    desk.clock.pass_time(3600)
    await intake.again.take_up_due(DETECTIONS)
    (row,) = await desk.rows()
    (record,) = await desk.audit("decided")
    assert [one[0] for one in msgspec.json.decode(record["body"])["playbooks"]] == ["a", "b"]
    assert (row["state"], len(fetched(vendor))) == (State.READY, 2)


async def replayed(desk: Desk, *playbooks: Playbook) -> list[Replayed]:
    """Every recorded decision, made again."""
    past = await desk.run(lambda conn: list(past_decisions(conn, desk.ledger.account_id)))
    return [one.result for each in past for one in judge(each, catalogue(*playbooks))]


async def test_a_replay_sees_the_same(make: Make, desk: Desk, vendor: FakeCloudflare) -> None:
    """What was fetched is evidence: what the vendor says today changes nothing, and what somebody wrote to it shows."""
    vendor.details["m1"] = Details(action="quarantined")
    await take(make(wants_details()), page(detection("m1")))
    vendor.details["m1"] = Details(action="another")
    assert await replayed(desk, wants_details()) == [Replayed.SAME]
    liar = wants_details(function=lambda m: Move(m, to="JunkEmail", reason=m.details.action.upper()))
    assert await replayed(desk, liar) == [Replayed.DIFFERENT]
    reader = playbook(lambda m: m.trace and None, needs=("trace",))
    assert await replayed(desk, reader) == [Replayed.DIFFERENT], "nobody read a trace then"

    def write(conn: Connection, body: bytes | None) -> None:
        table = schema.enrichments
        conn.execute(table.delete() if body is None else table.update().values(body=body))

    for body, told in ((b"x", Replayed.EVIDENCE_CHANGED), (None, Replayed.EVIDENCE_GONE)):
        await desk.run(write, body)
        assert await replayed(desk, wants_details()) == [told]


async def test_the_evidence_holds_what_its_playbooks_were_shown(
    make: Make, desk: Desk, vendor: FakeCloudflare
) -> None:
    """Not what others needed; and nothing is kept where nobody wanted anything."""
    nosy = playbook(lambda m: m.trace and None, "nosy", needs=("trace",))
    quiet = detection("m2", final_disposition="SPAM")
    await take(make(wants_details(), nosy), page(detection("m1"), quiet))
    assert ("trace", "m2") in fetched(vendor)
    from worker.store.enrichments import read  # noqa: PLC0415 - only here

    (record,) = await desk.audit("decided")
    digest = msgspec.json.decode(record["body"])["enrichment_sha256"]
    body = await desk.run(read, desk.ledger.account_id, digest)
    assert body is not None
    assert msgspec.json.decode(body).keys() == {"details", "missing"}
    rows = await desk.run(lambda conn: conn.execute(select(schema.enrichments)).all())
    assert len(rows) == 1
