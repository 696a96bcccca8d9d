"""The commands: thin, each in its own module; what goes wrong becomes one line and an exit code.

0 done, 1 a problem was found or the work failed, 2 wrong settings or usage, 3 `run --once` left dead or unknown
actions.
"""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from typing import Annotated, NamedTuple

import typer

from worker.cli.arguments import give_plain
from worker.errors import StoreError, UsageError, WorkerError
from worker.ops.text import safe
from worker.process import streams

EXIT_PROBLEM, EXIT_USAGE = 1, 2
_DEBUG = "WORKER_LOG_LEVEL=debug shows where"


class _Command(NamedTuple):
    name: str
    place: str
    """Its module in this package and its name there; "app" there is a group of commands."""
    short_help: str | None = None


COMMANDS = (
    _Command("run", "run.run"),
    _Command("new", "new.new", "Writes a playbook to start from."),
    _Command("check", "check.check", "Loads playbooks, runs their examples, compares them."),
    _Command("backtest", "backtest.backtest", "What playbooks would have done to past mail."),
    _Command("replay", "again.replay", "Saved or stored events, decided again."),
    _Command("explain", "explain.explain", "Why a playbook acts on a message, or does not."),
    _Command("status", "status.status", "Sources, lag, budget, actions by state, pause."),
    _Command("actions", "actions.app"),
    _Command("campaigns", "campaigns.app"),
    _Command("undo", "undo.undo", "Plans to move messages back."),
    _Command("pause", "pause.pause", "The brake: no new mutating request."),
    _Command("resume", "pause.resume", "Lifts a pause."),
    _Command("promote", "ladder.promote", "Lets a playbook go one rung further."),
    _Command("demote", "ladder.demote", "Takes what it may do from a playbook, now."),
    _Command("audit", "audit.app"),
    _Command("settings", "tenant_settings.app", "The tenant's settings as code."),
    _Command("backup", "backup.backup", "A whole copy of the ledger, beside a running worker."),
    _Command("restore", "backup.restore", "Puts such a copy in the place of the database."),
    _Command("doctor", "doctor.doctor", "Token, permissions, clock, database, rules."),
    _Command("simulator", "simulate.simulator", "Serves a fake tenant on loopback."),
)
"""In the order of `worker --help`."""


def command_line(name: str | None = None) -> typer.Typer:
    """All commands; or, where `name` is one of them, that one, whose module alone is imported.

    What a command does not need costs a daemon memory for years, and every command a part of its start.
    """
    app = typer.Typer(
        name="worker",
        help="Automation worker for Cloudflare Email Security: poll, match, act, audit.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_root)
    for one in [one for one in COMMANDS if one.name == name] or COMMANDS:
        module, _, attribute = one.place.partition(".")
        found = getattr(import_module(f"worker.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=one.name, short_help=one.short_help)
        else:
            app.command(one.name, short_help=one.short_help)(found)
    give_plain(app)
    return app


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - a tenth of the start

    try:
        typer.echo(f"worker {version('email-security-worker')}")
    except PackageNotFoundError:
        typer.echo("worker, not installed: run from its source")
    raise typer.Exit


def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Automation worker for Cloudflare Email Security: poll, match, act, audit."""


def run_cli(arguments: list[str] | None = None) -> int:  # noqa: PLR0911 - one for each way to end
    """Runs one command and returns its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        result = command_line(given[0] if given else None)(args=given, standalone_mode=False)
    except typer.Exit as stop:
        return stop.exit_code
    except typer.Abort:
        return 130
    except UsageError as error:
        return fail(str(error), EXIT_USAGE)
    except StoreError as error:
        return fail(str(error), EXIT_PROBLEM)
    except WorkerError as error:
        return fail(f"{type(error).__name__}: {error}", EXIT_PROBLEM)
    except typer.TyperException as error:
        return _show(error)
    except BrokenPipeError:
        return 0
    except Exception as error:  # noqa: BLE001 - one line here too
        return _fault(error)
    return result if isinstance(result, int) else 0


def _fault(error: Exception) -> int:
    if why := streams.refusal():
        return fail(why, EXIT_PROBLEM)
    if os.environ.get("WORKER_LOG_LEVEL", "").lower() == "debug":
        traceback.print_exc()
    return fail(f"a fault of the worker itself: {type(error).__name__}: {error} ({_DEBUG})", EXIT_PROBLEM)


def _show(error: typer.TyperException) -> int:
    """Wrong arguments, in typer's own words."""
    show = getattr(error, "show", None)
    if show is not None:
        show()
    else:
        fail(str(error), EXIT_USAGE)
    return int(getattr(error, "exit_code", EXIT_USAGE))


def fail(message: str, code: int) -> int:
    """One line on stderr; the code."""
    sys.stderr.write(f"worker: {safe(message, 2000)}\n")
    return code
