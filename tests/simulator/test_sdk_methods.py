"""Every method that the vendor's SDK has for Email Security, against the simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import get_type_hints

import httpx
import pytest
from cloudflare import AsyncCloudflare, DefaultAsyncHttpxClient
from cloudflare._resource import AsyncAPIResource
from cloudflare.resources.email_security import AsyncEmailSecurityResource

from tests.simulator import contract
from tests.simulator.api import Api, Clock
from tests.simulator.sdk_calls import CALLS, ENTRY_CALLS, World


def methods(kind: type[AsyncAPIResource], prefix: str = "") -> Iterator[str]:
    """The names of all methods below a resource of the SDK."""
    for name, member in vars(kind).items():
        if name.startswith(("_", "with_")):
            continue
        if not hasattr(member, "func"):
            yield prefix + name
        elif issubclass(below := get_type_hints(member.func)["return"], AsyncAPIResource):
            yield from methods(below, f"{prefix}{name}.")


METHODS = [*methods(AsyncEmailSecurityResource)]


@pytest.fixture
async def world(api: Api, clock: Clock) -> AsyncIterator[World]:
    """The official client; what it gets is held against the contract."""

    async def check(response: httpx.Response) -> None:
        await response.aread()
        path = response.request.url.path.removeprefix("/client/v4")
        contract.validate(
            response.request.method, path, response.status_code, response.headers, response.json()
        )

    client = DefaultAsyncHttpxClient(event_hooks={"response": [check]})
    async with AsyncCloudflare(
        api_token=api.simulator.token, base_url=api.simulator.base_url, max_retries=0, http_client=client
    ) as sdk:
        yield World(sdk, api, clock)


@pytest.mark.parametrize("name", METHODS)
async def test_every_method_of_the_sdk_works(world: World, name: str) -> None:
    """The SDK's own list of methods is walked: one that is new and has no call here fails."""
    if name in CALLS:
        await CALLS[name](world)
        return
    group, resource, operation = name.split(".")
    assert group == "settings"
    await ENTRY_CALLS[operation](world, resource)


def test_no_call_is_left_over() -> None:
    """What the SDK no longer has, or renamed, is no method any more."""
    known = set(METHODS)
    assert len(known) == 66
    assert known >= CALLS.keys()
    assert {name.rpartition(".")[2] for name in known - CALLS.keys()} == ENTRY_CALLS.keys()
