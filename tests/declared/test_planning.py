from __future__ import annotations

import json

import pytest

from tests.declared.files import blocked, compared, made, said, there
from worker.declared.entries import Present, Unusable
from worker.declared.planning import TAKEN_OVER

BLOCK = """\
block_senders:
  - pattern: evil.example
    pattern_type: DOMAIN
    comments: Phishing
"""


def test_what_is_missing_is_added_and_what_differs_is_edited() -> None:
    """Of an edit only the fields that differ are sent; what the file does not name stays."""
    (added,) = compared(BLOCK).changes
    assert dict(added.after) == {
        "pattern": "evil.example",
        "pattern_type": "DOMAIN",
        "is_regex": False,
        "comments": "Phishing",
    }
    (edited,) = compared(BLOCK, blocked(comments="Spam")).changes
    assert (edited.op, edited.id, dict(edited.before), dict(edited.after)) == (
        "edit",
        "id-1",
        {"comments": "Spam"},
        {"comments": "Phishing"},
    )
    assert compared(BLOCK, blocked(comments="Phishing")).changes == ()


def test_what_means_the_same_is_no_difference() -> None:
    """Case of an address, order of a list, nothing said and an empty text."""
    text = """\
    block_senders:
      - {pattern: Evil.Example, pattern_type: DOMAIN, comments: ""}
    sending_domain_restrictions:
      - {domain: bank.example, exclude: [b.bank.example, a.bank.example]}
    """
    restriction = there(
        "sending_domain_restrictions", domain="bank.example", exclude=("a.bank.example", "b.bank.example")
    )
    assert compared(text, blocked(), restriction).changes == ()


def test_a_section_that_is_not_named_is_not_touched() -> None:
    """An absent section says nothing; an empty one says nothing either, unless it is complete."""
    assert compared("trusted_domains: []", blocked()).changes == ()
    assert compared("block_senders: []", blocked()).changes == ()
    assert said(compared("complete: [block_senders]\nblock_senders: []", blocked()).changes) == [
        "delete evil.example DOMAIN"
    ]


def test_of_two_alike_the_one_that_fits_is_meant() -> None:
    """The vendor may hold an entry twice: the other goes only where the section is complete."""
    twice = (blocked(1, comments="Spam"), blocked(2, comments="Phishing"))
    assert compared(BLOCK, *twice).changes == ()
    (gone,) = compared(f"complete: [block_senders]\n{BLOCK}", *twice).changes
    assert (gone.op, gone.id) == ("delete", "id-1")


def test_what_the_worker_made_goes_only_by_its_id() -> None:
    """A complete section does not name it; its id on the command line does, also where nothing is complete."""
    ours, persons = blocked(1, comments=made("1m7y2qh5x60tq6ar")), blocked(2, "old.example")
    complete = "complete: [block_senders]\nblock_senders: []"
    plan = compared(complete, ours, persons)
    assert said(plan.changes) == ["delete old.example DOMAIN"]
    (note,) = plan.notes
    assert "action 1m7y2qh5x60tq6ar" in note
    assert "--delete-made id-1" in note
    named = compared("block_senders: []", ours, persons, made=["id-1", "id-2"])
    assert [(one.id, one.made_by) for one in named.changes] == [("id-1", "1m7y2qh5x60tq6ar")]


def test_what_no_file_can_name_is_not_deleted() -> None:
    """An entry without a pattern, or with one that cannot be written: a complete section could not keep it."""
    plan = compared("complete: [block_senders]\nblock_senders: []", blocked(1, "a\u202eb"), blocked(2, ""))
    assert plan.changes == ()
    assert ["id-1" in plan.notes[0], "id-2" in plan.notes[1]] == [True, True]


def test_a_persons_entry_is_meant_before_the_workers() -> None:
    """What the file wants is matched with what people made, where both are there."""
    both = (blocked(1, comments=made("1m7y2qh5x60tq6ar")), blocked(2, comments="Phishing"))
    assert compared(BLOCK, *both).changes == ()


def test_taking_over_what_the_worker_made_is_said() -> None:
    """Once edited it is the person's: the plan names the action, and says what follows."""
    plan = compared(BLOCK, blocked(comments=made("1m7y2qh5x60tq6ar")))
    assert plan.changes[0].made_by == "1m7y2qh5x60tq6ar"
    assert "the worker does not take it back" in plan.notes[0]


def test_what_is_taken_over_bears_the_workers_mark_no_more() -> None:
    """Also where the file says nothing of comments: else nothing would ever delete it again."""
    ours = there(
        "allow_policies", pattern="a.example", pattern_type="DOMAIN", is_regex=False, is_trusted_sender=True,
        verify_sender=True, comments=made("1m7y2qh5x60tq6ar"),
    )  # fmt: skip
    wanted = {"pattern": "a.example", "pattern_type": "DOMAIN", "is_regex": False, "verify_sender": False}
    (edit,) = compared(json.dumps({"allow_policies": [wanted]}), ours).changes
    assert edit.after == {"verify_sender": False, "comments": TAKEN_OVER}
    assert not Present(ours.section, "id-1", {**ours.values, **edit.after}).made_by


def test_what_the_worker_made_and_a_file_declares_too_is_told() -> None:
    """Nothing differs now; when the action's time is over, it will."""
    ours = blocked(comments=made("1m7y2qh5x60tq6ar"))
    plan = compared("block_senders: [{pattern: evil.example, pattern_type: DOMAIN}]", ours)
    assert plan.changes == ()
    assert "goes with it" in plan.notes[0]


def test_a_second_entry_of_the_same_key_is_told() -> None:
    """Somebody has added it beside; where the section is complete, it goes."""
    twice = (blocked(1, comments="Phishing"), blocked(2, comments="Spam"))
    (note,) = compared(BLOCK, *twice).notes
    assert "once more, as id id-2" in note
    assert compared(f"complete: [block_senders]\n{BLOCK}", *twice).notes == ()


def test_domains_are_edited_and_nothing_else() -> None:
    """None is added, none is deleted."""
    domain = there("domains", domain="corp.example", allowed_delivery_modes=("API",), lookback_hops=2)
    text = "domains:\n  - {domain: corp.example, lookback_hops: 3}"
    assert [dict(one.after) for one in compared(text, domain).changes] == [{"lookback_hops": 3}]
    with pytest.raises(Unusable, match=r":2: corp.example is not in the tenant; add it in the dashboard"):
        compared(text)


def test_a_directorys_people_are_left_alone() -> None:
    """The vendor refuses to edit them; they are not deleted either."""
    person = there("impersonation_registry", directory=True, name="Ada Osei", email="ada@corp.example")
    complete = "complete: [impersonation_registry]\nimpersonation_registry: []"
    assert compared(complete, person).changes == ()
    text = "impersonation_registry:\n  - {name: Ada Osei, email: ada@corp.example, comments: x}"
    with pytest.raises(Unusable, match=r":2: .*comes from a directory"):
        compared(text, person)


@pytest.mark.parametrize(
    "text, why",
    [
        ("trusted_domains:\n  - {pattern: shop.example}", "is new, so it needs is_recent, is_similarity too"),
        (
            "allow_policies:\n  - {pattern: a@b.example, pattern_type: EMAIL}",
            "is new, so it needs is_acceptable",
        ),
        ("block_senders:\n  - {pattern: x.example, pattern_type: UNKNOWN}", "no new entry can be UNKNOWN"),
    ],
)
def test_what_a_new_entry_lacks_is_told(text: str, why: str) -> None:
    """Nothing is assumed for somebody who opens a hole."""
    with pytest.raises(Unusable, match=why):
        compared(text)
