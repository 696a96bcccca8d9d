"""For tests of playbooks: events by the fields that matter, and one decision as the worker would make it.

    from worker.testing import decide, detection

    def test_toner_goes_to_junk() -> None:
        (move,) = decide(junk_toner_offers, detection(subject="Toner!", final_disposition="SPAM"))
        assert move.target == "JunkEmail"

`worker.testing.plugin` offers the same to pytest as fixtures; where this package is installed, pytest loads it by itself.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worker.testing.deciding import decide
    from worker.testing.events import detection, report, submission

__all__ = ["decide", "detection", "report", "submission"]

pytest_plugins = ["worker.testing.plugin"]
_HOMES = {"decide": "deciding", "detection": "events", "report": "events", "submission": "events"}


def __getattr__(name: str) -> Any:
    # The plugin stands in every run of pytest in its environment: what tests do not ask for is not imported.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
