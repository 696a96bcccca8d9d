"""`make demo`: the worker against a simulated tenant, from an empty ledger to a summary, in a quarter of a minute.

Exit code 0 means that everything was as it should be: the worker drained at SIGTERM, the ledger and the tenant
agree on what was done, nothing was done twice, and the audit log is intact.
"""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from .demo_run import RULES, START_SECONDS, DemoError, Tenant, Worker, simulator, worker
from .demo_summary import Summary, summarise

LOOK_SECONDS, SAY_SECONDS = 0.2, 2.0
EXIT_WRONG, EXIT_INTERRUPTED = 1, 130


def main() -> int:
    """Runs the demo; its exit code."""
    options = _options()
    signal.signal(signal.SIGTERM, _interrupted)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    folder = Path(tempfile.mkdtemp(prefix="worker-demo-"))
    try:
        summary = _run(options, folder, console)
    except DemoError as error:
        console.print(f"The demo failed: {error}", style="red")
        return EXIT_WRONG
    except KeyboardInterrupt:
        console.print("The demo was interrupted.")
        return EXIT_INTERRUPTED
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    _print_summary(console, summary)
    _print_next(console, folder if options.keep else None)
    return 0


def _options() -> Namespace:
    parser = ArgumentParser(prog="make demo", description="Shows the worker at work on a simulated tenant.")
    parser.add_argument("--messages", type=int, default=2000, help="messages that wait at the start")
    parser.add_argument("--rate", type=float, default=40.0, help="new messages a second")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long to watch once the worker acts")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same mail")
    parser.add_argument("--rules", type=Path, default=RULES, help="folder of playbooks")
    parser.add_argument("--keep", action="store_true", help="keep the ledger and the log, and say where")
    return parser.parse_args()


def _interrupted(_number: int, _frame: object) -> NoReturn:
    # Once is enough: a second signal must not cut off the stopping of what was started.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _run(options: Namespace, folder: Path, console: Console) -> Summary:
    rules: Path = options.rules.resolve()
    if not rules.is_dir():
        raise DemoError(f"there is no folder {rules}; name yours with --rules")
    settings = {
        "WORKER_MODE": "enforce",
        "WORKER_RULES_DIR": str(rules),
        "WORKER_DATABASE_URL": f"sqlite:///{folder}/worker.db",
        "WORKER_POLL_INTERVAL": "1",
        "WORKER_HTTP_BIND": "",
    }
    flags = (f"--messages={options.messages}", f"--rate={options.rate}", f"--seed={options.seed}", "--scenes")
    with simulator(*flags) as tenant:
        console.print(
            f"A simulated tenant with {options.messages} waiting messages and {options.rate:g} new ones a second;"
            f"\nthe worker in enforce mode with the playbooks of {_near(rules)}/, polling every second."
        )
        with worker(folder, tenant.environment | settings) as running:
            _watch(tenant, running, options.seconds, console)
            running.stop()
            console.print("Told to stop (SIGTERM), the worker finished what was in flight and exited 0.")
            return summarise(tenant, running, rules)


def _watch(tenant: Tenant, running: Worker, seconds: float, console: Console) -> None:
    """Shows what happens until `seconds` after the first effect."""
    began = time.monotonic()
    acting: float | None = None
    with _progress(console, seconds) as show:
        while acting is None or time.monotonic() - acting < seconds:
            time.sleep(LOOK_SECONDS)
            if running.process.poll() is not None:
                running.stop()
            effects = len(tenant.effects())
            if effects and acting is None:
                acting = time.monotonic()
            if acting is None and time.monotonic() - began > START_SECONDS:
                raise DemoError(f"the worker did nothing for {START_SECONDS:.0f} s; {running.last_words()}")
            show(0.0 if acting is None else time.monotonic() - acting, effects, len(tenant.requests()))


class _Show:
    """Progress: a live line on a terminal, else a plain line every other second."""

    def __init__(self, console: Console, bar: Progress | None, seconds: float) -> None:
        self._console = console
        self._bar = bar
        self._task = bar.add_task("starting", total=seconds) if bar else None
        self._began = self._said = time.monotonic()

    def __call__(self, done: float, effects: int, requests: int) -> None:
        """Tells where the demo stands."""
        text = f"{effects} actions taken with {requests} requests" if requests else "the worker starts"
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, description=text)
        elif time.monotonic() - self._said >= SAY_SECONDS:
            self._said = time.monotonic()
            self._console.print(f"  {self._said - self._began:4.1f} s  {text}")


@contextmanager
def _progress(console: Console, seconds: float) -> Iterator[_Show]:
    if not console.is_terminal:
        yield _Show(console, None, seconds)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        yield _Show(console, bar, seconds)


def _print_summary(console: Console, summary: Summary) -> None:
    width = max(len(line.playbook) for line in summary.lines)
    console.print(f"\n{'playbook':<{width}}  matched  acted  held", style="bold")
    for line in summary.lines:
        other = f"  {line.other}" if line.other else ""
        console.print(f"{line.playbook:<{width}}  {line.matched:>7}  {line.acted:>5}  {line.held:>4}{other}")
    total = [sum(getattr(line, name) for line in summary.lines) for name in ("matched", "acted", "held")]
    console.print(f"{'in all':<{width}}  {total[0]:>7}  {total[1]:>5}  {total[2]:>4}\n", style="bold")
    console.print(
        f"requests  {summary.used} of the budget of {summary.limit} in 300 s; the tenant counted {summary.seen}"
        + (" (the end came before the others were sent)" if summary.used > summary.seen else "")
    )
    if summary.backlog is not None:
        console.print(f"backlog   the last action {summary.backlog:.1f} s after the worker's first request")
    if len(summary.latencies) > 1:
        console.print(
            f"latency   visible to effect, {len(summary.latencies)} actions on new mail: "
            f"p50 {summary.latency(50):.2f} s, p99 {summary.latency(99):.2f} s (polled every second)"
        )
    console.print(
        f"audit     {summary.records} records, intact; every action happened once, as the ledger says"
    )
    if total[2]:
        console.print(f"held      {total[2]} actions wait until a person approves them")


def _print_next(console: Console, kept: Path | None) -> None:
    program = Path(sys.executable).with_name("worker")
    name = _near(program) if program.exists() else "python -m worker"
    console.print("\nNext:", style="bold")
    if kept is not None:
        console.print(f"  export WORKER_DATABASE_URL=sqlite:///{kept}/worker.db")
        hints = {
            f"{name} actions list --state held": "what waits, and why",
            f"{name} audit show --limit 20": "what happened last",
        }
    else:
        hints = {"make demo ARGS=--keep": "the same, and keeps the ledger to look into"}
    hints |= {
        f"{name} check": "the playbooks in rules/ and their examples",
        f"{name} simulator": "the tenant alone, to try your own playbooks on",
        "docs/authors/tutorial.md": "from nothing to a playbook that acts",
    }
    width = max(map(len, hints))
    for command, about in hints.items():
        console.print(f"  {command:<{width}}  {about}")


def _near(path: Path) -> str:
    """The path as one would type it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    sys.exit(main())
