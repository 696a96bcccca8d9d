"""Structured logs: one line a call, JSON for machines or a readable form for people. No I/O at import.

Every line is flushed (those that end together, together): a killed worker loses none. The minus: a reader of a
pipe that stops reading stops the worker too, as with any program that writes to a pipe.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, Literal, Protocol, Self, TextIO, cast

from worker.ops.events import MESSAGES
from worker.ops.fields import Fields, encode
from worker.ops.lean import structlog
from worker.ops.text import safe
from worker.process import streams

Format = Literal["json", "console"]
Level = Literal["debug", "info", "warning", "error", "critical"]
_LEVELS: dict[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_COLOURS = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[1;31m"}
_PLAIN = "\x1b[0m"
_IN_FRONT = ("@timestamp", "log.level", "event.action")


class Logger(Protocol):
    """What modules call: the first argument is the event.action, a name from `worker.ops.events`."""

    def debug(self, action: str, /, **fields: object) -> None: ...
    def info(self, action: str, /, **fields: object) -> None: ...
    def warning(self, action: str, /, **fields: object) -> None: ...
    def error(self, action: str, /, **fields: object) -> None: ...
    def critical(self, action: str, /, **fields: object) -> None: ...
    def exception(self, action: str, /, **fields: object) -> None:
        """As `error`, with the exception that is being handled."""

    def each(
        self, level: str, action: str, rows: Iterable[Mapping[str, object]], /, **fields: object
    ) -> None:
        """A line for each row; `fields` are on every line. For the many that end at once: a third of the cost."""

    def bind(self, **fields: object) -> Self:
        """The same logger with these fields on every line."""
        ...


# Cached loggers keep the level that they were first used with; `configure` clears the caches of these.
_handed_out: weakref.WeakSet[Any] = weakref.WeakSet()


def get_logger() -> Logger:
    """A logger for module scope: it looks at the configuration when it is first used."""
    if not structlog.is_configured():
        # Commands print data on stdout; what they log before `configure` must not mix with it.
        _install("console", "warning", _Sink(None), Fields())
    logger = structlog.get_logger()
    _handed_out.add(logger)
    return cast("Logger", logger)


def configure(
    *,
    format: Format,  # noqa: A002 - the name that WORKER_LOG_FORMAT suggests
    level: Level,
    stream: TextIO | None = None,
    secrets: Iterable[str] = (),
    mail_text: bool = True,
) -> None:
    """Sends every log line, also those of libraries and warnings, to `stream` (default: stdout).

    `secrets` never appear in a line; `mail_text=False` also leaves out subjects and addresses.
    """
    # Where stdout was closed at the start, stderr gets what it would have got.
    own = None if streams.was_without_stdout() else sys.stdout
    sink = _Sink(stream if stream is not None else own)
    _install(format, level, sink, Fields(secrets, mail_text=mail_text))
    _route_libraries(level)


def add_secrets(secrets: Iterable[str]) -> None:
    """From now on these never appear either: a token that was put into its file while the worker runs."""
    _Installed.fields.add_secrets(secrets)


class _Installed:
    """What `configure` last put in place."""

    fields = Fields()


def _install(format_: Format, level: Level, sink: _Sink, fields: Fields) -> None:
    _Held.sink = sink
    _Installed.fields = fields
    readable = None if format_ == "json" else _console(coloured=sink.is_terminal())
    render = _Renderer(fields, readable)
    structlog.configure(
        processors=[render],
        wrapper_class=_direct(_LEVELS[level]),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=True,
    )
    forget_cached()


def forget_cached() -> None:
    """Makes every logger look at structlog's configuration again when it is next used."""
    for logger in list(_handed_out):
        vars(logger).pop("bind", None)


def _direct(level: int) -> type[Any]:
    """A structlog logger of this level without the loop over processors: a quarter of a line's cost."""
    base: Any = structlog.make_filtering_bound_logger(level)

    class Direct(base):  # type: ignore[misc]
        def _proxy_to_logger(self, method_name: str, event: str | None = None, **keywords: Any) -> None:
            keywords = {**self._context, **keywords, "event": event}
            self._logger.write(self._processors[0](self._logger, method_name, keywords))

        def each(
            self, level_name: Level, event: str, rows: Iterable[Mapping[str, object]], /, **keywords: object
        ) -> None:
            if _LEVELS[level_name] < level:
                return
            render: _Renderer = self._processors[0]
            keywords = {**self._context, **keywords, "event": event}
            with together():
                for line in render.each(level_name, keywords, rows):
                    self._logger.write(line)

    return Direct


class _Renderer:
    """Turns the keywords of a call into a line."""

    def __init__(self, fields: Fields, readable: Callable[[Mapping[str, object]], str] | None = None) -> None:
        self._fields = fields
        self._readable = readable

    def __call__(self, _logger: object, level: str, keywords: MutableMapping[str, Any]) -> str:
        return self._line(self._common(level, keywords))

    def each(
        self, level: str, keywords: MutableMapping[str, Any], rows: Iterable[Mapping[str, object]]
    ) -> Iterator[str]:
        """A line for each row of further keywords."""
        common = self._common(level, keywords)
        for row in rows:
            yield self._line({**common, **self._fields.named(row)})

    def _common(self, level: str, keywords: MutableMapping[str, Any]) -> dict[str, object]:
        action = keywords.pop("event", "")
        found = self._fields.of(level, action, keywords)
        if self._readable is None and "message" not in found:
            found["message"] = MESSAGES.get(action, action) if isinstance(action, str) else ""
        return found

    def _line(self, found: Mapping[str, object]) -> str:
        line = encode(found)
        if self._fields.leaks(line):
            found = self._fields.redact(found)
            line = encode(found)
        return self._readable(found) if self._readable else line


def _console(*, coloured: bool) -> Callable[[Mapping[str, object]], str]:
    def readable(found: Mapping[str, object]) -> str:
        line = _readable(found)
        colour = _COLOURS.get(str(found["log.level"]), "") if coloured else ""
        return f"{colour}{line}{_PLAIN}" if colour else line

    return readable


def _readable(fields: Mapping[str, object]) -> str:
    time, level, action = (safe(str(fields.get(name, ""))) for name in _IN_FRONT)
    parts = [time[11:], f"{level:<8}", action]
    below: list[str] = []
    for name, value in fields.items():
        if name == "error.stack_trace":
            below = [f"    {safe(frame)}" for frame in str(value).split("\n")]
        elif name not in _IN_FRONT:
            text = safe(value if isinstance(value, str) else json.dumps(value), 500)
            quoted = f'"{text}"' if " " in text or not text else text
            parts.append(f"{name.removeprefix('worker.')}={quoted}")
    return "\n".join([" ".join(parts), *below])


class _Sink:
    """Writes whole lines; a stream that cannot be written to never stops the worker."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        # Reentrant: the garbage collector may run a finalizer that logs while a line is being written.
        self._lock = threading.RLock()

    def is_terminal(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def write(self, line: str) -> None:
        self._try(lambda stream: _write(stream, line, flush=not _Held.batches))

    def flush(self) -> None:
        self._try(lambda stream: stream.flush())

    def _try(self, act: Callable[[TextIO], object]) -> None:
        stream = self._stream or sys.stderr
        with self._lock:
            try:
                act(stream)
            except BrokenPipeError:
                _point_to_nowhere(stream)
            except (OSError, ValueError):  # full disk; closed stream: the next line may fare better
                return


class _Held:
    """Batches under way, and the sink that their end flushes."""

    batches = 0
    sink: _Sink | None = None


@contextmanager
def together() -> Iterator[None]:
    """Lines logged inside share one flush: for the many that end at once. Must not be held over an `await`."""
    _Held.batches += 1
    try:
        yield
    finally:
        _Held.batches -= 1
        if not _Held.batches and _Held.sink is not None:
            _Held.sink.flush()


def _write(stream: TextIO, line: str, *, flush: bool) -> None:
    try:
        stream.write(line + "\n")
    except UnicodeEncodeError:  # the console format on a terminal without UTF-8
        stream.write(line.encode("ascii", "backslashreplace").decode("ascii") + "\n")
    if flush:
        stream.flush()


def _point_to_nowhere(stream: TextIO) -> None:
    """Nobody reads any more: else Python's flush at exit would fail too and turn exit code 0 into 120."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return


class _Libraries(logging.Handler):
    """Carries the standard library's log records into ours, so that no line has another shape."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - a library's wrong format string must not become an error of ours
            text = str(record.msg)
        method = _library.error if record.levelno >= logging.ERROR else _library.warning
        fields: dict[str, object] = {"library": record.name, "message": text}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        method("library.warning", **fields)


def _route_libraries(level: Level) -> None:
    root = logging.getLogger()
    root.handlers[:] = [_Libraries()]
    root.setLevel(max(logging.WARNING, _LEVELS[level]))
    warnings.showwarning = _show_warning


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if file is not None:
        file.write(warnings.formatwarning(message, category, filename, lineno, line))
        return
    _library.warning(
        "library.warning",
        library="warnings",
        message=str(message),
        error_type=category.__name__,
        file=f"{filename}:{lineno}",
    )


_library = get_logger()
