"""`when=[...]`: what the decorator and the loader make of it."""

from __future__ import annotations

import pytest

from tests.builders import detection
from tests.playbooks.folder import Folder
from worker.model.known import Known, view
from worker.playbooks import Context
from worker.playbooks.deciding import WaitsError
from worker.playbooks.examples import EXAMPLE_NOW

IMPORTS = "from worker.playbooks import *\nfrom worker.playbooks.conditions import *\n"
BODY = '    return Move(message, to="JunkEmail")\n'
CONTEXT = Context(now=EXAMPLE_NOW)


def declare(folder: Folder, when: str, on: str = "Detection", body: str = BODY) -> None:
    """A playbook with these conditions."""
    folder.write("a.py", f"{IMPORTS}@playbook(on={on}, when={when})\ndef junk(message):\n{body}")


def test_all_must_hold_before_the_function_is_called(folder: Folder) -> None:
    """The function of an event that a condition refuses does not run."""
    declare(folder, '[disposition("SPOOF"), delivered()]', body='    assert message.id == "m1"\n' + BODY)
    playbook = folder.only_playbook()
    assert playbook.decide(detection("m1", final_disposition="SPOOF"), CONTEXT)
    assert not playbook.decide(detection("m2"), CONTEXT)
    assert not playbook.decide(detection("m2", final_disposition="SPOOF", delivery_status=()), CONTEXT)


@pytest.mark.parametrize(
    "when, on, told",
    [
        ('disposition("SPOOF")', "Detection", 'when=disposition("SPOOF"): expected a list of conditions'),
        ('["SPOOF"]', "Detection", "'SPOOF' is no condition"),
        ("[delivered]", "Detection", "`delivered` is a function, and no condition. Remedy: call it: delivered(...)"),
        ('[disposition("SPOFF")]', "Detection", "no such disposition 'SPOFF' (did you mean `SPOOF`?)"),
        ('[~(moved() | disposition("spamm"))]', "Detection", "no such disposition 'spamm' (did you mean `SPAM`?)"),
        ("[disposition()]", "Detection", "disposition(): names no disposition"),
        ('[disposition(["SPAM"])]', "Detection", "is no text: write it with a star before the list"),
        ('[disposition(name="SPAM")]', "Detection", "got an unexpected keyword argument 'name'"),
        ('[dmarc("failed")]', "Detection", "no such result 'failed' (did you mean `fail`?)"),
        ('[sender("corp.example")]', "Detection", "'corp.example' is no address. Remedy: write ann@corp.example,"),
        ('[sender_domain("*.corp.example")]', "Detection", "'*.corp.example' is no domain"),
        ('[sender_in("lists/vips.txt")]', "Detection", "is a file. Remedy: name the list without folder and ending"),
        ('[sender_in("partnrs")]', "Detection", "no list 'partnrs' (did you mean `partners`?)"),
        ('[business_hours("Europe/Zuerich")]', "Detection", "zone 'Europe/Zuerich' (did you mean `Europe/Zurich`?)"),
        ('[business_hours("UTC", days="mon-fry")]', "Detection", "no such day 'fry' (did you mean `fri`?)"),
        ('[business_hours("UTC", start="8")]', "Detection", "start='8' is no time of day"),
        ('[business_hours("UTC", of="received")]', "Detection", "of='received': no such time"),
        ("[older_than()]", "Detection", "names no span of time"),
        ('[older_than(hours="2")]', "Detection", "hours='2' is no span of time"),
        ("[past_actions(at_least=21)]", "Detection", "a history has at most 20 actions"),
        ('[past_actions(kind="moove")]', "Detection", "no such kind 'moove' (did you mean `move`?)"),
        ('[subject_matches(r"(?=a)")]', "Detection", "RE2 looks neither ahead nor behind"),
        ('[borrowed_name("partners", at_least=90)]', "Detection", "at_least=90 is no share"),
        ('[outcome("NONE")]', "PhishReport", 'outcome("NONE") is a condition on Submission. Remedy: write on=Submission'),
        ("[delivered() and moved()]", "Detection", "conditions are joined by `&`, `|` and `~`, not by `and`"),
    ],
)  # fmt: skip
def test_wrong_conditions_are_told_with_line_and_remedy(
    folder: Folder, when: str, on: str, told: str
) -> None:
    """As all mistakes in a decorator are: nothing of it waits for an event to come."""
    folder.write("lists/partners.txt", "billing@partner.example")
    declare(folder, when, on)
    problem = folder.only_problem()
    assert told in str(problem)
    assert (problem.path.name, problem.line) == ("a.py", 3)


def test_every_wrong_condition_is_told_at_once(folder: Folder) -> None:
    """Nobody mends one to learn of the next."""
    declare(folder, '[disposition("SPOFF"), dmarc("failed"), sender("x")]')
    assert len(folder.load().problems) == 3


def test_what_a_condition_needs_need_not_be_declared(folder: Folder) -> None:
    """It is fetched only where the other conditions hold, wherever they stand."""
    declare(folder, '[attachment("exe"), disposition("SPOOF")]')
    playbook = folder.only_playbook()
    assert playbook.needs == {"attachments"}
    unfetched = view(detection(final_disposition="SPOOF"), Known(), playbook.needs)
    with pytest.raises(WaitsError, match="waits for attachments"):
        playbook.decide(unfetched, CONTEXT)
    assert playbook.decide(detection(), CONTEXT) == ()


@pytest.mark.parametrize(
    "when, aware", [("moved()", False), ("older_than(days=1)", True), ('sender_in("vips")', True)]
)
def test_a_condition_that_looks_at_the_context_makes_the_decision_record_it(
    folder: Folder, when: str, aware: bool
) -> None:
    """Or it could not be made again."""
    folder.write("lists/vips.txt", "")
    declare(folder, f"[~{when}]")
    assert folder.only_playbook().sees_context is aware


def test_another_condition_makes_another_version(folder: Folder) -> None:
    """The conditions are part of what was decided by."""
    declare(folder, "[moved()]")
    before = folder.only_playbook().version
    declare(folder, "[~moved()]")
    assert folder.only_playbook().version != before
