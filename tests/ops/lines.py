"""A stream that reads back what was logged."""

from __future__ import annotations

import io

import msgspec

TOKEN = "canary-token-0123456789abcdef0123456789"


class Lines(io.StringIO):
    """Parses its lines with a strict parser; each must end in a line feed."""

    def parsed(self) -> list[dict[str, object]]:
        text = self.getvalue()
        assert text == "" or text.endswith("\n")
        return [msgspec.json.decode(line, type=dict[str, object]) for line in text.split("\n")[:-1]]

    def only(self) -> dict[str, object]:
        (line,) = self.parsed()
        return line
