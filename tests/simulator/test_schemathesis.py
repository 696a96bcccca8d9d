"""schemathesis reads the vendor's description and asks the simulator whatever it allows, and much that it does not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.simulator import contract

CONFIG = Path(__file__).with_name("schemathesis.toml")
SEEDS, EXAMPLES = 3, 20
ROOT = "/accounts/{account_id}/email-security"
IDS = {
    "investigate_id": ("get", "200", "$response.body#/result/0/id"),
    "job_id": ("post", "201", "$response.body#/result/job_id"),
}
"""Which operation of the collection tells of an id, and where; else a POST does, as `id`."""
CREATED = ("post", "201", "$response.body#/result/id")


def linked() -> dict[str, Any]:
    """The description with what it does not say: whose answers hold the ids that other operations ask for.

    `links` are OpenAPI's own means for it; sequences of requests follow them.
    """
    document = deepcopy(contract.DOCUMENT)
    for path, methods in document["paths"].items():
        found = re.fullmatch(rf"({re.escape(ROOT)}/.*)/{{(\w+)}}(/.*)?", path)
        if found is None:
            continue
        every, name, _ = found.groups()
        method, status, expression = IDS.get(name, CREATED)
        links = document["paths"][every][method]["responses"][status].setdefault("links", {})
        for operation in methods.values():
            names = {"operationId": operation["operationId"], "parameters": {name: expression}}
            links[operation["operationId"]] = names
    return document


@contextmanager
def simulator() -> Iterator[tuple[str, list[str]]]:
    """A simulator of its own process: its base URL, and the ids of messages that it has."""
    command = [sys.executable, "-m", "worker.simulator", "--messages", "50", "--limit", "1000000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            ready = json.loads(process.stdout.readline())
            url = ready["base_url"] + ROOT.format(account_id=ready["account_id"]) + "/investigate"
            rows = httpx.get(url, headers={"Authorization": f"Bearer {ready['token']}"}).json()["result"]
            yield ready["base_url"], [row["id"] for row in rows]
        finally:
            process.terminate()


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_the_simulator_keeps_the_contract_whatever_is_asked(tmp_path: Path, seed: int) -> None:
    """No request of thousands, single or in sequence, gets an answer that the description does not allow."""
    pytest.importorskip("schemathesis", reason="comes with make soak")
    (tmp_path / "contract.json").write_text(json.dumps(linked()))
    shutil.copy(CONFIG, tmp_path)
    with simulator() as (base_url, names):
        (tmp_path / "messages.txt").write_text("\n".join(map(json.dumps, names)))
        command = [
            sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIG.name, "run", "contract.json",
            "--url", base_url, "--seed", str(seed), "--max-examples", str(EXAMPLES), "--continue-on-failure",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 70" in done.stdout, done.stdout
