"""Every test here listens to the worker's log; afterwards all is as before."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.simulation.disk import Disk
from worker.ops import logs


@pytest.fixture(autouse=True)
def _restore_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)
    logs.forget_cached()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A file for one history after another."""
    one = Disk(tmp_path / "worker.db")
    yield one
    one.engine.dispose()
