"""What holds for every playbook that ships, and for the template that authors start from."""

from __future__ import annotations

import re
import shutil
import statistics
from pathlib import Path

import pytest

from worker.authoring.mail import simulated_mail
from worker.model.entries import Entry
from worker.model.events import Event
from worker.model.kinds import KINDS
from worker.playbooks import Caps, Context, Detection, PhishReport, Submission
from worker.playbooks.checking import check
from worker.playbooks.deciding import Playbook
from worker.playbooks.examples import EXAMPLE_NOW

ROOT = Path(__file__).parents[2]
RULES = ROOT / "rules"
FILES = sorted(RULES.glob("[!_.]*.py"))
REPORT = check(RULES, mail=simulated_mail())
README = (RULES / "README.md").read_text()
PAGE = (ROOT / "docs" / "playbooks.md").read_text(encoding="utf-8")


def test_every_example_holds_and_nothing_is_warned_about() -> None:
    """`worker check` has nothing to say about what ships."""
    assert [*REPORT.problems, *REPORT.warnings] == []
    assert len(REPORT.catalogue.playbooks) >= 15


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_file_id_and_test_follow_from_one_another(file: Path) -> None:
    """One playbook a file, named after it, with a test of the same name."""
    ids = [playbook.id for playbook in REPORT.catalogue.playbooks if playbook.path == file]
    assert ids == [file.stem.replace("_", "-")]
    assert (ROOT / "tests" / "rules" / f"test_{file.stem}.py").is_file()


def test_playbooks_are_small() -> None:
    """Half of them fit on one screen."""
    assert statistics.median(len(file.read_text().splitlines()) for file in FILES) < 35


@pytest.mark.parametrize("playbook", REPORT.catalogue.playbooks, ids=lambda playbook: playbook.id)
def test_each_says_why_and_what_the_risk_is(playbook: Playbook) -> None:
    """The docstring is what an analyst reads at three in the morning."""
    doc = playbook.function.__doc__ or ""
    assert "Why: " in doc
    assert "Risk: " in doc


@pytest.mark.parametrize("playbook", REPORT.catalogue.playbooks, ids=lambda playbook: playbook.id)
def test_each_bears_an_event_with_nothing_in_it(playbook: Playbook) -> None:
    """Every field but the id may be missing; then nothing is done."""
    context = Context(now=EXAMPLE_NOW, lists=REPORT.catalogue.lists)
    empty = Detection(id="m1")
    about = [None, empty]
    known: list[Event] = [
        empty,
        *(PhishReport(id=1, message=one) for one in about),
        *(Submission(submission_id="s1", message=one) for one in about),
    ]
    events = [event for event in known if isinstance(event, playbook.on)]
    assert events
    assert [playbook.decide(event, context) for event in events] == [()] * len(events)


def test_nothing_irreversible_is_enforced() -> None:
    """Releases wait for a person, and nothing is purged."""
    for playbook in REPORT.catalogue.playbooks:
        source = playbook.path.read_text()
        assert "RecoverableItemsPurges" not in source
        assert "Release(" not in source or playbook.mode == "approve"


def test_nothing_that_changes_the_tenants_settings_is_enforced() -> None:
    """An entry acts on all mail to come, and every kind of entry is shown how to be wanted."""
    names = {
        action.__name__ for kind in KINDS.values() if (action := kind.action) and issubclass(action, Entry)
    }
    wanted = set()
    for playbook in REPORT.catalogue.playbooks:
        used = {name for name in names if f"{name}(" in playbook.path.read_text()}
        assert not used or playbook.mode != "enforce", playbook.id
        wanted |= used
    assert wanted == names


def test_the_page_describes_each_in_two_lines_with_its_mode() -> None:
    """Exactly those that ship, each once."""
    described = re.findall(r"^`([a-z-]+)` · (\w+)\n: .+\n  .+$(?!\n[^\n])", PAGE, re.MULTILINE)
    assert sorted(described) == sorted((one.id, str(one.mode)) for one in REPORT.catalogue.playbooks)


def test_every_list_is_read_and_says_whose_it_is() -> None:
    """A list that nobody reads is a promise that nobody keeps; what ships in it is nobody's real name."""
    sources = "".join(file.read_text() for file in FILES)
    for name, entries in REPORT.catalogue.lists.items():
        assert f'context.lists["{name}"]' in sources, name
        assert f"lists/{name}.txt" in PAGE, name
        assert "eplace" in (RULES / "lists" / f"{name}.txt").read_text(), name
        assert all(entry.strip("<>").endswith(".example") for entry in entries), name


def test_the_template_is_a_playbook_that_passes(tmp_path: Path) -> None:
    """An author starts from something that works."""
    shutil.copy(ROOT / "worker" / "authoring" / "template.py", tmp_path / "my_first_playbook.py")
    report = check(tmp_path, mail=simulated_mail())
    assert [*report.problems, *report.warnings] == []
    (playbook,) = report.catalogue.playbooks
    assert (playbook.id, playbook.mode, playbook.caps) == ("my-first-playbook", "shadow", Caps())


def test_the_readmes_playbooks_work(tmp_path: Path) -> None:
    """Every complete playbook of the README loads, and its examples hold."""
    blocks = [
        block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "@playbook" in block
    ]
    assert blocks
    shutil.copytree(RULES / "lists", tmp_path / "lists")
    for number, block in enumerate(blocks):
        (tmp_path / f"block_{number}.py").write_text(block)
    report = check(tmp_path)
    assert list(report.problems) == []
    assert report.examples >= len(blocks)
