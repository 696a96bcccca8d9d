from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE

import pytest
from aiohttp import ClientSession

from worker.simulator import Fault, SimulatorConfig
from worker.simulator.__main__ import parse_arguments


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_process_says_where_it_is_and_stops_on_a_signal(number: signal.Signals) -> None:
    """One JSON line when ready, answers, and exit code 0 without another word."""
    command = [sys.executable, "-m", "worker.simulator", "--messages", "5", "--token", "abc"]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())
    assert ready.keys() == {"base_url", "account_id", "token"}
    headers = {"Authorization": f"Bearer {ready['token']}"}
    async with ClientSession(headers=headers) as session:
        url = f"{ready['base_url']}/accounts/{ready['account_id']}/email-security/investigate"
        async with session.get(url, params={"detections_only": "false"}) as response:
            assert len((await response.json())["result"]) == 5
    process.send_signal(number)
    assert await process.communicate() == (b"", b"")
    assert process.returncode == 0


def test_flags_are_the_fields() -> None:
    """Nothing given is the default configuration; each kind of flag reaches its field."""
    assert parse_arguments([]) == SimulatorConfig()
    numbers = ["--seed", "3", "--reports", "0", "--verdict-delay", "5"]
    faults = ["--fault", "list:500", "--fault", "move:drop"]
    chosen = parse_arguments([*numbers, *faults, "--no-deprecated", "--mix", "SPAM=100"])
    assert (chosen.seed, chosen.reports, chosen.deprecated, chosen.verdict_delay) == (3, 0, False, 5.0)
    assert chosen.mix == {"SPAM": 100.0, "NONE": 0.0}
    assert chosen.faults == (Fault(on="list", kind="500"), Fault(on="move", kind="drop"))


def test_wrong_flag_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """A value that cannot be read names its flag."""
    with pytest.raises(SystemExit) as caught:
        parse_arguments(["--fault", "list:boom"])
    assert caught.value.code == 2
    assert "--fault" in capsys.readouterr().err
