from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.backtest.pages import hostile_report
from tests.browser import CHROMIUM, open_tab
from worker.backtest.page import page

ALLOWED = {
    "html", "head", "meta", "link", "title", "style", "body", "header", "main", "h1", "h2", "p", "ul", "li", "b", "span",
    "div", "table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "line", "text", "details", "summary", "label",
    "input", "select", "option", "output", "script",
}  # fmt: skip
ROWS = "[...document.querySelectorAll('#actions tbody tr')]"
SHOWN = f"{ROWS}.filter((row) => !row.hidden).length"


class Tags(HTMLParser):
    """What of a page is markup."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()
        self.attributes: set[str] = set()

    @property
    def names(self) -> set[str]:
        return set(self.count)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] += 1
        self.attributes |= {name for name, _ in attrs}


def test_the_page_needs_nobody_and_lets_nobody_in() -> None:
    """Nothing but our own style and script may run, and no text of mail is markup."""
    text = page(hostile_report())
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy[1]
    tags = Tags()
    tags.feed(text)
    assert tags.names <= ALLOWED
    assert tags.count["script"] == 1
    assert {name for name in tags.attributes if name.startswith("on") or name in ("style", "src")} == set()
    assert "\u202e" not in text
    assert "\x00" not in text
    assert "evil\\u202emoc" in text


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")
async def test_the_page_works_in_a_real_browser(tmp_path: Path) -> None:
    """No complaint, no request, nothing runs that mail has brought; search, sort, keys, widths, colours."""
    report = hostile_report()
    file = tmp_path / "report.html"
    file.write_text(page(report), encoding="utf-8")
    async with open_tab(tmp_path / "profile") as tab:
        await tab.open(file)
        assert await tab.run("document.title") == "Backtest"
        assert await tab.run(SHOWN) == len(report.rows) > 30
        # Searching, one column and several, by what an attacker wrote.
        await tab.run("search.value = '<IMG x'; search.dispatchEvent(new Event('input'))")
        found = await tab.run(SHOWN)
        assert 0 < found < len(report.rows)
        assert await tab.run("told.textContent") == f"{found} of {len(report.rows)} shown"
        await tab.run("playbook.value = 'back'; playbook.dispatchEvent(new Event('input'))")
        back = sum("back" in row.playbooks and "<img" in row.subject for row in report.rows)
        assert await tab.run(SHOWN) == back > 0
        await tab.run("search.value = ''; playbook.value = ''; playbook.dispatchEvent(new Event('input'))")
        # By keyboard alone: the first column's button, twice.
        await tab.run("document.querySelector('#actions th button').focus()")
        order = f"{ROWS}.map((row) => row.cells[0].textContent)"
        for turned in (False, True):
            await tab.press("Enter")
            times = await tab.run(order)
            assert times == sorted(times, reverse=turned)
        assert await tab.run("document.querySelector('#actions th').ariaSort") == "descending"
        for width, scheme in ((1280, "light"), (400, "dark")):
            await tab.looks(width, scheme)
            assert await tab.run("document.documentElement.scrollWidth") <= width
        dark, ink = await tab.run(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        )
        assert (dark, ink) == ("rgb(21, 24, 28)", "rgb(230, 233, 237)")
        assert tab.complaints == []
        assert set(tab.asked_for) <= {file.as_uri(), "data:,"}
        # What got past the escaping all the same would be inert, and this test would hear of it.
        owned = "document.title='owned'"
        bad = f'<script>{owned}</script><img src="x" onerror="{owned}"></body>'
        file.write_text(file.read_text(encoding="utf-8").replace("</body>", bad), encoding="utf-8")
        await tab.open(file)
        assert await tab.run("document.title") == "Backtest"
        assert len(tab.complaints) >= 3
