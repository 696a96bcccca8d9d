"""A fake Cloudflare Email Security tenant over real HTTP: deterministic, with faults on demand."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import SimulatorConfig, parse_mix
    from .faults import Fault, parse_fault
    from .serving import Simulator, serve, start_simulator

__all__ = ["Fault", "Simulator", "SimulatorConfig", "parse_fault", "parse_mix", "serve", "start_simulator"]

_HOMES = {"SimulatorConfig": "config", "parse_mix": "config", "Fault": "faults", "parse_fault": "faults"}


def __getattr__(name: str) -> Any:
    # `worker check` draws mail with `generate` alone: a server costs it more to import than the whole check.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'serving')}"), name)
