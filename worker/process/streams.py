"""Standard streams that somebody has closed, or that take no more: said in one line, and never a file of ours."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

_STANDARD = (0, 1, 2)


class _Stdout(io.FileIO):
    """Remembers why it took nothing more: whoever catches an OSError does not see where it came from."""

    refusal = ""

    def write(self, data: Any) -> int:
        try:
            written = super().write(data)
        except BrokenPipeError:
            raise  # the reader has left early, as `head` does
        except OSError as error:
            _Stdout.refusal = f"stdout cannot be written to: {error.strerror}"
            raise
        _Stdout.refusal = ""
        return written


class _Start:
    """How the process was started."""

    without_stdout = False


def settle() -> None:
    """Puts the standard streams in order, before anything else is opened.

    The number of a closed one would go to the next file, which may be the database, and a child's output into it.
    What is opened instead can be read only: a write to it is refused as one to a closed stream.
    """
    while (number := os.open(os.devnull, os.O_RDONLY)) in _STANDARD:
        os.set_inheritable(number, True)  # noqa: FBT003 - its only form
    os.close(number)
    # Text of mail in a terminal that knows no such letters: escaped, not refused.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - as long as the process
    _Start.without_stdout = sys.stdout is None
    if _Start.without_stdout:
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(_Stdout(1, "wb", closefd=False)), "utf-8")
        return
    old = sys.stdout
    if not isinstance(old, io.TextIOWrapper):
        return  # a stand-in of who has called us
    raw = _Stdout(old.fileno(), "wb", closefd=False)
    sys.stdout = io.TextIOWrapper(
        raw if isinstance(old.buffer, io.FileIO) else io.BufferedWriter(raw),  # as PYTHONUNBUFFERED wants it
        old.encoding,
        old.errors,
        line_buffering=old.line_buffering,
        write_through=old.write_through,
    )


def was_without_stdout() -> bool:
    """Whether stdout was closed when the process was started."""
    return _Start.without_stdout


def refusal() -> str:
    """Why stdout took nothing of what was written last; empty where it did."""
    return _Stdout.refusal


def let_go() -> str:
    """Writes what is left at the end, so that Python finds nothing to complain of; as `refusal`."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return refusal()
