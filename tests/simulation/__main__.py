"""Replays the history of a seed: `python -m tests.simulation SEED`; `--count N` plays N on all processors instead."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import traceback
from pathlib import Path

from tests.simulation.disk import Disk
from tests.simulation.history import play
from tests.simulation.law import BrokenLawError
from tests.simulation.many import play_all
from tests.simulation.script import perform
from worker.ops import logs


def main() -> int:
    """Exit code 1 where a law is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    parser.add_argument("--script", help="the steps of a history, as a failing test prints them")
    parser.add_argument(
        "--count", type=int, help="so many histories, from this seed on; only their sum is shown"
    )
    parser.add_argument("--log", action="store_true", help="the worker's own log lines too")
    asked = parser.parse_args()
    if asked.count is not None:
        tally = play_all(asked.count, asked.seed)
        sys.stdout.write(f"{tally}\n")
        return 1 if tally.broken else 0
    return _replay(asked.seed, asked.script, log=asked.log)


def _replay(seed: int, script: str | None, *, log: bool) -> int:
    if log:
        logs.configure(format="console", level="debug")
    with tempfile.TemporaryDirectory() as folder:
        try:
            disk = Disk(Path(folder) / "worker.db")
            if script is not None:
                perform(json.loads(script), disk, _say, listen=not log)
            else:
                play(seed, disk, _say, listen=not log)
        except BrokenLawError as error:
            sys.stdout.write(f"BROKEN: {error}\n")
            return 1
        except Exception:  # noqa: BLE001 - a mistake of the simulation or an unforeseen one of the worker
            traceback.print_exc()
            return 1
    sys.stdout.write("every law holds\n")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
