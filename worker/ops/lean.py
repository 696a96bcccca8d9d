"""structlog without rich, which only its own console renderer would use: 6 MB and 70 ms of every start."""

from __future__ import annotations

import sys

_modules: dict[str, object] = sys.modules  # type: ignore[assignment]  # None forbids an import, and typeshed it
_loaded = "rich" in _modules
if not _loaded:
    _modules["rich"] = None
import structlog  # noqa: E402

if not _loaded:
    del _modules["rich"]

__all__ = ["structlog"]
