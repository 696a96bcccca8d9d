from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.playbooks.folder import IMPORTS, Folder, playbook_source
from worker.authoring.starting import start

TESTS = """
def test_it_acts(decide, detection):
    (move,) = decide("junk", detection(subject="x"))
    assert move.target == "JunkEmail"

def test_reports_are_none_of_its_business(decide, report, submission):
    assert report(message=None).message is submission(message=None).message
    decide("junk", report())

def test_of_no_such_playbook(decide, detection):
    decide("jnk", detection())
"""


README = (Path(__file__).parents[2] / "rules" / "README.md").read_text(encoding="utf-8")
TONER = """\
from worker.playbooks import Detection, Move, hit, miss, playbook


@playbook(
    on=Detection,
    owner="soc@example.com",
    examples=[
        hit(subject="Toner at half price", final_disposition="SPAM", delivery_status=["delivered"]),
        miss(final_disposition="SPAM"),
    ],
)
def junk_toner_offers(message: Detection) -> Move | None:
    \"\"\"Moves toner offers to Junk.\"\"\"
    offer = "toner" in (message.subject or "").lower()
    if offer and message.final_disposition == "SPAM" and message.is_delivered:
        return Move(message, to="JunkEmail", reason="toner offer")
    return None
"""
"""The playbook that the page's tests are about."""


def run(folder: Path, *arguments: str) -> str:
    """What pytest says in an author's own folder, which knows nothing of this repository."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "worker.testing.plugin", "-p", "no:cacheprovider"]
    root = str(Path(__file__).parents[2])
    ran = subprocess.run(
        [*command, *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PYTHONPATH": root, "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return ran.stdout + ran.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A rules folder with two playbooks and their tests, those of the README among them."""
    made = Folder(tmp_path)
    made.playbook()
    made.write("tests/test_junk.py", TESTS)
    shown = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    made.write("junk_toner_offers.py", TONER)
    for number, code in enumerate(code for code in shown if "def test_" in code):
        made.write(f"tests/test_shown_{number}.py", code)
    return made


def test_an_authors_own_folder_is_tested_by_the_playbooks_ids(folder: Folder) -> None:
    """`pytest rules/tests` needs no configuration and no import; what is wrong is said in words."""
    told = run(folder.path.parent, "rules/tests")
    assert "2 failed, 3 passed" in told
    assert "junk decides on a Detection, not on a PhishReport" in told
    assert "no playbook 'jnk'; there are junk, junk-toner-offers" in told


def test_a_new_playbook_comes_with_tests_that_pass(tmp_path: Path) -> None:
    """`worker new --test`, then `pytest`."""
    start("junk-offers", tmp_path / "rules", {}, test=True)
    assert "2 passed" in run(tmp_path, "rules")


def test_the_folder_can_be_named_and_its_problems_are_the_tests(folder: Folder, tmp_path: Path) -> None:
    """A playbook that does not load fails the tests with file, line and remedy."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.py").write_text(IMPORTS + playbook_source(declared="on=int"))
    told = run(folder.path.parent, "rules/tests", "--worker-rules", "other", "-k", "it_acts")
    assert f"{other / 'b.py'}:2: [junk] on=int: no such event type" in told
    assert "1 error" in told or "1 failed" in told


def test_the_plugin_costs_other_tests_nothing() -> None:
    """Pytest loads it in every run of an environment: it imports nothing of the worker before a test asks."""
    code = "import sys, worker.testing.plugin; print(*(name for name in sys.modules if name.startswith('worker')))"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.split() == ["worker", "worker.testing", "worker.testing.plugin"]
