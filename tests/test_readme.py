"""The documents say what is there: every setting, every command, working links, a playbook that passes its check."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import typer

from worker.cli import command_line
from worker.playbooks.checking import check
from worker.settings import SECRETS, Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "rules/README.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))


def test_every_setting_is_in_the_readme_with_its_default() -> None:
    """A setting that is added or changed is changed there too."""
    for name, field in Settings.model_fields.items():
        row = re.search(rf"^\| `{name.upper()}` \| (.*?) \|", README, re.MULTILINE)
        assert row, f"{name.upper()} is missing"
        if field.default is None or name in SECRETS:
            continue
        default = f"{field.default:g}" if isinstance(field.default, float) else str(field.default)
        assert row[1] == f"`{default}`", name


def test_the_readme_names_no_setting_that_is_not_there() -> None:
    """Nobody sets in vain what was renamed."""
    named = set(re.findall(r"\b(?:WORKER|CLOUDFLARE)_[A-Z_]+\b", README))
    known = {name.upper() for name in Settings.model_fields} | {f"{name.upper()}_FILE" for name in SECRETS}
    assert named <= known


def test_every_command_is_in_the_readme() -> None:
    """Subcommands too."""
    table = README.partition("## Commands")[2].partition("\n## ")[0]
    for path in _commands():
        assert re.search(rf"`(worker |)([a-z]+ )?{path[-1]}\b", table), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Links to files name files, links to sections name headings."""
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        if target.startswith(("http://", "https://")):
            continue
        name, _, section = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if section:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert section in {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", ["README.md", "rules/README.md"])
def test_the_playbooks_shown_pass_their_check(page: str, tmp_path: Path) -> None:
    """What a newcomer copies works."""
    text = (ROOT / page).read_text(encoding="utf-8")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "partners.txt").write_text("billing@partner.example\n", encoding="utf-8")
    shown = (code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "@playbook" in code)
    for number, code in enumerate(shown):
        (tmp_path / f"shown_{number}.py").write_text(code, encoding="utf-8")
    report = check(tmp_path)
    assert report.ok, report.problems
    assert report.examples


def test_the_first_playbook_is_checked_as_shown(tmp_path: Path) -> None:
    """Beside what ships here: the line that the README shows is what `worker check` says."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shutil.copytree(ROOT / "rules", tmp_path / "rules")
    (first,) = (code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "@playbook" in code)
    (tmp_path / "rules" / "junk_spoofed_invoices.py").write_text(first, encoding="utf-8")
    report = check(tmp_path / "rules")
    playbooks, examples = len(report.catalogue.playbooks), len(report.cases)
    assert f"\n{playbooks} playbooks, {examples} of {examples} examples as expected, 0 problems\n" in text


def _commands() -> list[tuple[str, ...]]:
    root = vars(typer.main.get_command(command_line()))
    found: list[tuple[str, ...]] = []
    for name, command in root["commands"].items():
        children = getattr(command, "commands", {})
        found += [(name, child) for child in children] if children else [(name,)]
    return found
