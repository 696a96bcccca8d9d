from __future__ import annotations

import pytest

from tests.playbooks.folder import IMPORTS, Folder, playbook_source
from worker.playbooks.checking import Report, check
from worker.playbooks.deciding import Playbook
from worker.watchdog import Watchdog

EXAMPLES = "examples=[hit(final_disposition='SPAM'), miss(subject='x')]"


def acting(
    folder: Folder,
    name: str,
    to: str = "JunkEmail",
    mode: str = "enforce",
    where: str = "== 'SPAM'",
    more: str = "",
) -> None:
    """Writes a playbook that moves mail of some verdicts."""
    wanted = f"(message.final_disposition or '') {where}"
    body = f"    return Move(message, to='{to}') if {wanted} else None\n"
    declared = f"on=Detection, mode='{mode}', {EXAMPLES}{more}"
    source = playbook_source(name, declared, "(message: Detection) -> Move | None", body)
    folder.write(f"{name}.py", IMPORTS + source)


def warned(report: Report) -> list[tuple[str, str]]:
    """Playbook and message of each warning."""
    assert report.problems == ()
    return [(one.playbook, one.message) for one in report.warnings]


def test_two_that_want_different_things_are_told_with_the_event(folder: Folder) -> None:
    """Both would be held: the warning names the two, an event, and what each wants of it."""
    acting(folder, "one")
    acting(folder, "two", to="Inbox", mode="approve")
    ((playbook, message),) = warned(folder.check())
    assert playbook == "one"
    assert message.startswith("contradicts `two` (two.py:2) on hit(final_disposition='SPAM') of one.py:2:")
    assert "it wants move to JunkEmail, the other move to Inbox, and both would be held" in message


@pytest.mark.parametrize("to, mode", [("Inbox", "shadow"), ("JunkEmail", "approve")])
def test_shadow_contradicts_nobody_and_neither_does_agreement(folder: Folder, to: str, mode: str) -> None:
    """As the worker has it."""
    acting(folder, "one")
    acting(folder, "two", to=to, mode=mode)
    assert [message for _, message in warned(folder.check()) if "contradicts" in message] == []


def test_a_clash_that_only_anothers_example_shows_is_found(folder: Folder) -> None:
    """Each is asked about the examples of all."""
    acting(folder, "wide", where="!= ''")
    folder.write(
        "wide.py", (folder.path / "wide.py").read_text().replace("subject='x'", "final_disposition=''")
    )
    acting(folder, "narrow", to="Inbox", where="== 'BULK'")
    source = (folder.path / "narrow.py").read_text()
    folder.write("narrow.py", source.replace("'SPAM'", "'BULK'"))
    ((playbook, message),) = warned(folder.check())
    assert playbook == "narrow"
    assert "hit(final_disposition='BULK') of narrow.py" in message


def test_what_another_one_always_does_too_makes_no_difference(folder: Folder) -> None:
    """Told of the narrower one; of two equal ones, of the later."""
    acting(folder, "wide", where="in ('SPAM', 'BULK')", more=", owner='soc'")
    source = (folder.path / "wide.py").read_text()
    folder.write("wide.py", source.replace("examples=[", "examples=[hit(final_disposition='BULK'), "))
    acting(folder, "narrow")
    acting(folder, "same")
    told = warned(folder.check())
    assert [playbook for playbook, _ in told] == ["narrow", "same"]
    assert "is unreachable: on all 3 events that it acts on, `wide` (wide.py:2) wants the same" in told[0][1]


def test_a_lower_mode_takes_nothing_away(folder: Folder) -> None:
    """What one may do at once is not done by another that waits for a person."""
    acting(folder, "lower", mode="approve")
    acting(folder, "upper", mode="enforce")
    assert [playbook for playbook, _ in warned(folder.check())] == ["lower"]


def test_what_acts_on_nothing_at_all_may_be_unreachable(folder: Folder) -> None:
    """It has no hit, and no event of anybody else makes it act."""
    acting(folder, "one")
    acting(folder, "never", where="== 'SPAM' == 'BULK'")
    source = (folder.path / "never.py").read_text()
    folder.write("never.py", source.replace("hit(final_disposition='SPAM'), ", ""))
    told = warned(folder.check())
    assert [playbook for playbook, _ in told] == ["never", "never"]
    assert "no hit example" in told[0][1]
    assert "is unreachable: it acts on none of the 4 events that it was asked about" in told[1][1]


def test_what_raises_on_anothers_example_is_told(folder: Folder) -> None:
    """Such an event would be parked: most fields may be missing."""
    acting(folder, "one")
    body = "    return Move(message, to='JunkEmail') if message.subject.lower() == 'a' else None\n"
    examples = "on=Detection, examples=[hit(subject='A'), miss(subject='b')]"
    source = playbook_source("rash", examples, "(message: Detection) -> Move | None", body)
    folder.write("rash.py", IMPORTS + source)
    report = folder.check()
    ((playbook, message),) = warned(report)
    assert playbook == "rash"
    assert "raised AttributeError: 'NoneType' object has no attribute 'lower'" in message
    assert "hit(final_disposition='SPAM') of one.py:2: such an event would be parked" in message
    assert report.warnings[0].line == 4


def test_what_does_not_end_on_anothers_example_is_a_problem(folder: Folder) -> None:
    """One deadline is waited for, not one for each event; the others are compared all the same."""
    acting(folder, "one")
    acting(folder, "two", to="Inbox")
    body = "    while message.final_disposition == 'SPAM': pass\n"
    examples = "on=Detection, mode='enforce', examples=[miss(subject='b')]"
    folder.write("slow.py", IMPORTS + playbook_source("slow", examples, "(message: Detection) -> None", body))
    report = check(folder.path, Watchdog(deadline=0.1))
    (problem,) = report.problems
    assert (problem.playbook, problem.line) == ("slow", 4)
    assert "computed for more than 0.1 s while it decided hit(" in problem.message
    assert [one.playbook for one in report.warnings if "contradicts" in one.message] == ["one"]


def test_each_sees_what_it_needs_of_anothers_example(folder: Folder) -> None:
    """An example gives what its own playbook needs; a neighbour with other needs sees its own as empty."""
    for name, need in (("one", "trace"), ("two", "action_log")):
        body = f"    return Move(message, to='JunkEmail') if message.{need} is None else None\n"
        declared = f"on=Detection, mode='enforce', needs=['{need}'], examples=[hit({need}=None), miss()]"
        folder.write(
            f"{name}.py",
            IMPORTS + playbook_source(name, declared, "(message: Detection) -> Move | None", body),
        )
    assert warned(folder.check()) == []


def test_no_more_is_asked_of_one_that_fails_its_own_examples(folder: Folder) -> None:
    """What is wrong is said once."""
    acting(folder, "one", where="== 'NEVER'")
    report = folder.check()
    assert [one.message for one in report.warnings] == []
    assert len(report.problems) == 1
    assert isinstance(report.catalogue.playbooks[0], Playbook)
