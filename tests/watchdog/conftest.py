from __future__ import annotations

from pathlib import Path

import pytest

from tests.playbooks.folder import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty rules folder."""
    return Folder(tmp_path)


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """The folder of what one process leaves to the next."""
    return tmp_path / "left"
