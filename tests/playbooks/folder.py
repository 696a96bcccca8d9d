"""A rules folder that a test writes file by file."""

from __future__ import annotations

from pathlib import Path

from worker.playbooks.checking import Report, check
from worker.playbooks.deciding import Playbook
from worker.playbooks.loader import Catalogue, load
from worker.playbooks.problems import Problem

IMPORTS = "from worker.playbooks import *\n"
BODY = '    """Moves it."""\n    return Move(message, to="JunkEmail")\n'


def playbook_source(
    name: str = "junk", declared: str = "on=Detection", head: str = "(message)", body: str = BODY
) -> str:
    """The source of one playbook; its decorator stands on line 2 where it opens a file."""
    return f"@playbook({declared})\ndef {name}{head}:\n{body}"


class Folder:
    """`<tmp_path>/rules` and what comes of loading or checking it."""

    def __init__(self, path: Path) -> None:
        self.path = path / "rules"
        self.path.mkdir()

    def write(self, name: str, text: str | bytes) -> Path:
        """Writes one file, with its folders."""
        file = self.path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def playbook(self, file: str = "a.py", **parts: str) -> Path:
        """Writes a file with one playbook, see `playbook_source`."""
        return self.write(file, IMPORTS + playbook_source(**parts))

    def load(self) -> Catalogue:
        """Loads the folder."""
        return load(self.path)

    def check(self) -> Report:
        """Checks the folder."""
        return check(self.path)

    def only_playbook(self) -> Playbook:
        """The playbook of a folder that holds exactly one, and no problem."""
        catalogue = self.load()
        assert catalogue.problems == ()
        (playbook,) = catalogue.playbooks
        return playbook

    def only_problem(self) -> Problem:
        """The problem of a folder that has exactly one, and no playbook."""
        catalogue = self.load()
        assert catalogue.playbooks == ()
        (problem,) = catalogue.problems
        return problem
