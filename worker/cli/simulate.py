"""`worker simulator`: the fake tenant, for authors and tests."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from worker.errors import UsageError


def simulator(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 for a free one.")] = 0,
    messages: Annotated[int, typer.Option(min=0, help="Messages that are waiting at the start.")] = 2000,
    seed: Annotated[int, typer.Option(help="Same seed, same tenant.")] = 1,
    rate: Annotated[float, typer.Option(min=0, help="New messages a second.")] = 0.0,
    scenes: Annotated[
        bool, typer.Option("--scenes", help="Beside it mail for each playbook that ships.")
    ] = False,
    latency: Annotated[float, typer.Option(min=0, help="Seconds added to every answer.")] = 0.0,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="CLASS:KIND[:key=value,...], as in move:drop:after=true; repeatable."),
    ] = None,
) -> None:
    """Serves a fake tenant; prints one JSON line with base_url, account_id and token when it is ready.

    `python -m worker.simulator --help` has every flag of it.
    """
    from worker.simulator import SimulatorConfig, parse_fault, serve  # noqa: PLC0415

    try:
        faults = tuple(parse_fault(text) for text in fault or ())
    except ValueError as error:
        raise UsageError(f"--fault: {error}") from None
    config = SimulatorConfig(
        port=port, messages=messages, seed=seed, rate=rate, scenes=scenes, latency=latency, faults=faults
    )
    try:
        asyncio.run(serve(config))
    except OSError as error:
        raise UsageError(f"--port: {port}: {error.strerror}; choose another or 0 for a free one") from None
