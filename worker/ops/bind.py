"""Where health and metrics are served: `host:port`, checked before anything heavy loads."""

from __future__ import annotations

import re

from worker.errors import UsageError

_BIND = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[\w.-]*)):(?P<port>\d{1,5})", re.ASCII)
_MAX_PORT = 65535
ELSEWHERE = "free the port, choose another, or leave it empty to switch health and metrics off"
EXAMPLE = "for example WORKER_HTTP_BIND=127.0.0.1:8080, or leave it empty to switch health and metrics off"


def parse_bind(bind: str) -> tuple[str | None, int]:
    """Host and port of `host:port`, `[::1]:port` or `:port`; a host of None means every address."""
    match = _BIND.fullmatch(bind)
    if match is None or int(match["port"]) > _MAX_PORT:
        raise UsageError(f"WORKER_HTTP_BIND: expected host:port, got {bind[:100]!r}; {EXAMPLE}")
    return match["ipv6"] or match["host"] or None, int(match["port"])
