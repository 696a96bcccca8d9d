"""What a log line says of an exception: type, message, our frames. Never local variables or source lines."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

_PACKAGE = str(Path(__file__).resolve().parents[1])
_ROOT = str(Path(_PACKAGE).parent) + "/"
_LIBRARIES = ("/site-packages/", "/dist-packages/", "<frozen ")
_STDLIB = sysconfig.get_path("stdlib") + "/"
_FRAMES = 8
_LEAVES = 5
_CHAIN = 5


def exception_of(value: object) -> BaseException | None:
    """The exception that `exc_info=` or `error=` means: itself, the one being handled, or none."""
    if isinstance(value, BaseException):
        return value
    if isinstance(value, tuple):
        return value[1] if len(value) > 1 and isinstance(value[1], BaseException) else None
    return sys.exc_info()[1] if value else None


def describe(error: BaseException) -> tuple[str, str, list[str]]:
    """Type, message and our frames, innermost last; a group speaks by its leaves, a chain by every cause."""
    leaves = list(_leaves(error))[:_LEAVES]
    kind = type(leaves[0]).__name__ if leaves else type(error).__name__
    message = "; ".join(_chain_text(leaf) for leaf in leaves)
    frames = _frames(error.__traceback__)
    for leaf in leaves:
        if leaf is not error:
            frames += _frames(leaf.__traceback__)
    return kind, message, frames[-_FRAMES:]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _chain_text(error: BaseException) -> str:
    texts = [_message(error)]
    cause = error.__cause__
    while cause is not None and len(texts) < _CHAIN:
        texts.append(f"{type(cause).__name__}: {_message(cause)}")
        cause = cause.__cause__
    return ", caused by ".join(texts)


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception's bad __str__ must not hide that it happened
        return "(no text)"
    # SQLAlchemy appends the statement and its parameters, which are rows of mail data, and a link for programmers.
    return text.partition("\n[SQL: ")[0].partition("\n(Background on this error at: ")[0]


def _frames(traceback: TracebackType | None) -> list[str]:
    frames: list[str] = []
    last = ""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        last = f"{code.co_filename.removeprefix(_ROOT)}:{traceback.tb_lineno} in {code.co_name}"
        if _is_ours(code.co_filename):
            frames.append(last)
        traceback = traceback.tb_next
    return frames or [last] if last else []


def _is_ours(filename: str) -> bool:
    """The worker itself, wherever it is installed, and what is no library: playbooks."""
    if filename.startswith(_PACKAGE):
        return True
    return not (filename.startswith(_STDLIB) or any(part in filename for part in _LIBRARIES))
