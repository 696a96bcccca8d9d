from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import catalogue, detection, playbook, report
from worker.deciding.asking import Page
from worker.model.actions import Mode, Move
from worker.model.events import Detection, PhishReport, Validation
from worker.model.plans import Sighting, sighting_of
from worker.pipeline import decide
from worker.playbooks import Context
from worker.playbooks.conditions import (
    Condition,
    delivered,
    disposition,
    dmarc,
    report_disposition,
    sender_domain,
    threat_category,
)
from worker.playbooks.examples import EXAMPLE_NOW
from worker.playbooks.index import Index

CONTEXT = Context(now=EXAMPLE_NOW)
VERDICTS = ("SPOOF", "SPAM", "MALICIOUS-BEC", None)
LEAVES: list[Condition] = [
    disposition("SPOOF"), disposition("MALICIOUS", "SPAM"), sender_domain("evil.example", subdomains=True),
    sender_domain("a.evil.example"), threat_category("x", "y"), dmarc("fail"), delivered(),
]  # fmt: skip
MESSAGES = [
    detection(
        f"{verdict}{sender}{dmarc}{status}",
        final_disposition=verdict,
        sender=sender,
        validation=Validation(dmarc=dmarc),
        delivery_status=status,
        threat_categories=("X", "Y") if dmarc else (),
    )
    for verdict, sender, dmarc, status in product(
        VERDICTS, ("m@evil.example", "m@A.evil.example", None), ("fail", None), (("delivered",), ())
    )
]
CONDITIONS = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        st.builds(lambda one: ~one, inner),
        st.builds(lambda one, other: one & other, inner, inner),
        st.builds(lambda one, other: one | other, inner, inner),
    ),
    max_leaves=6,
)


def junk(message: Detection) -> Move:
    """Wants every message."""
    return Move(message, to="JunkEmail")


def told(*conditions: tuple[Condition, ...]) -> list[list[str]]:
    """Which playbooks want each message of a page."""
    playbooks = [playbook(junk, f"p{number}", when=when) for number, when in enumerate(conditions)]
    page = [sighting_of(one) for one in MESSAGES]
    decided = decide(page, catalogue(*playbooks), Mode.ENFORCE, EXAMPLE_NOW)
    return [[vote.playbook for wish in one.wishes for vote in wish.votes] for one in decided]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(CONDITIONS, max_size=3).map(tuple), min_size=1, max_size=4))
def test_the_index_never_changes_an_answer(whens: list[tuple[Condition, ...]]) -> None:
    """Whatever is declared: a playbook is asked by the index exactly where all of its conditions hold."""
    expected = [
        [
            f"p{number}"
            for number, when in enumerate(whens)
            if all(one.look(message, CONTEXT).holds for one in when)
        ]
        for message in MESSAGES
    ]
    assert told(*whens) == expected


def counting(asked: list[str]) -> Callable[[Any], None]:
    """A function that notes what it is asked about."""

    def note(message: Detection) -> None:
        asked.append(message.id)

    return note


def test_a_playbook_is_not_even_looked_at_where_its_declared_value_is_missing() -> None:
    """An event touches only those whose conditions can hold."""
    loud = playbook(junk, "loud", when=(disposition("SPOOF"),))
    rare = playbook(junk, "rare", when=(delivered(), sender_domain("rare.example"), disposition("SPOOF")))
    index = Index(Detection, [loud, rare])
    assert [one.playbook.id for one in index.columns(MESSAGES)] == ["loud"]
    (asked,) = index.columns(MESSAGES)
    assert [MESSAGES[place].final_disposition for place in asked.column] == ["SPOOF"] * (len(MESSAGES) // 4)


def test_an_event_that_has_two_of_the_values_is_asked_about_once() -> None:
    """A message may have several categories."""
    asked: list[str] = []
    one = playbook(counting(asked), when=(threat_category("x", "y"),))
    decide([sighting_of(message) for message in MESSAGES], catalogue(one), Mode.ENFORCE, EXAMPLE_NOW)
    assert sorted(asked) == sorted(message.id for message in MESSAGES if message.threat_categories)


@pytest.mark.parametrize("disposition_, asked", [("MALICIOUS-BEC", ["1"]), ("SPAM", []), (None, [])])
def test_reports_are_found_by_their_own_fields_and_by_their_messages(
    disposition_: str | None, asked: list[str]
) -> None:
    """Conditions on the message apply to `report.message`, others to the report."""
    found: list[str] = []

    def note(event: PhishReport) -> None:
        found.append(str(event.id))

    one = playbook(note, on=PhishReport, when=(report_disposition("MALICIOUS"), disposition("MALICIOUS")))
    rows = [report(1, disposition=disposition_, message=detection()), report(2, disposition=disposition_)]
    decide([sighting_of(row) for row in rows], catalogue(one), Mode.ENFORCE, EXAMPLE_NOW)
    assert found == asked


def test_each_playbook_keeps_the_order_of_the_page() -> None:
    """What it says of an event belongs to that event, whatever it raised before."""

    def moody(message: Detection) -> Move | None:
        if message.id == "2":
            raise ValueError
        return Move(message, to="Inbox") if message.id in "134" else None

    page: list[Sighting] = [sighting_of(detection(str(number))) for number in range(6)]
    decided = decide(page, catalogue(playbook(moody), playbook(junk, "z")), Mode.ENFORCE, EXAMPLE_NOW)
    assert [one.sighting for one in decided] == page
    assert [len(one.failures) for one in decided] == [0, 0, 1, 0, 0, 0]
    both = [len(one.wishes) > 1 for one in decided]
    assert both == [False, True, False, True, True, False]


def test_a_page_shows_each_playbook_what_it_may_see() -> None:
    """The same events where nothing was fetched: nothing is copied."""
    page = Page.of([sighting_of(one) for one in MESSAGES], CONTEXT, {}, {})
    assert page.shown(playbook(junk), range(len(MESSAGES))) is page.events
