"""A fake Cloudflare Email Security tenant over real HTTP: deterministic, with faults on demand."""

from .config import SimulatorConfig, parse_mix
from .faults import Fault, parse_fault
from .serve import Simulator, serve, start_simulator

__all__ = ["Fault", "Simulator", "SimulatorConfig", "parse_fault", "parse_mix", "serve", "start_simulator"]
