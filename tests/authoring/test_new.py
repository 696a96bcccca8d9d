from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest

from tests.playbooks.folder import Folder
from worker.authoring.mail import simulated_mail
from worker.cli import run_cli
from worker.playbooks.checking import check


@pytest.mark.parametrize("name", ["junk-toner-offers", "junk_toner_offers"])
def test_a_new_playbook_passes_as_it_stands(
    folder: Folder, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Even strictly: under its name, in shadow mode, with hit and miss."""
    assert run_cli(["new", name, str(folder.path)]) == 0
    file = folder.path / "junk_toner_offers.py"
    assert f"wrote {file}\n" in capsys.readouterr().out
    report = check(folder.path, mail=simulated_mail())
    assert [*report.problems, *report.warnings] == []
    (playbook,) = report.catalogue.playbooks
    assert (playbook.id, playbook.mode, playbook.path) == ("junk-toner-offers", "shadow", file)
    assert report.examples > 1


def test_an_existing_file_is_never_replaced(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor is anything else written then."""
    assert run_cli(["new", "mine", str(folder.path)]) == 0
    (folder.path / "mine.py").write_text("# precious\n")
    assert run_cli(["new", "mine", str(folder.path), "--test"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (folder.path / "mine.py").read_text() == "# precious\n"
    assert not (folder.path / "tests").exists()


@pytest.mark.parametrize(
    "name", ["", "../up", "a/b", "Mine!", "1st", "class", "-x", "a--b", "x" * 65, "_shared"]
)
def test_what_cannot_be_a_name_is_refused(
    folder: Folder, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """With one that can."""
    assert run_cli(["new", "--", name, str(folder.path)]) == 2
    assert "is no name for a playbook" in capsys.readouterr().err
    assert list(folder.path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what to name in its place."""
    (tmp_path / "file").touch()
    assert run_cli(["new", "mine", str(tmp_path / "file")]) == 2
    assert "name a folder that can be written" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["mine", "undo", "expiry"])
def test_an_id_that_is_taken_takes_nothing_out_of_the_folder(
    folder: Folder, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Of two with one id none is loaded: a draft would switch off what works."""
    folder.playbook("other.py", name="mine")
    assert run_cli(["new", name, str(folder.path)]) == 2
    told = capsys.readouterr().err
    assert f"{name}: is the id of" in told
    assert ("other.py" in told) == (name == "mine")
    assert not (folder.path / f"{name}.py").exists()


def test_what_finds_no_room_leaves_no_half_of_it(
    folder: Folder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty file would be a broken playbook, and in the way of the next try."""
    monkeypatch.setattr("worker.authoring.starting._TEST", "{folder}{id}" + "x" * 10**6)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    held = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        assert run_cli(["new", "mine", str(folder.path), "--test"]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, held)
    assert "name a folder that can be written" in capsys.readouterr().err
    assert list((folder.path / "tests").iterdir()) == []
