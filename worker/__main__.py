"""`worker` and `python -m worker`."""

from __future__ import annotations

import gc
import sys

from worker.process import signals, streams


def main() -> None:
    """Runs the command line; errors become one line on stderr and an exit code."""
    streams.settle()
    if runs := sys.argv[1:2] == ["run"]:
        signals.hold_back()
    # Collecting while modules load finds nothing and takes a third of the start.
    gc.disable()
    from worker.cli import EXIT_PROBLEM, fail, run_cli  # noqa: PLC0415

    gc.enable()
    code = run_cli()
    if (why := streams.let_go()) and (runs or not code):
        # Of `run` it is the log that nobody has kept, not the work that has failed.
        code = fail(why, code if runs else EXIT_PROBLEM)
    sys.exit(code)


if __name__ == "__main__":
    main()
