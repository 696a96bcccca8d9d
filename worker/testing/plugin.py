"""The pytest plugin: `detection`, `report`, `submission` and `decide` as fixtures, and the folder's playbooks by id.

The folder is `--worker-rules DIR`, or the setting `worker_rules` of pytest's configuration; else the one above a folder
`tests` that holds the test; else `rules` beside the configuration. Nothing of the worker is imported before a test asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from worker.model.actions import Action
    from worker.model.events import Detection, Event, PhishReport, Submission
    from worker.playbooks.deciding import Playbook

OPTION = "worker_rules"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--worker-rules DIR`, and the same as a setting."""
    told = "folder of the playbooks under test"
    parser.getgroup("worker").addoption("--worker-rules", dest=OPTION, metavar="DIR", default=None, help=told)
    parser.addini(OPTION, told, default="")


@pytest.fixture(scope="session")
def detection() -> Callable[..., Detection]:
    """`detection(**fields)`: a message by the fields that matter."""
    from worker import testing  # noqa: PLC0415

    return testing.detection


@pytest.fixture(scope="session")
def report() -> Callable[..., PhishReport]:
    """`report(**fields)`: a report of the PhishGuard team, `message={...}` included."""
    from worker import testing  # noqa: PLC0415

    return testing.report


@pytest.fixture(scope="session")
def submission() -> Callable[..., Submission]:
    """`submission(**fields)`: a request for another verdict, `message={...}` included."""
    from worker import testing  # noqa: PLC0415

    return testing.submission


@pytest.fixture(scope="module")
def playbooks(request: pytest.FixtureRequest) -> Mapping[str, Playbook]:
    """The folder's playbooks by id; the test fails with every problem of the folder, if it has any."""
    from worker.playbooks.loader import load  # noqa: PLC0415

    folder = _folder(request.config, request.path)
    catalogue = load(folder)
    if catalogue.problems:
        pytest.fail("\n".join(map(str, catalogue.problems)), pytrace=False)
    return {playbook.id: playbook for playbook in catalogue.playbooks}


@pytest.fixture
def decide(request: pytest.FixtureRequest) -> Callable[..., tuple[Action, ...]]:
    """`decide(playbook, event)`: what the worker would do; the playbook by its id, or the function itself."""
    from worker import testing  # noqa: PLC0415

    def decided(playbook: str | Callable[..., Any], event: Event, **known: Any) -> tuple[Action, ...]:
        if not isinstance(playbook, str):
            return testing.decide(playbook, event, **known)
        playbooks = request.getfixturevalue("playbooks")
        if playbook not in playbooks:
            pytest.fail(f"no playbook {playbook!r}; there are {', '.join(sorted(playbooks))}")
        return testing.decide(playbooks[playbook], event, **known)

    return decided


def _folder(config: pytest.Config, test: Path) -> Path:
    told = config.getoption(OPTION) or config.getini(OPTION)
    if told:
        return config.rootpath / str(told)
    above = (folder.parent for folder in test.parents if folder.name == "tests")
    return next(filter(_holds_playbooks, above), config.rootpath / "rules")


def _holds_playbooks(folder: Path) -> bool:
    return any(b"worker.playbooks" in file.read_bytes() for file in folder.glob("[!_.]*.py"))
