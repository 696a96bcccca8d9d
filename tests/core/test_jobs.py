"""What a bulk job has told is written down, whatever the database says meanwhile; and one that tells nothing ends too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.builders import ACCOUNT, NOW, item, junk
from tests.desk import Desk
from tests.fakes import FailingLedger
from worker.acting.jobs import GIVE_UP_SECONDS, LONGEST_WAIT, LOOK_SECONDS, JobWatch
from worker.cloudflare import BadRow, Cloudflare, Page
from worker.cloudflare.bulk import Job, JobMessage, JobParams
from worker.cloudflare.listing import Listing, Position
from worker.errors import BadAnswer, Refused, StoreError, Transient, VendorError
from worker.executors.job import MARK, match
from worker.model.actions import State
from worker.model.calls import Item
from worker.model.kinds import JOB, lane_of
from worker.ops.metrics import Metrics
from worker.store.people import reviews

ANN, BOB = "ann@corp.example", "bob@corp.example"
DELAY = 30.0
QUARTER = 900.0


def line(name: str, status: str = "COMPLETED", to: str | None = ANN, **changes: Any) -> JobMessage:
    """A row of a job: one message in one mailbox."""
    fields: dict[str, Any] = {
        "message_id": f"row-{name}-{to}",
        "status": status,
        "postfix_id": f"postfix-{name}",
        "action_params": JobParams(type="MOVE", client_recipient=to),
    }
    return JobMessage(**fields | changes)


def unreadable(row_id: str | None = "j0", raw: str = "{}") -> BadRow:
    """A row in which a time has no zone, or whatever else."""
    return BadRow(row_id, "Expected `datetime` with a timezone component", "digest", raw)


@dataclass
class Bulk:
    """A vendor with one job, by default over: all of its messages were moved but `m2`."""

    call_id: str
    status: str = "COMPLETED"
    discovered: int = 2
    lines: Sequence[JobMessage] = (line("m1"), line("m2", "FAILED"))
    others: tuple[BadRow, ...] = ()
    bad_lines: tuple[BadRow, ...] = ()
    hidden: bool = False
    error: VendorError | None = None
    refuses: VendorError | None = None
    lists: list[str] = field(default_factory=list)
    cancels: list[str] = field(default_factory=list)

    def list(self, **_: Any) -> Listing[Job]:
        """The job."""
        job = Job(
            job_id="j1",
            status=self.status,
            action_type="MOVE",
            comment=MARK + self.call_id,
            total_messages_discovered=self.discovered,
        )
        self.lists.append("list")
        return self._listing(Page(() if self.hidden else (job,), self.others))

    def messages(self, _: str, **__: Any) -> Listing[JobMessage]:
        """Its rows."""
        return self._listing(Page(tuple(self.lines), self.bad_lines))

    async def cancel(self, job_id: str, **_: Any) -> None:
        """It is to stop."""
        self.cancels.append(job_id)
        if self.refuses is not None:
            raise self.refuses

    def _listing(self, page: Page[Any]) -> Listing[Any]:
        async def fetch(_: Position) -> Page[Any]:
            if self.error is not None:
                raise self.error
            return page

        return Listing("GET investigate/bulk", fetch, 1)


async def submitted_job(desk: Desk) -> str:
    """Two moves went to the vendor as one job; the call's id."""
    await desk.take_in(junk("m1"), junk("m2"))
    (call,) = await desk.claim()
    for row in await desk.rows():
        await desk.edit(row["id"], lane=lane_of("move", "JunkEmail", JOB))
    return call.id


@pytest.fixture
async def bulk(desk: Desk) -> Bulk:
    """The vendor, given a job."""
    return Bulk(await submitted_job(desk))


@pytest.fixture
def watch(desk: Desk, bulk: Bulk, metrics: Metrics) -> JobWatch:
    """Watches it."""
    return watching(desk, bulk, metrics)


def watching(desk: Desk, bulk: Bulk, metrics: Metrics, ledger: Any = None) -> JobWatch:
    """A watch as a start of the worker makes it."""
    vendor = SimpleNamespace(investigate=SimpleNamespace(bulk=bulk))
    return JobWatch(
        ledger or desk.ledger, cast("Cloudflare", vendor), desk.clock, metrics, DELAY, wake=lambda: None
    )


async def run(watch: JobWatch, desk: Desk, seconds: float) -> None:
    """The worker runs for so long."""
    for _ in range(int(seconds / LOOK_SECONDS)):
        await watch.step()
        desk.clock.pass_time(LOOK_SECONDS)


async def events(desk: Desk) -> list[str]:
    """What the audit log tells of the job."""
    return [json.loads(row["body"])["event"] for row in await desk.audit("job")]


@pytest.mark.parametrize("refused", ["no_job", "note_job", "settle"])
async def test_a_database_that_refuses_loses_nothing_that_a_job_told(
    desk: Desk, bulk: Bulk, metrics: Metrics, refused: str
) -> None:
    """Wherever it refuses: no move stays submitted, for nobody would ask what became of it before a restart."""
    ledger = FailingLedger(desk.ledger)
    watch = watching(desk, bulk, metrics, ledger.port)
    ledger.fail(refused, 2)
    for _ in range(3):
        try:
            await watch.step()
        except StoreError:
            desk.clock.pass_time(2)
    assert ledger.failures[refused] == 0
    assert await desk.states() == {"m1": ["succeeded"], "m2": ["failed"]}


async def test_another_job_that_cannot_be_read_stops_nothing(desk: Desk, bulk: Bulk, watch: JobWatch) -> None:
    """Whatever another admin's job looks like; also where ours was never created."""
    bulk.others = (unreadable(raw='{"comment":"ours no more"}'),)
    bulk.hidden = True
    await run(watch, desk, 3 * DELAY)
    assert await desk.states() == {"m1": ["ready"], "m2": ["ready"]}


@pytest.mark.parametrize("row", ["ours", "nameless", "cut off"])
async def test_a_row_that_may_be_our_job_is_no_proof_that_there_is_none(
    desk: Desk, bulk: Bulk, watch: JobWatch, row: str
) -> None:
    """Moved by their ids, its messages would be moved by both."""
    bulk.hidden = True
    bulk.others = {
        "ours": (unreadable(raw=f'{{"comment":"{MARK}{bulk.call_id}"}}'),),
        "nameless": (unreadable(None),),
        "cut off": (unreadable(raw="x" * 8192),),
    }[row]
    await run(watch, desk, 3 * DELAY)
    assert await desk.states() == {"m1": ["submitted"], "m2": ["submitted"]}


async def test_a_message_whose_row_cannot_be_read_is_read_back(
    desk: Desk, bulk: Bulk, watch: JobWatch
) -> None:
    """The others are settled by theirs."""
    bulk.lines = (line("m1"),)
    bulk.bad_lines = (unreadable(),)
    assert await watch.step() is False
    assert await desk.states() == {"m1": ["succeeded"], "m2": ["unknown"]}
    (row,) = [row for row in await desk.rows() if row["state"] == "unknown"]
    assert row["due_at"] == NOW + DELAY


async def test_what_cannot_be_read_is_asked_for_less_and_less(
    desk: Desk, bulk: Bulk, watch: JobWatch
) -> None:
    """A request every two seconds would use up what everybody shares; once it can be read, the waits are forgotten."""
    bulk.error = BadAnswer("not JSON")
    await run(watch, desk, QUARTER)
    assert 5 < len(bulk.lists) <= 12
    bulk.error = None
    await run(watch, desk, LONGEST_WAIT)
    assert await desk.states() == {"m1": ["succeeded"], "m2": ["failed"]}


@pytest.mark.parametrize("case", ["unreadable", "refused", "running"])
async def test_a_job_without_end_becomes_a_persons(
    desk: Desk, bulk: Bulk, watch: JobWatch, case: str
) -> None:
    """With the evidence; what it had may be sent again once somebody has looked, and bars no other move of the mail."""
    bulk.error = {"unreadable": BadAnswer("not JSON"), "refused": Refused("no", status=400)}.get(case)
    bulk.status = "PROCESSING"
    desk.clock.pass_time(GIVE_UP_SECONDS - 60)
    assert await watch.step() is True
    assert await desk.states() == {"m1": ["submitted"], "m2": ["submitted"]}
    desk.clock.pass_time(60)
    assert await watch.step() is False
    rows = await desk.rows()
    assert {(row["state"], row["due_at"], row["lane"]) for row in rows} == {
        ("unknown", None, lane_of("move", "JunkEmail"))
    }
    assert ("j1 is PROCESSING after 6 hours" in rows[0]["error"]) is (case == "running")
    assert await events(desk) == ["given_up"]
    assert await watch.step() is False
    ids = [row["id"] for row in rows]
    await desk.run(reviews.retry, ACCOUNT, ids, "ann", desk.clock.now(), checked=True)
    assert await desk.states() == {"m1": ["ready"], "m2": ["ready"]}


async def test_a_job_that_found_more_is_cancelled_before_it_is_given_up(
    desk: Desk, bulk: Bulk, watch: JobWatch
) -> None:
    """The worker was away for hours: nothing else stops what the vendor is still at."""
    bulk.status, bulk.discovered = "PROCESSING", 3
    desk.clock.pass_time(GIVE_UP_SECONDS)
    assert await watch.step() is False
    assert len(bulk.cancels) == 1
    assert await events(desk) == ["cancel", "cancel_taken", "given_up"]


async def test_a_gateway_without_a_route_ends_no_job(desk: Desk, bulk: Bulk, watch: JobWatch) -> None:
    """Nobody has looked for it."""
    bulk.error = Refused("no route", status=404, codes=(7003,))
    desk.clock.pass_time(GIVE_UP_SECONDS)
    assert await watch.step() is True
    assert await desk.states() == {"m1": ["submitted"], "m2": ["submitted"]}


async def test_a_vendor_that_cannot_be_asked_ends_no_job(desk: Desk, bulk: Bulk, watch: JobWatch) -> None:
    """An outage has told nothing: when it is over, the job tells what became of each message."""
    bulk.error = Transient("no connection")
    desk.clock.pass_time(2 * GIVE_UP_SECONDS)
    assert await watch.step() is True
    bulk.error = None
    desk.clock.pass_time(LONGEST_WAIT)
    assert await watch.step() is False
    assert await desk.states() == {"m1": ["succeeded"], "m2": ["failed"]}


async def test_a_refused_cancel_is_sent_again_ever_later(desk: Desk, bulk: Bulk, watch: JobWatch) -> None:
    """And written down each time; the job itself is watched as before."""
    bulk.status, bulk.discovered, bulk.refuses = "PROCESSING", 3, Refused("not now", status=409)
    await run(watch, desk, QUARTER)
    assert 5 < len(bulk.cancels) <= 12
    assert len(bulk.lists) == QUARTER / LOOK_SECONDS
    assert await events(desk) == ["cancel", "cancel_failed"] * len(bulk.cancels)


async def test_an_accepted_cancel_is_sent_once(
    desk: Desk, bulk: Bulk, watch: JobWatch, metrics: Metrics
) -> None:
    """After a restart too, while the vendor finishes what was under way."""
    bulk.status, bulk.discovered = "PROCESSING", 3
    await run(watch, desk, 60)
    await run(watching(desk, bulk, metrics), desk, 60)
    assert bulk.cancels == ["j1"]
    assert await events(desk) == ["cancel", "cancel_taken"]


def states(items: Sequence[Item], *rows: JobMessage) -> list[State]:
    """What becomes of each item by these rows."""
    outcomes, _ = match(items, rows, DELAY)
    return [one.state for one in outcomes]


def test_a_row_without_recipient_stands_for_the_only_one() -> None:
    """With one mailbox there is no doubt; with two there is, and it is read back."""
    both = item(recipients=(ANN, BOB))
    assert states([item()], line("m1", to=None)) == [State.SUCCEEDED]
    assert states([item()], line("m1", "FAILED", to=None)) == [State.FAILED]
    assert states([both], line("m1", to=None)) == [State.UNKNOWN]
    assert states([both], line("m1"), line("m1", to=BOB)) == [State.SUCCEEDED]
    assert states([both], line("m1"), line("m1", "FAILED", to=BOB)) == [State.FAILED]


def test_messages_of_one_postfix_id_are_told_apart() -> None:
    """By their Message-ID, else by their recipients; where neither does, both are read back."""
    one, two = (item(name, postfix_id="postfix-p") for name in ("m1", "m2"))
    first = line("p", email_message_id="m1@mail.example")
    second = line("p", "FAILED", email_message_id="<m2@mail.example>")
    assert states([one, two], first, second) == [State.SUCCEEDED, State.FAILED]
    assert states([one, two], line("p"), line("p", "FAILED")) == [State.UNKNOWN] * 2
    bobs = item("m2", postfix_id="postfix-p", recipients=(BOB,))
    assert states([one, bobs], line("p"), line("p", "FAILED", to=BOB)) == [State.SUCCEEDED, State.FAILED]


def test_another_message_of_the_same_postfix_id_is_beyond_the_list() -> None:
    """It was moved, and was on no list: it is named, and proves nothing of ours."""
    outcomes, beyond = match([item()], [line("m1", email_message_id="other@mail.example")], DELAY)
    assert ([one.state for one in outcomes], beyond) == ([State.READY], ["postfix-m1"])
