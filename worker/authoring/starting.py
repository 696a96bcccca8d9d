"""A playbook to start from: the template under another name, and a test beside it."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from worker.errors import UsageError
from worker.playbooks.validation import TAKEN

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_LONGEST = 64
_TEMPLATE = "my_first_playbook"
_TEST = '''"""Run by `pytest {folder}`; `decide` and `detection` come from worker.testing."""

OFFER = {{"final_disposition": "SPAM", "subject": "You have WON", "delivery_status": ["delivered"]}}


def test_it_acts(decide, detection):
    """What it is for."""
    assert [(one.kind, one.target) for one in decide("{id}", detection(**OFFER))] == [("move", "JunkEmail")]


def test_it_leaves_alone_what_somebody_has_moved(decide, detection):
    """A user who took a message out of Junk is not overruled."""
    assert decide("{id}", detection(**OFFER, post_delivery_operations=["MOVE"])) == ()
'''


def start(name: str, folder: Path, known: Mapping[str, str], *, test: bool) -> list[Path]:
    """Writes the files; those that were written. `known`: whose id is taken in the folder, by the id.

    UsageError where that cannot be; of the file at fault nothing is left.
    """
    if not _NAME.fullmatch(name) or len(name) > _LONGEST or keyword.iskeyword(name):
        kebab = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")[:_LONGEST] or "my-playbook"
        raise UsageError(
            f"{name!r} is no name for a playbook: lower-case words joined by dashes, at most {_LONGEST} characters, "
            f"for example {kebab}"
        )
    stem, id_ = name.replace("-", "_"), name.replace("_", "-")
    template = files("worker.authoring").joinpath("template.py").read_text(encoding="utf-8")
    texts = {folder / f"{stem}.py": template.replace(_TEMPLATE, stem)}
    if test:
        tests = folder / "tests"
        texts[tests / f"test_{stem}.py"] = _TEST.format(folder=tests, id=id_)
    for file in texts:
        if file.exists():
            raise UsageError(f"{file}: is there already; choose another name")
    if why := {**known, **TAKEN}.get(id_):
        raise UsageError(
            f"{id_}: is the id of {why}; of two with one id none would be loaded: choose another"
        )
    for file, text in texts.items():
        try:
            file.parent.mkdir(exist_ok=True)
            _write(file, text)
        except OSError as error:
            raise UsageError(
                f"{file}: {error.strerror}; name a folder that can be written: `worker new {name} DIR`"
            ) from error
    return list(texts)


def _write(file: Path, text: str) -> None:
    with file.open("x", encoding="utf-8") as new:
        try:
            new.write(text)
            new.flush()
        except OSError:
            file.unlink()
            raise
