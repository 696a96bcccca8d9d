"""Text out of bytes, under the names of charsets that mail uses, and under no other codec."""

from __future__ import annotations

import codecs

_FAMILIES = (
    "utf",
    "ascii",
    "iso",
    "cp",
    "koi",
    "big5",
    "gb",
    "hz",
    "euc",
    "shift_jis",
    "johab",
    "mac",
    "tis",
)
"""How the names of Python's codecs begin that take time in proportion to the text; punycode and idna do not."""


def text_of(content: bytes, charset: str | None) -> str:
    """The text; U+FFFD where bytes mean nothing. An unknown charset is taken for UTF-8."""
    return content.decode(_known(charset), "replace")


def _known(charset: str | None) -> str:
    try:
        name = codecs.lookup(charset or "utf-8").name
    except (LookupError, ValueError):
        return "utf-8"
    return name if name.startswith(_FAMILIES) else "utf-8"
