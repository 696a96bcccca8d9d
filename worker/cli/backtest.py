"""`worker backtest`: what playbooks would have done to the mail of the past."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import to_builtins
from msgspec.structs import replace

from worker import settings as settings_module
from worker.cli.printing import Json, print_json, say
from worker.cli.replay import playbooks
from worker.errors import UsageError
from worker.model.actions import Mode

if TYPE_CHECKING:
    from worker.backtest.report import Report
    from worker.backtest.reporting import Backtest, Terms
    from worker.playbooks.loader import Catalogue


class JudgedAs(StrEnum):
    """Under which mode playbooks are judged."""

    ENFORCE = "enforce"
    DECLARED = "declared"


def backtest(
    since: Annotated[
        str | None,
        typer.Option(
            help="From when on, as 7d, 12h or 2026-11-01T08:00Z. [default: 7d; all of it of store and file]"
        ),
    ] = None,
    until: Annotated[str | None, typer.Option(help="Until when; default now.")] = None,
    from_: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="vendor|store|FILE",
            help="The vendor's history, the worker's own event store, or a file of saved events (JSON Lines).",
        ),
    ] = "vendor",
    rules: Annotated[Path | None, typer.Option(help="Rules folder; default WORKER_RULES_DIR.")] = None,
    playbook: Annotated[list[str] | None, typer.Option(help="Only this playbook; repeatable.")] = None,
    as_: Annotated[
        JudgedAs,
        typer.Option(
            "--as",
            help="Judge each as if it might act (enforce), or under the mode that it declares (declared).",
        ),
    ] = JudgedAs.ENFORCE,
    compare: Annotated[
        str | None,
        typer.Option(
            metavar="GIT_REV",
            help="Also decide with the folder as this revision has it, and show what differs.",
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write one self-contained page to this file.")] = None,
    rows: Annotated[
        int,
        typer.Option(
            min=1, help="Actions that page and JSON list, the latest of each playbook; all are counted."
        ),
    ] = 2000,
    action_logs: Annotated[
        int,
        typer.Option(
            min=0, help="From the vendor: how many messages' action logs to ask for, one request each."
        ),
    ] = 500,
    fetch: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="From the vendor: messages for which one playbook gets what it `needs`, in all; "
            "default WORKER_ENRICH_PER_POLL.",
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Decides the mail of the past in shadow and shows what would have been done; sends no mutating request.

    Polls are played at WORKER_POLL_INTERVAL, with the caps and conflicts that the worker would have met. Only the
    vendor's history needs a token; it is read on what a running worker leaves of the request budget. Exit code 1: not
    all of it could be read, or a playbook file cannot be loaded.
    """
    from worker.backtest.reporting import Terms  # noqa: PLC0415
    from worker.cli.histories import Asked, feed, window  # noqa: PLC0415

    settings = settings_module.load()
    folder = rules or settings.worker_rules_dir
    span = window(since, until, from_)
    asked = Asked(action_logs, settings.worker_enrich_per_poll if fetch is None else fetch)
    terms = Terms(replace(settings.ceilings, mode=Mode.ENFORCE), settings.worker_poll_interval, as_, rows)
    began = time.monotonic()
    with ExitStack() as stack:
        catalogue = _chosen(stack.enter_context(playbooks(folder)), playbook, folder)
        run = stack.enter_context(_prepared(catalogue, folder, terms, compare, playbook))
        fed = feed(run, settings, catalogue, from_, span, asked)
        report = run.report(
            from_, str(folder), time.monotonic() - began, stopped=fed.stopped, notes=fed.notes
        )
    if html is not None:
        _write(html, report)
    if json_:
        print_json(to_builtins(report))
    else:
        from worker.cli.backtested import tell  # noqa: PLC0415

        tell(report)
        if html is not None:
            say(f"page: {html}")
    raise typer.Exit(1 if report.span.stopped or report.problems else 0)


def _chosen(catalogue: Catalogue, named: list[str] | None, folder: Path) -> Catalogue:
    """The named playbooks alone."""
    from worker.playbooks.loader import catalogue_of  # noqa: PLC0415
    from worker.playbooks.problems import nearest  # noqa: PLC0415

    known = {one.id: one for one in catalogue.playbooks}
    for name in named or ():
        if name not in known:
            raise UsageError(f"--playbook: {folder} has no {name!r}{nearest(name, known)}")
    if not known:
        why = f": {catalogue.problems[0]}" if catalogue.problems else ""
        raise UsageError(f"WORKER_RULES_DIR: no playbook could be loaded from {folder}{why}")
    return catalogue_of(catalogue, [known[name] for name in dict.fromkeys(named)]) if named else catalogue


@contextmanager
def _prepared(
    catalogue: Catalogue, folder: Path, terms: Terms, compare: str | None, named: list[str] | None
) -> Iterator[Backtest]:
    from worker.backtest.reporting import Backtest, Other  # noqa: PLC0415
    from worker.backtest.revision import rules_at  # noqa: PLC0415
    from worker.playbooks.loader import catalogue_of  # noqa: PLC0415

    if compare is None:
        yield Backtest(catalogue, terms)
        return
    with rules_at(folder, compare) as (then, commit), playbooks(then) as found:
        before = catalogue_of(found, [one for one in found.playbooks if not named or one.id in named])
        yield Backtest(catalogue, terms, Other(before, compare, commit))


def _write(file: Path, report: Report) -> None:
    from worker.backtest.page import page  # noqa: PLC0415

    try:
        # It shows mail: nobody else's business.
        file.touch(mode=0o600)
        file.write_text(page(report), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--html: {file}: {error.strerror}; name a place that can be written") from None
