"""`worker` and `python -m worker`."""

from __future__ import annotations

import gc
import os
import sys

from worker import signals


def main() -> None:
    """Runs the command line; errors become one line on stderr and an exit code."""
    if sys.argv[1:2] == ["run"]:
        signals.hold_back()
    # Collecting while modules load finds nothing and takes a third of the start.
    gc.disable()
    from worker.cli import run_cli  # noqa: PLC0415

    gc.enable()
    code = run_cli()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader left early, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


if __name__ == "__main__":
    main()
