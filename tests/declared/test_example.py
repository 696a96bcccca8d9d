from __future__ import annotations

import re
from pathlib import Path

from tests.declared.files import compared, there
from worker.declared.document import parse
from worker.declared.sections import SECTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_works() -> None:
    """What a newcomer copies is taken: all of it new, but for the domain."""
    plan = compared(EXAMPLE, there("domains", domain="corp.example", lookback_hops=1), own=["corp.example"])
    assert {one.section.name for one in plan.changes if one.op == "add"} == SECTIONS.keys() - {"domains"}
    assert [one.label for one in plan.changes if one.op == "edit"] == ["corp.example"]


def test_the_example_shows_every_field() -> None:
    """A field that the client learns is shown there too."""
    document = parse("settings.yaml", EXAMPLE.encode())
    for name, section in SECTIONS.items():
        shown = {field for one in document.sections[name] for field in one.values}
        left = set(section.fields) - shown - set(section.defaults) - {section.remark}
        assert left <= {"folder", "integration_id"}, name
