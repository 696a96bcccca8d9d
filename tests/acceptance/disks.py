"""Real faults of a disk: a volume without room, a limit on file sizes, a file system that turned read-only."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_volume(folder: Path, *, megabytes: int = 8) -> Iterator[None]:
    """A file system of its own in memory; skips the test where none may be mounted."""
    with _mounted(folder, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs"):
        yield


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Not a byte of room is left on the folder's volume."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            for size in (2**16, 2**12, 1):
                with suppress(OSError):
                    file.write(b"\0" * size)
                    break
            else:
                break
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def no_file_may_grow(pid: int, database: Path) -> Iterator[None]:
    """The process's writes behind the end of its log fail, as they do over a quota."""
    size = database.with_name(database.name + "-wal").stat().st_size
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


@contextmanager
def disk(image: Path, folder: Path) -> Iterator[None]:
    """A real file system on a file, which is made at its first use; skips the test where that is not possible."""
    if not image.exists():
        with image.open("wb") as file:
            file.truncate(32 * 2**20)
        if not _run("mkfs.ext4", "-q", str(image)):
            pytest.skip("mkfs.ext4 is not there")
    with _mounted(folder, "-o", "loop", str(image)):
        yield


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The folder is mounted read-only; skips the test where nothing may be mounted."""
    with _mounted(folder, "--bind", str(folder)):
        assert _run("mount", "-o", "remount,bind,ro", str(folder))
        yield


def turn_read_only(folder: Path) -> None:
    """What the kernel does when a disk fails: the file system takes no write any more, open files included."""
    assert _run("mount", "-o", "remount,abort", str(folder))


@contextmanager
def _mounted(folder: Path, *what: str) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0 or not _run("mount", *what, str(folder)):
        pytest.skip("nothing may be mounted here")
    try:
        yield
    finally:
        _run("umount", "-l", str(folder))


def _run(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
