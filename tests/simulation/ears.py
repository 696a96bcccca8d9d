"""Hears what the worker says of itself: a task that failed unforeseen is a mistake, even where nothing came of it."""

from __future__ import annotations

import io

from worker.ops import logs

UNFORESEEN = ('"event.action":"task.failed"', '"event.action":"service.failed"')


class Ears(io.StringIO):
    """The worker's log at level error; only what nobody foresaw is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def write(self, text: str) -> int:
        if any(name in text for name in UNFORESEEN):
            self.heard.append(text.strip())
        return len(text)

    def listen(self) -> None:
        """From here on."""
        logs.configure(format="json", level="error", stream=self)
