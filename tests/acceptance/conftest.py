from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance import forkserver as forkserver_module
from tests.acceptance.bench import TOKEN, Bench
from tests.acceptance.intruder import Intruder, open_intruder
from tests.acceptance.tenants import Tenant, open_tenant

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "WORKER_MODE": "enforce",
    "WORKER_HTTP_BIND": "",
    "WORKER_POLL_INTERVAL": "0.2",
    "WORKER_READ_BACK_DELAY": "0.3",
    "WORKER_DRAIN_TIMEOUT": "2",
    "WORKER_RULES_DIR": "rules",
}


MakeBench = Callable[[], Bench]


def environment() -> dict[str, str]:
    """What a process needs besides settings."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "USER": "tester"}


@pytest.fixture(scope="session")
def forkserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The path of the fork server's socket."""
    path = str(tmp_path_factory.mktemp("fork") / "s")
    with subprocess.Popen(
        [sys.executable, forkserver_module.__file__, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield path
        process.stdin.close()
        process.wait(10)


@pytest.fixture
async def make_bench(tmp_path: Path, forkserver: str) -> AsyncIterator[MakeBench]:
    """Sets up workers without a vendor; whatever they started is killed in the end."""
    made: list[Bench] = []

    def make() -> Bench:
        folder = tmp_path / str(len(made))
        (folder / "rules").mkdir(parents=True)
        bench = Bench(folder, forkserver, environment() | SETTINGS)
        bench.env["WORKER_DATABASE_URL"] = f"sqlite:///{bench.database}"
        made.append(bench)
        return bench

    yield make
    for bench in made:
        await bench.close()


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    """A worker without a vendor."""
    return make_bench()


@pytest.fixture
async def tenant(request: pytest.FixtureRequest) -> AsyncIterator[Tenant]:
    """An empty simulated tenant, with what the module's TENANT says of it."""
    async with open_tenant(**getattr(request.module, "TENANT", {})) as tenant:
        yield tenant


@pytest.fixture
def worker(request: pytest.FixtureRequest, bench: Bench, tenant: Tenant) -> Bench:
    """A worker connected to the tenant, with what the module's WORKER says of its environment."""
    connect(bench, tenant)
    bench.env |= getattr(request.module, "WORKER", {})
    return bench


def connect(bench: Bench, tenant: Tenant) -> None:
    """Gives the worker the tenant's address and token."""
    bench.env |= {
        "CLOUDFLARE_BASE_URL": tenant.base_url,
        "CLOUDFLARE_ACCOUNT_ID": tenant.account_id,
        "CLOUDFLARE_API_TOKEN": TOKEN,
    }


@pytest.fixture
async def intruder(bench: Bench, tenant: Tenant) -> AsyncIterator[Intruder]:
    """A liar between the worker and the tenant."""
    connect(bench, tenant)
    async with open_intruder(tenant) as intruder:
        bench.env["CLOUDFLARE_BASE_URL"] = intruder.base_url
        yield intruder
