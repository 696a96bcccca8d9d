"""A bar on stderr for what takes a while, where a person looks at it; otherwise nothing at all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[float, str], None]
"""How far it is, in parts of one, and a word on it."""


@contextmanager
def bar(what: str) -> Iterator[Advance]:
    """Shows how far it is until it is left."""
    if not sys.stderr.isatty():
        yield lambda _done, _word: None
        return
    from rich.console import Console  # noqa: PLC0415 - for people who watch
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[word]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=1.0, word="")
        yield lambda done, word: progress.update(task, completed=done, word=word)
