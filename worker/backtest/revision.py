"""A rules folder as a revision of its repository has it, in a folder of its own: nothing in the repository changes."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from worker.errors import UsageError

PATIENCE = 60.0
MOST_BYTES = 256 * 2**20


@contextmanager
def rules_at(directory: Path, revision: str) -> Iterator[tuple[Path, str]]:
    """The folder as it was, and the commit's id. UsageError where git has no such thing."""
    if not directory.is_dir():
        raise UsageError(f"--compare: {directory} is no folder; name the rules folder with --rules")
    named = _git(directory, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    commit = named.decode().strip()
    with TemporaryDirectory(prefix="worker-compare-") as temporary:
        folder = Path(temporary) / directory.resolve().name
        folder.mkdir()
        # Run in the folder, git packs this folder alone.
        packed = _git(directory, "archive", "--format=tar", commit)
        if len(packed) > MOST_BYTES:
            raise UsageError(f"--compare: {directory} has more than {MOST_BYTES} bytes at {revision}")
        _unpack(packed, folder)
        yield folder, commit


def _unpack(packed: bytes, folder: Path) -> None:
    """Plain files alone, and those where they belong."""
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            parts = PurePosixPath(member.name).parts
            if content is None or ".." in parts or PurePosixPath(member.name).is_absolute():
                continue
            file = folder.joinpath(*parts)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.read())


def _git(directory: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 - arguments of our own, and a revision that git takes for nothing else
            ("git", "-C", str(directory), *arguments),  # noqa: S607 - git where the person has it
            capture_output=True,
            check=False,
            timeout=PATIENCE,
        )
    except FileNotFoundError:
        raise UsageError("--compare: needs git, which is not installed") from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"--compare: git took more than {PATIENCE:.0f} s") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why = said[0] if said else "no such revision"
        raise UsageError(
            f"--compare: git does not have this folder so: {why}; name a revision in which {directory} is committed, "
            "as HEAD~1 or main"
        )
    return done.stdout
