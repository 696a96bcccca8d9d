"""Git repositories of tests: made by a person who has told git nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def committed(folder: Path, *options: str) -> None:
    """Makes the folder a repository, with everything in it committed."""
    identity = ("-c", "user.name=ann", "-c", "user.email=ann@corp.example", "-c", "commit.gpgsign=false")
    git = shutil.which("git")
    assert git is not None
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "First", *options)):
        subprocess.run([git, "-C", folder, *command], check=True, capture_output=True)
