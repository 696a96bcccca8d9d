from __future__ import annotations

from pathlib import Path

import pytest

from tests.playbooks.folder import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty rules folder."""
    return Folder(tmp_path)
