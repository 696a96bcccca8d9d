"""`worker settings`: the tenant's settings as code. What it needs is loaded when one of its commands runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from worker import settings as settings_module
from worker.cli.common import database
from worker.cli.printing import Json, say
from worker.errors import StoreError, UsageError, VendorError
from worker.store.engine import sqlite_path

if TYPE_CHECKING:
    from worker.cloudflare import Cloudflare

T = TypeVar("T")
TROUBLE = 2

app = typer.Typer(
    help="The tenant's settings as code: a file, its difference to the tenant, its plan carried out.",
    no_args_is_help=True,
)

DeleteMade = Annotated[
    list[str] | None,
    typer.Option(
        "--delete-made", help="Also delete this entry, by its id, that the worker has made; repeatable."
    ),
]
File = Annotated[Path, typer.Argument(metavar="FILE", help="The settings file, YAML.")]


@app.command("export", short_help="Writes the tenant's settings as such a file.")
def export(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="Where it goes; - for stdout.")] = Path("-"),
    section: Annotated[
        list[str] | None, typer.Option(help="Only this section, such as block_senders; repeatable.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE where there is one.")] = False,
) -> None:
    """Writes the tenant's settings as a file of which `worker settings diff` says that nothing differs.

    What the worker itself has made, and people whom a directory brings, are comments in it: these come and go alone.
    """
    from worker.declared.export import export as written  # noqa: PLC0415
    from worker.declared.sections import SECTIONS  # noqa: PLC0415
    from worker.declared.tenant import read  # noqa: PLC0415

    names = list(dict.fromkeys(section or SECTIONS))
    for name in names:
        if name not in SECTIONS:
            raise UsageError(f"--section: {name!r} is none; use one of {', '.join(SECTIONS)}")
    to_stdout = str(file) == "-"
    if not to_stdout and file.exists() and not force:
        raise UsageError(f"{file}: is there already; name another file, or add --force to replace it")
    text = written(_reading(lambda cloudflare: read(cloudflare, names)))
    if to_stdout:
        sys.stdout.write(text)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}; name a place that can be written") from error


@app.command("diff", short_help="Shows what `apply` would change.")
def diff(file: File, delete_made: DeleteMade = None, json_: Json = False) -> None:
    """Shows what would have to change for the tenant to be as FILE says, and changes nothing.

    Exit code 0: nothing differs. 1: something does. 2: the file is wrong, or the tenant could not be read.
    """
    from worker.cli.plans import as_json, print_plan  # noqa: PLC0415
    from worker.declared.comparing import Comparer  # noqa: PLC0415
    from worker.declared.document import load  # noqa: PLC0415
    from worker.declared.entries import Unusable  # noqa: PLC0415

    try:
        comparer = Comparer(load(file), delete_made or (), settings_module.load().ceilings.protected)
        plan = _reading(comparer.plan)
    except Unusable as error:
        raise _unusable(error) from None
    except (VendorError, StoreError) as error:
        say(f"worker: {type(error).__name__}: {error}", sys.stderr)
        raise typer.Exit(TROUBLE) from error
    if json_:
        as_json(plan)
    else:
        print_plan(plan, str(file))
    raise typer.Exit(1 if plan.changes else 0)


@app.command("apply", short_help="Shows that plan, and carries it out.")
def apply(
    file: File,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needed where nobody can be asked.")] = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete what a `complete` section of FILE does not have.")
    ] = False,
    delete_made: DeleteMade = None,
    json_: Json = False,
) -> None:
    """Makes the tenant as FILE says: shows the plan, asks, looks again, and sends as few requests as the API allows.

    A section that FILE does not name is left alone, and nothing is deleted unless FILE lists its section as `complete`
    and --delete is given. Each request is in the audit log before it is sent; `worker pause` stops this too.
    """
    from worker.cli.applying import carry_out  # noqa: PLC0415
    from worker.declared.comparing import Comparer  # noqa: PLC0415
    from worker.declared.document import load  # noqa: PLC0415
    from worker.declared.entries import Unusable  # noqa: PLC0415
    from worker.store.file.lock import acquire_settings  # noqa: PLC0415

    try:
        document = load(file)
        with database(create=True) as db:
            lock = acquire_settings(sqlite_path(db.settings.database_url))
            try:
                comparer = Comparer(document, delete_made or (), db.settings.ceilings.protected)
                done = asyncio.run(carry_out(db, document, comparer, yes=yes, delete=delete, as_json=json_))
            finally:
                lock.close()
    except Unusable as error:
        raise _unusable(error) from None
    raise typer.Exit(0 if done else 1)


def _unusable(error: Exception) -> typer.Exit:
    """Every line that is wrong, each on a line of its own."""
    for line in getattr(error, "lines", [str(error)]):
        say(line, sys.stderr)
    return typer.Exit(TROUBLE)


def _reading(ask: Callable[[Cloudflare], Awaitable[T]]) -> T:
    """Reads the tenant, on the budget of the worker where there is one."""
    from worker.cli.vendor import alone, sharing  # noqa: PLC0415

    settings = settings_module.load()

    async def shared() -> T:
        with database() as db:
            async with sharing(db) as vendor:
                return await ask(vendor.cloudflare)

    async def without() -> T:
        async with alone(settings) as cloudflare:
            return await ask(cloudflare)

    has_ledger = sqlite_path(settings.database_url).exists()
    return asyncio.run(shared() if has_ledger else without())
