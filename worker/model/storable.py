"""Text as it can be kept and sent. Pure."""

from __future__ import annotations


def storable(text: str) -> str:
    """The text as plain `str`, with `?` for each half of a surrogate pair, which nothing can encode.

    Python puts one for each byte of a file's name, an argument or a variable that is no UTF-8.
    """
    return text if type(text) is str and text.isascii() else text.encode("utf-8", "replace").decode()
