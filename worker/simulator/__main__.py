"""`python -m worker.simulator`: every field of `SimulatorConfig` that has a help text, as a flag."""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, BooleanOptionalAction
from collections.abc import Sequence
from dataclasses import Field, fields
from typing import Any

from .config import SimulatorConfig
from .serving import serve


def parse_arguments(arguments: Sequence[str] | None = None) -> SimulatorConfig:
    """Reads a command line, by default the process's own."""
    parser = ArgumentParser(
        prog="python -m worker.simulator", description="Serves a fake Email Security tenant."
    )
    for setting in fields(SimulatorConfig):
        if "help" in setting.metadata:
            _add_flag(parser, setting)
    chosen = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    return SimulatorConfig(**chosen | {"faults": tuple(chosen.get("faults", ()))})


def _add_flag(parser: ArgumentParser, setting: Field[Any]) -> None:
    flag = setting.metadata.get("flag", f"--{setting.name.replace('_', '-')}")
    about = setting.metadata["help"].replace("%", "%%")
    if isinstance(setting.default, bool):
        parser.add_argument(flag, dest=setting.name, action=BooleanOptionalAction, help=about)
        return
    kind = setting.metadata.get("parse", type(setting.default))
    action = "append" if setting.name == "faults" else "store"
    metavar = flag.lstrip("-").upper()
    parser.add_argument(flag, dest=setting.name, metavar=metavar, type=kind, action=action, help=about)


if __name__ == "__main__":
    asyncio.run(serve(parse_arguments()))
