from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.builders import NOW, at, detection, poll, sighting, submission
from tests.desk import Desk
from tests.fakes import FakeCloudflare, ManualClock
from tests.taking_in import pages
from worker.cloudflare import Submission as Row
from worker.errors import Refused
from worker.model.events import Detection, Submission
from worker.model.plans import SUBMISSIONS, sighting_of
from worker.pollers.joining import AGAIN_SECONDS, PATIENCE_SECONDS
from worker.pollers.submissions import PAGES, SEARCHES, WORDS, SubmissionSource, reach
from worker.pollers.windows import Reach

DAY = 86400.0
POLL = poll(source=SUBMISSIONS)


@pytest.fixture
def source(tenant: FakeCloudflare, clock: ManualClock, desk: Desk) -> SubmissionSource:
    """The submissions of the fake tenant."""
    return SubmissionSource(tenant.client, desk.ledger, clock)


def listed(id: str = "s1", **changes: Any) -> Row:  # noqa: A002
    """The row of a submission."""
    fields = msgspec.structs.asdict(submission(id, **changes))
    del fields["message"]
    return Row(**fields)


async def join(
    source: SubmissionSource, *rows: Submission, last_chance: bool = False
) -> dict[str, Detection | None]:
    """The messages of the submissions that are complete."""
    done = await source.complete([sighting(one) for one in rows], last_chance=last_chance)
    return {one.key: one.message for one in done}


async def test_the_teams_and_the_users_are_read(source: SubmissionSource, tenant: FakeCloudflare) -> None:
    """Both types by name, page by page: what is listed without one is not documented."""
    tenant.per_page = 2
    tenant.tickets += [listed(f"u{n}") for n in range(3)] + [listed("t1", type="Team")]
    assert await pages(source, POLL) == [["t1"], ["u0", "u1"], ["u2"]]
    assert [(one["type"], one["page"]) for one in tenant.asked("submissions")] == [
        ("TEAM", 1),
        ("USER", 1),
        ("USER", 2),
    ]


def test_the_row_comes_under_the_apis_names() -> None:
    """Every field of the list's row is one of the event."""
    assert set(Row.__struct_fields__) == set(Submission.__struct_fields__) - {"message"}


@pytest.mark.parametrize(
    "change",
    [
        {"status": "completed"},
        {"outcome": "accepted"},
        {"outcome_disposition": "NONE"},
        {"customer_status": "reviewed"},
        {"escalated_as": "SPAM"},
    ],
)
def test_a_submission_that_went_on_is_a_new_event(change: dict[str, Any]) -> None:
    """Whatever tells how far it has come makes its revision."""
    before, after = sighting(submission()), sighting(submission(**change))
    assert (before.key, before.revision == after.revision) == (after.key, False)


def test_outcomes_are_looked_for_over_a_day_and_a_week() -> None:
    """They come long after the request, by whose time alone the list is filtered; the operator can only widen it."""
    assert reach(Reach(3600, 900)) == Reach(3600, DAY, 7 * DAY)
    assert reach(Reach(3600, 2 * DAY)).overlap == 2 * DAY


async def test_a_submission_finds_its_message(source: SubmissionSource, tenant: FakeCloudflare) -> None:
    """By its postfix id, among all mail of these words, benign mail included, in one list for a campaign."""
    subject = "Your parcel is waiting"
    tenant.add(
        *(detection(f"m{n}", final_disposition="NONE", subject=subject) for n in range(5)),
        detection("m9", subject="Something else"),
    )
    wanted = [submission(f"s{n}", original_postfix_id=f"postfix-m{n}") for n in range(5)]
    found = await join(source, *wanted)
    assert {key: one and one.id for key, one in found.items()} == {f"s{n}": f"m{n}" for n in range(5)}
    (asked,) = tenant.asked("list")
    assert set(asked["subject"].split()) == set(subject.split())
    assert (asked["start"], asked["end"]) == (at(NOW - 30 - 7 * DAY), at(NOW))
    assert asked["detections_only"] is False


async def test_the_search_gets_words_only(source: SubmissionSource, tenant: FakeCloudflare) -> None:
    """The subject is a stranger's text: no sign of a query language, and not without end."""
    subject = 'AND (final OR "x*") -y: ' + " ".join(f"word{n}" for n in range(50)) + "z" * 5000
    await join(source, submission(subject=subject))
    (asked,) = tenant.asked("list")
    words = asked["subject"].split()
    assert len(words) == WORDS
    assert all(word.isalnum() and len(word) < 65 for word in words)


async def test_without_a_subject_the_reporters_mail_is_searched(
    source: SubmissionSource, tenant: FakeCloudflare
) -> None:
    """A user reports what came to his own mailbox."""
    tenant.add(detection())
    found = await join(source, submission(subject=None))
    assert found["s1"] is not None
    assert tenant.asked("list")[0]["recipient"] == "ann@corp.example"


@pytest.mark.parametrize(
    "changes",
    [{"original_postfix_id": None}, {"subject": "!", "type": "Team", "requested_by": "bob@corp.example"}],
)
async def test_what_cannot_be_searched_for_does_not_wait(
    source: SubmissionSource, tenant: FakeCloudflare, changes: dict[str, Any]
) -> None:
    """It is decided without its message, and nothing is asked."""
    assert await join(source, submission(**changes)) == {"s1": None}
    assert tenant.asked("list") == []


async def test_the_reporters_copy_is_preferred(source: SubmissionSource, tenant: FakeCloudflare) -> None:
    """Several messages may share a postfix id."""
    same: dict[str, Any] = {"postfix_id": "postfix-m1", "subject": "Your parcel is waiting"}
    tenant.per_page = 1
    tenant.add(detection("m2", client_recipients=("bob@corp.example",), **same), detection("m1", **same))
    found = await join(source, submission())
    assert found["s1"] is not None
    assert found["s1"].id == "m1"


async def test_one_whose_message_is_not_there_waits_and_is_searched_for_seldom(
    source: SubmissionSource, tenant: FakeCloudflare, desk: Desk, clock: ManualClock
) -> None:
    """It comes back with every poll, after that poll's own; it is searched for ever more rarely."""
    assert await join(source, submission()) == {}
    ((waits, since),) = await desk.ledger.waiting(SUBMISSIONS)
    assert (sighting_of(waits).key, since) == ("s1", NOW)
    tenant.tickets.append(listed("s2"))
    assert await pages(source, POLL) == [[], ["s2"], ["s1"]]
    tenant.add(detection(subject="Your parcel is waiting"))
    assert await join(source, submission()) == {}
    assert len(tenant.asked("list")) == 1
    clock.pass_time(AGAIN_SECONDS)
    assert (await join(source, submission()))["s1"] is not None


async def test_after_an_hour_it_is_decided_without_its_message(
    source: SubmissionSource, clock: ManualClock
) -> None:
    """Since it was first seen, and after a last look."""
    assert await join(source, submission()) == {}
    clock.pass_time(PATIENCE_SECONDS)
    assert await join(source, submission()) == {"s1": None}


async def test_searches_are_bounded_but_for_a_single_run(
    source: SubmissionSource, tenant: FakeCloudflare
) -> None:
    """A day of reports at the first poll leaves requests to others; what was not searched for is not given up."""
    many = [submission(f"s{n}", subject=f"Offer number{n}") for n in range(SEARCHES + 5)]
    assert await join(source, *many) == {}
    assert len(tenant.asked("list")) == SEARCHES
    assert len(await join(source, *many, last_chance=True)) == len(many)


async def test_a_search_that_fails_costs_the_others_nothing_and_its_own_an_hour(
    source: SubmissionSource, tenant: FakeCloudflare, clock: ManualClock
) -> None:
    """Words that the vendor refuses: that submission waits as if its message were not there, and is decided."""
    tenant.will("list", Refused("400", status=400))
    tenant.add(detection(subject="Offer"))
    refused = submission("s1", subject="Refused words", original_postfix_id="x")
    both = [refused, submission("s2", subject="Offer")]
    found = await join(source, *both) | await join(source, *both)
    assert [one and one.id for one in found.values()] == ["m1"]
    clock.pass_time(PATIENCE_SECONDS)
    tenant.will("list", Refused("400", status=400))
    assert await join(source, refused) == {"s1": None}


async def test_a_common_subject_costs_a_few_pages(source: SubmissionSource, tenant: FakeCloudflare) -> None:
    """Not the whole week's mail."""
    tenant.per_page = 1
    tenant.add(*(detection(f"x{n}", subject="Your parcel is waiting") for n in range(9)))
    assert await join(source, submission(), last_chance=True) == {"s1": None}
    assert len(tenant.asked("list")) == PAGES
