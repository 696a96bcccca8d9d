"""The fenced blocks of a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w+)((?: \w+=\S+)*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCS = Path(__file__).parents[2] / "docs" / "authors"


@dataclass(frozen=True)
class Block:
    """One fenced block, its line in the page and what follows its language."""

    language: str
    attributes: dict[str, str]
    text: str
    line: int


def blocks(page: str) -> Iterator[Block]:
    """Every fenced block of the page."""
    for one in _FENCE.finditer(page):
        attributes = dict(pair.split("=", 1) for pair in one[2].split())
        yield Block(one[1], attributes, one[3], page.count("\n", 0, one.start()) + 1)
