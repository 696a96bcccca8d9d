"""Each condition: when it holds, when it does not, and what it says it saw."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from worker.model.enrichment import Attachment
from worker.model.events import Detection, Event, PhishReport, Submission, Validation
from worker.model.known import Known, view
from worker.playbooks import Context, PastAction
from worker.playbooks.conditions import (
    Condition,
    all_of,
    any_of,
    any_recipient_in,
    attachment,
    borrowed_name,
    business_hours,
    delivered,
    disposition,
    dkim,
    dmarc,
    every_recipient_in,
    lookalike_domain,
    moved,
    not_,
    older_than,
    outcome,
    past_actions,
    quarantined,
    recipient,
    recipient_domain,
    recipients,
    report_disposition,
    sender,
    sender_domain,
    sender_in,
    spf,
    subject_contains,
    subject_matches,
    threat_category,
    user_report,
    younger_than,
)
from worker.playbooks.context import Lists
from worker.playbooks.examples import EXAMPLE_NOW

HOUR = timedelta(hours=1)
MESSAGE = Detection(
    id="m1",
    subject="Invoice 4711 overdue",
    final_disposition="SPOOF",
    sender="Billing@Partner.example",
    from_name="KIM, Grace",
    client_recipients=("Info@corp.example", "ada@corp.example"),
    threat_categories=("CredentialHarvester",),
    delivery_status=("delivered",),
    validation=Validation(dmarc="fail", spf="pass", dkim="none"),
    scanned_at=EXAMPLE_NOW - HOUR,
)
EMPTY = Detection(id="m2")
PAST = PastAction("move", "JunkEmail", "succeeded", "junk", EXAMPLE_NOW - 2 * HOUR)
CONTEXT = Context(
    now=EXAMPLE_NOW,  # a Friday, noon in UTC
    lists=Lists({
        "partners": frozenset({"billing@partner.example", "wide.example"}),
        "shared": frozenset({"info@corp.example", "support@corp.example"}),
        "own": frozenset({"corp.example"}),
        "people": frozenset({"grace kim <grace.kim@corp.example>"}),
    }),
    history=(PAST, PAST),
    sender_history=(PAST,) * 3,
)  # fmt: skip


def attached(*attachments: Attachment) -> Event:
    """The message with these attachments."""
    return view(MESSAGE, Known(found={"attachments": attachments}), frozenset({"attachments"}))


REPORT = PhishReport(id=1, disposition="MALICIOUS-BEC", message=MESSAGE)
ZIP = Attachment(name="a.zip")
LOOKALIKE = replace(MESSAGE, sender="it@c0rp.example")
CASES: list[tuple[Condition, Event, bool]] = [
    (disposition("SPOOF", "SPAM"), MESSAGE, True),
    (disposition("spoof"), MESSAGE, True),
    (disposition("SPAM"), MESSAGE, False),
    (disposition("MALICIOUS"), replace(MESSAGE, final_disposition="MALICIOUS-NEW"), True),
    (disposition("MALICIOUS-BEC"), replace(MESSAGE, final_disposition="MALICIOUS"), False),
    (threat_category("credentialharvester"), MESSAGE, True),
    (threat_category("Bec"), MESSAGE, False),
    (dmarc("fail", "none"), MESSAGE, True),
    (spf("fail"), MESSAGE, False),
    (dkim("none"), MESSAGE, True),
    (delivered(), MESSAGE, True),
    (moved(), MESSAGE, False),
    (quarantined(), replace(MESSAGE, is_quarantined=True), True),
    (sender("billing@partner.example"), MESSAGE, True),
    (sender("xbilling@partner.example"), MESSAGE, False),
    (sender_domain("Partner.example"), MESSAGE, True),
    (sender_domain("example"), MESSAGE, False),
    (sender_domain("example", subdomains=True), MESSAGE, True),
    (sender_domain("tner.example", subdomains=True), MESSAGE, False),
    (sender_domain("a.example", subdomains=True), replace(MESSAGE, sender="x@" + "a." * 999 + "a.example"), False),
    (sender_in("partners"), MESSAGE, True),
    (sender_in("partners"), replace(MESSAGE, sender="ceo@partner.example"), False),
    (sender_in("partners"), replace(MESSAGE, sender="x@wide.example"), True),
    (recipient("info@corp.example"), MESSAGE, True),
    (recipient_domain("corp.example"), MESSAGE, True),
    (recipient_domain("other.example"), MESSAGE, False),
    (any_recipient_in("shared"), MESSAGE, True),
    (every_recipient_in("shared"), MESSAGE, False),
    (every_recipient_in("shared"), replace(MESSAGE, client_recipients=("INFO@corp.example",)), True),
    (recipients(at_least=2), MESSAGE, True),
    (recipients(at_least=1, at_most=1), MESSAGE, False),
    (subject_matches(r"invoice \d{4}"), MESSAGE, True),
    (subject_contains("INVOICE"), MESSAGE, True),
    (subject_contains("toner", "overdue"), MESSAGE, True),
    (subject_contains("toner"), MESSAGE, False),
    (subject_matches(r"invoice", ignore_case=False), MESSAGE, False),
    (attachment("exe", "js"), attached(Attachment(name="Invoice.pdf.EXE")), True),
    (attachment("exe"), attached(Attachment(name="a.pdf")), False),
    (attachment("zip", encrypted=True), attached(ZIP, Attachment(name="b.pdf", encrypted=True)), False),
    (attachment(encrypted=True), attached(Attachment(name="a.zip", encrypted=True)), True),
    (attachment(name="^invoice"), attached(Attachment(name="Invoice.pdf")), True),
    (lookalike_domain("own"), LOOKALIKE, True),
    (lookalike_domain("own"), replace(MESSAGE, sender="it@mail.corp.example"), False),
    (borrowed_name("people"), MESSAGE, True),
    (borrowed_name("people"), replace(MESSAGE, from_name="Gr\u0430ce K1m"), False),
    (borrowed_name("people"), replace(MESSAGE, from_name="Gr\u0430ce K\u0456m"), True),
    (borrowed_name("people"), replace(MESSAGE, from_name="Grace Kimm"), False),
    (borrowed_name("people", at_least=0.9), replace(MESSAGE, from_name="Grace Kimm"), True),
    (borrowed_name("people", at_least=0.9), replace(MESSAGE, from_name="Ada Osei"), False),
    (borrowed_name("people"), replace(MESSAGE, sender="grace@hr.corp.example"), False),
    (older_than(minutes=59), MESSAGE, True),
    (older_than(hours=1), MESSAGE, False),
    (younger_than(days=1), MESSAGE, True),
    (younger_than(minutes=5), replace(MESSAGE, scanned_at=None, sent_at=EXAMPLE_NOW), True),
    (business_hours("Europe/Zurich"), MESSAGE, True),
    (business_hours("America/Los_Angeles"), MESSAGE, False),
    (past_actions(at_least=2, hours=3, kind="move", state="succeeded", playbook="junk"), MESSAGE, True),
    (past_actions(at_least=1, hours=1), MESSAGE, False),
    (past_actions(kind="release"), MESSAGE, False),
    (past_actions(of="sender", at_least=3), MESSAGE, True),
    (report_disposition("MALICIOUS"), REPORT, True),
    (disposition("SPOOF"), REPORT, True),
    (sender_in("partners"), PhishReport(id=1), False),
    (outcome("NONE"), Submission(submission_id="s", outcome_disposition="NONE"), True),
    (outcome("NONE"), Submission(submission_id="s"), False),
    (user_report(), Submission(submission_id="s", type="User"), True),
    (all_of(delivered(), ~moved()), MESSAGE, True),
    (any_of(moved(), disposition("SPAM")), MESSAGE, False),
    (not_(moved() | delivered()), MESSAGE, False),
    (~dmarc("pass"), EMPTY, True),
]  # fmt: skip


@pytest.mark.parametrize("condition, event, holds", CASES, ids=lambda value: str(value)[:60])
def test_it_holds_where_it_should_and_says_the_same_when_it_explains(
    condition: Condition,
    event: Event,
    holds: bool,
) -> None:
    """The fast answer and the one that `worker explain` shows are one."""
    assert condition.test(type(event))(event, CONTEXT) is holds
    assert condition.look(event, CONTEXT).holds is holds


def leaves() -> dict[str, Condition]:
    """Every single condition of the cases, by what it is called."""
    return {leaf.name: leaf for condition, _, _ in CASES for leaf in condition.leaves()}


@pytest.mark.parametrize("name", leaves())
def test_what_is_not_there_makes_it_false(name: str) -> None:
    """On a message without anything, and on a report whose message was not found; the explanation says so."""
    (leaf,) = leaves()[name].leaves()
    if leaf.of is not Detection or leaf.name.startswith(("business_hours", "past_actions")):
        return
    bare = view(EMPTY, Known(found={"attachments": None}, missing={"attachments": "gone: 404"}), leaf.needs)
    if not leaf.name.startswith("recipients"):
        assert leaf.test(type(bare))(bare, CONTEXT) is False
        sight = leaf.look(bare, CONTEXT)
        assert (sight.holds, bool(sight.why or not any(sight.saw.values()))) == (False, True)
    orphan = PhishReport(id=1)
    assert leaf.test(PhishReport)(orphan, CONTEXT) is False
    assert leaf.look(orphan, CONTEXT).why == "its message could not be found"


@pytest.mark.parametrize(
    "condition, saw, why",
    [
        (dmarc("pass"), {"validation.dmarc": "fail"}, ""),
        (moved(), {"has_moved": False}, ""),
        (sender_in("partners"), {"sender": MESSAGE.sender}, "the list has billing@partner.example"),
        (every_recipient_in("shared"), {"client_recipients": MESSAGE.client_recipients}, "the list has 1 of 2"),
        (older_than(days=1), {"scanned_at": MESSAGE.scanned_at}, "1:00:00 ago"),
        (business_hours("Asia/Tokyo"), {"now": EXAMPLE_NOW}, "fri 21:00 JST"),
        (borrowed_name("people"), {"from_name": "KIM, Grace", "sender_domain": "partner.example"},
         "100% like grace kim <grace.kim@corp.example>"),
        (past_actions(hours=1), {"history": ("move succeeded 2026-11-20T10:00:00+00:00",) * 2}, "0 such actions"),
    ],
    ids=str,
)  # fmt: skip
def test_it_names_itself_its_fields_and_their_values(
    condition: Condition,
    saw: dict[str, Any],
    why: str,
) -> None:
    """What `worker explain` prints."""
    sight = condition.look(MESSAGE, CONTEXT)
    assert (sight.name, dict(sight.saw), sight.why) == (str(condition), saw, why)


@pytest.mark.parametrize(
    "moment, opened",
    [
        ("2026-03-29T00:30:00+00:00", False),  # Sunday
        ("2026-03-27T16:59:00+00:00", True),  # Friday, 17:59 in winter
        ("2026-03-27T17:00:00+00:00", False),
        ("2026-03-30T15:59:00+00:00", True),  # Monday, 17:59 in summer
        ("2026-03-30T16:00:00+00:00", False),
        ("2026-03-30T06:00:00+00:00", True),
        ("2026-03-30T05:59:00+00:00", False),
    ],
)
def test_business_hours_follow_the_clock_on_the_wall(moment: str, opened: bool) -> None:
    """Also over the change to summer time."""
    day = business_hours("Europe/Zurich", days="mon-fri", start="08:00", end="18:00")
    context = Context(now=EXAMPLE_NOW.fromisoformat(moment))
    assert day.look(MESSAGE, context).holds is opened


@pytest.mark.parametrize(
    "moment, on", [("2026-11-20T21:59", False), ("2026-11-20T22:00", True), ("2026-11-21T05:59", True),
                   ("2026-11-21T22:00", False), ("2026-11-20T05:00", False)],
)  # fmt: skip
def test_a_night_belongs_to_the_day_on_which_it_begins(moment: str, on: bool) -> None:
    """Friday's ends on Saturday morning."""
    night = business_hours("UTC", days="fri", start="22:00", end="06:00")
    assert night.look(MESSAGE, Context(now=EXAMPLE_NOW.fromisoformat(f"{moment}:00+00:00"))).holds is on


def test_whole_days_end_at_midnight() -> None:
    """`24:00` is an end; the last microsecond of a day is in it."""
    day = business_hours("UTC", days="sat-sun", start="00:00", end="24:00")
    last = EXAMPLE_NOW.fromisoformat("2026-11-22T23:59:59.999999+00:00")
    assert day.look(MESSAGE, Context(now=last)).holds
    assert not day.look(MESSAGE, Context(now=last + timedelta(microseconds=1))).holds


def test_conditions_are_values() -> None:
    """Equal where they say the same, usable as keys, unchangeable, and named as they were written."""
    one = disposition("SPOOF") & ~moved() | business_hours("UTC", days="sat")
    assert one == disposition("SPOOF") & ~moved() | business_hours("UTC", days="sat")
    assert len({one, disposition("SPOOF")}) == 2
    assert str(one) == '((disposition("SPOOF") & ~moved()) | business_hours("UTC", days="sat"))'
    with pytest.raises(AttributeError):
        one.parts = ()  # type: ignore[attr-defined]
