"""Text from mail is written by attackers: what a terminal or a log line may show of it."""

from __future__ import annotations

import unicodedata

ELLIPSIS = "…"
# Letters and marks by category, yet drawn as nothing: they hide text as well as zero-width characters do.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


LONGEST_PIECE = len(r"\U0010ffff")
"""Characters of the longest escape."""


def safe(text: str, limit: int | None = 200) -> str:
    r"""The text in one line of at most `limit` characters; what acts or hides shows as `\x1b`, `\u202e`.

    None leaves nothing out.
    """
    if limit is None:
        limit = LONGEST_PIECE * len(text)
    if len(text) <= limit and text.isprintable() and _INVISIBLE.isdisjoint(text):
        return text
    pieces: list[str] = []
    room = limit
    for character in text[: max(limit, 0) + 1]:
        piece = character if _is_harmless(character) else _escape(ord(character))
        pieces.append(piece)
        room -= len(piece)
    return "".join(pieces) if room >= 0 else _cut(pieces, limit)


def _cut(pieces: list[str], limit: int) -> str:
    """Drops whole pieces, never half an escape, until the ellipsis fits."""
    length = sum(map(len, pieces))
    while pieces and length + len(ELLIPSIS) > limit:
        length -= len(pieces.pop())
    return "".join(pieces) + ELLIPSIS if limit > 0 else ""


def _is_harmless(character: str) -> bool:
    """`isprintable` refuses controls, bidi and zero-width characters, surrogates and every space but one."""
    if character.isprintable():
        return character not in _INVISIBLE
    return unicodedata.category(character) == "Zs"


def _escape(code: int) -> str:
    if code <= 0xFF:  # noqa: PLR2004 - the three widths of Python's own escapes
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004
