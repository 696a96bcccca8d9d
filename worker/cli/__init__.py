"""The commands: thin, each in its own module; what goes wrong becomes one line and an exit code.

0 done, 1 a problem was found or the work failed, 2 wrong settings or usage, 3 `run --once` left dead or unknown
actions.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from worker.cli import (
    actions,
    again,
    audit,
    backtest,
    backup,
    campaigns,
    check,
    doctor,
    explain,
    ladder,
    new,
    pause,
    run,
    simulate,
    status,
    tenant_settings,
    undo,
)
from worker.errors import StoreError, UsageError, WorkerError
from worker.ops.text import safe

EXIT_PROBLEM, EXIT_USAGE = 1, 2

app = typer.Typer(
    name="worker",
    help="Automation worker for Cloudflare Email Security: poll, match, act, audit.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run")(run.run)
app.command("new", short_help="Writes a playbook to start from.")(new.new)
app.command("check", short_help="Loads playbooks, runs their examples, compares them.")(check.check)
app.command("backtest", short_help="What playbooks would have done to past mail.")(backtest.backtest)
app.command("replay", short_help="Saved or stored events, decided again.")(again.replay)
app.command("explain", short_help="Why a playbook acts on a message, or does not.")(explain.explain)
app.command("status", short_help="Sources, lag, budget, actions by state, pause.")(status.status)
app.add_typer(actions.app, name="actions")
app.add_typer(campaigns.app, name="campaigns")
app.command("undo", short_help="Plans to move messages back.")(undo.undo)
app.command("pause", short_help="The brake: no new mutating request.")(pause.pause)
app.command("resume")(pause.resume)
app.command("promote", short_help="Lets a playbook go one rung further.")(ladder.promote)
app.command("demote", short_help="Takes what it may do from a playbook, now.")(ladder.demote)
app.add_typer(audit.app, name="audit")
app.add_typer(tenant_settings.app, name="settings")
app.command("backup", short_help="A whole copy of the ledger, beside a running worker.")(backup.backup)
app.command("restore", short_help="Puts such a copy in the place of the database.")(backup.restore)
app.command("doctor", short_help="Token, permissions, clock, database, rules.")(doctor.doctor)
app.command("simulator", short_help="Serves a fake tenant on loopback.")(simulate.simulator)


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    try:
        typer.echo(f"worker {version('email-security-worker')}")
    except PackageNotFoundError:
        typer.echo("worker, not installed: run from its source")
    raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Automation worker for Cloudflare Email Security: poll, match, act, audit."""


def run_cli(arguments: list[str] | None = None) -> int:  # noqa: PLR0911 - one for each way to end
    """Runs one command and returns its exit code."""
    try:
        result = app(args=arguments, standalone_mode=False)
    except typer.Exit as stop:
        return stop.exit_code
    except typer.Abort:
        return 130
    except UsageError as error:
        return _fail(str(error), EXIT_USAGE)
    except StoreError as error:
        return _fail(str(error), EXIT_PROBLEM)
    except WorkerError as error:
        return _fail(f"{type(error).__name__}: {error}", EXIT_PROBLEM)
    except typer.TyperException as error:
        return _show(error)
    except BrokenPipeError:
        return 0
    return result if isinstance(result, int) else 0


def _show(error: typer.TyperException) -> int:
    """Wrong arguments, in typer's own words."""
    show = getattr(error, "show", None)
    if show is not None:
        show()
    else:
        _fail(str(error), EXIT_USAGE)
    return int(getattr(error, "exit_code", EXIT_USAGE))


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"worker: {safe(message, 2000)}\n")
    return code
