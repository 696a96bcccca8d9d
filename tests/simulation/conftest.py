"""Every test here listens to the worker's log; afterwards all is as before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.restoring import _restore_logging  # noqa: F401 - a fixture of this folder
from tests.simulation.disk import Disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A file for one history after another."""
    one = Disk(tmp_path / "worker.db")
    yield one
    one.engine.dispose()
