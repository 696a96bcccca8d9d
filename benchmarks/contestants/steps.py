"""The worker, command after command, as a person uses it: what it wants is approved, or taken back.

steps.py DATABASE (which the environment names too) STEP ...

A step is `once`, `approve` (all that is held) or `undo` (all that was done).
"""

from __future__ import annotations

import json
import subprocess
import sys

AT_ONCE = 500
"""Ids on one command line."""


def main(steps: list[str]) -> None:
    """Each step after the one before has ended well."""
    for step in steps:
        if step == "once":
            _worker("run", "--once")
        else:
            state = "held" if step == "approve" else "succeeded"
            ids = [one["id"] for one in json.loads(_worker("actions", "list", "--state", state, "--json"))]
            command = ("actions", "approve") if step == "approve" else ("undo",)
            for start in range(0, len(ids), AT_ONCE):
                _worker(*command, *ids[start : start + AT_ONCE])


def _worker(*arguments: str) -> str:
    """A command's output; its end is ours where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "worker", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(
            f"worker {arguments[0]} ended with {done.returncode}:\n{done.stderr[-2000:] or done.stdout[-2000:]}"
        )
    return done.stdout


if __name__ == "__main__":
    main(sys.argv[2:])
