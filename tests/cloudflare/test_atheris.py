"""The parser under a coverage-guided fuzzer, where there is one: `pip install atheris`, then `make soak`."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNS = os.environ.get("ATHERIS_RUNS", "200000")
SEEDS = [
    b'{"success":true,"result":[{"id":"a","subject":null,"to":["a@x"],"scanned_at":"2024-01-05T10:00:00Z"}]}',
    b'{"success":true,"result":[{"id":"a","id":"b"},{"id":"c","subject":":\\u0000"}],"result_info":{"next":"c"}}',
]


@pytest.mark.soak
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris is not installed (it has no wheel for every Python, so it is not locked): pip install atheris",
)
def test_soak_no_input_that_coverage_finds_breaks_a_law(tmp_path: Path) -> None:
    """ATHERIS_RUNS inputs, each chosen for the branches that the ones before it took."""
    for number, seed in enumerate(SEEDS):
        (tmp_path / str(number)).write_bytes(seed)
    command = [sys.executable, __file__, f"-atheris_runs={RUNS}", "-max_len=2000", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def fuzz() -> None:
    """What the process does that the test starts."""
    import atheris  # noqa: PLC0415 - only there where somebody installed it

    with atheris.instrument_imports(include=["worker.cloudflare"]):
        from tests.cloudflare.test_fuzz import LAWS  # noqa: PLC0415 - what is imported before is not instrumented

    def one(body: bytes) -> None:
        for law in LAWS:
            law(body)

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz()
