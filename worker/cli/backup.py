"""`worker backup` and `worker restore`: a whole copy of the ledger, and the way back that repeats nothing."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from worker import settings as settings_module
from worker.cli.common import database, person
from worker.cli.printing import Json, print_json, say
from worker.clock import SteadyClock
from worker.errors import Damaged, StoreError, UsageError
from worker.model.ledger import TimeMark
from worker.store.engine import sqlite_path
from worker.store.file import backups, files
from worker.store.file.lock import acquire
from worker.store.file.restoring import restore as restore_from
from worker.store.tools import Engine

MEGABYTE = 10**6


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes.")],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE where there is one.")] = False,
    json_: Json = False,
) -> None:
    """Writes a whole copy of the ledger to FILE, beside a running worker too, and reads the copy through.

    Exit code 1: the copy is written, but its audit log does not verify.
    """
    with database() as db:
        path = sqlite_path(db.settings.database_url)
        _refuse_target(file, path, force=force)
        partial = files.beside(file, ".partial")
        try:
            _copy(db.engine, partial, file)
            logs = backups.inspect(partial)
            _finish(partial, file, force=force)
        except OSError as error:
            raise UsageError(f"{file}: {error.strerror}; name a place that can be written") from error
        finally:
            with suppress(OSError):
                files.discard(partial)
    size = file.stat().st_size
    if json_:
        told = [one._asdict() for one in logs]
        print_json({"file": str(file), "bytes": size, "accounts": told})
    else:
        say(f"{file}: {size / MEGABYTE:.1f} MB, every page reads well")
        for one in logs:
            say(f"{one.account_id}: {one.records} audit records, {one.broken or 'intact'}")
    raise typer.Exit(1 if any(one.broken for one in logs) else 0)


def _copy(engine: Engine, partial: Path, file: Path) -> None:
    try:
        files.copy(engine, partial)
    except Damaged:
        raise
    except StoreError as error:
        told = str(error).lower()
        if "disk is full" not in told and "disk i/o" not in told:
            raise
        # The copy alone is written to: it is about its volume.
        raise UsageError(
            f"{file}: there is no room for the copy; free space there, or name another place"
        ) from error


def _refuse_target(file: Path, database_path: Path, *, force: bool) -> None:
    if file.is_dir() or not file.parent.is_dir():
        raise UsageError(f"{file}: is a folder or in none; name a file in a folder that exists")
    if not file.exists():
        return
    if not file.is_file():
        raise UsageError(f"{file}: is a device or a pipe, which a copy cannot replace; name a file")
    own = [files.beside(database_path, suffix) for suffix in ("", *files.COMPANIONS)]
    if any(one.exists() and file.samefile(one) for one in own):
        raise UsageError(f"{file}: is the database itself; name another file")
    if not force:
        raise UsageError(f"{file}: is there already; name another file, or add --force to replace it")


def _finish(partial: Path, file: Path, *, force: bool) -> None:
    """The name appears when the copy is whole, and replaces nothing that came meanwhile."""
    if not force:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    partial.replace(file)
    files.sync(file.parent.resolve())


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A copy that `worker backup` made.")],
    force: Annotated[
        bool, typer.Option("--force", help="Also from a copy whose audit log does not verify.")
    ] = False,
    json_: Json = False,
) -> None:
    """Puts a copy made by `worker backup` in the place of the database. The worker must be stopped.

    The replaced database is kept beside it. What the copy had not finished is looked at before it is sent.
    """
    settings = settings_module.load()
    path = sqlite_path(settings.database_url)
    if not file.is_file():
        raise UsageError(f"{file}: there is no such file; name one that `worker backup` made")
    lock = acquire(path)
    try:
        logs = _read_through(file)
        broken = next((one for one in logs if one.broken), None)
        if broken is not None and not force:
            raise StoreError(
                f"{file}: its audit log does not verify: {broken.broken}; take another backup, "
                "or add --force to restore this one as it is"
            )
        clock = SteadyClock()
        done = restore_from(
            file,
            path,
            settings.cloudflare_account_id,
            settings.worker_read_back_delay,
            TimeMark(clock.boot, clock.offset, clock.now()),
            person(),
        )
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; make its folder writable for this user") from error
    finally:
        lock.close()
    if json_:
        print_json({"database": str(path), **done})
    else:
        _tell(file, path, done)


def _read_through(file: Path) -> list[backups.Log]:
    try:
        return backups.inspect(file)
    except Damaged as error:
        why = str(error).partition(";")[0]
        raise StoreError(f"{file}: this copy is damaged ({why}); restore from another one") from error
    except StoreError as error:
        raise StoreError(f"{file}: cannot be read through: {error}") from error


def _tell(file: Path, path: Path, done: dict[str, Any]) -> None:
    say(f"{path}: restored from {file}")
    if done["kept"]:
        say(f"the replaced database is kept as {done['kept']}")
    for one in done["accounts"]:
        waiting = ", ".join(f"{count} {state}" for state, count in one["unfinished"].items()) or "nothing"
        say(f"{one['account_id']}: complete until {one['complete_until']}; unfinished: {waiting}")
        if one["paused"]:
            say(f"{one['account_id']}: paused, as the replaced database was")
    say("start the worker: it reads on from there, and looks at the vendor's records before it acts")
