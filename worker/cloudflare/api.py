"""The API as the worker sees it: one attribute for each resource, one method for each operation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self

from worker.cloudflare.actions import ReleaseBody
from worker.cloudflare.investigate import Investigate
from worker.cloudflare.phishguard import PhishGuard
from worker.cloudflare.session import Connect, make_session
from worker.cloudflare.sparing import TellLeftOut, tell_nobody
from worker.cloudflare.submissions import Submissions
from worker.cloudflare.tokens import Tokens
from worker.cloudflare.transport import MAX_BYTES, Transport
from worker.ports import Gate

if TYPE_CHECKING:
    from worker.cloudflare.settings import TenantSettings


class Cloudflare:
    """The client. `async with Cloudflare(...)`, or `open()` and `close()`; building it does no I/O.

    One shape for all of it: ids come first, filters of lists are keywords, what is created or changed is a struct, and
    `lane` says who pays. A read waits until its lane may send, and so does a write that names one (a person's command); a
    write with `lane=CLAIMED` is sent at once, because its claim has taken the request from the budget. A list is a page
    when it is awaited, and all of its rows when it is iterated. Every method raises the errors of `worker.errors`;
    nothing is ever sent twice.

    Args:
        base_url: https, or http to a loopback address only.
        account_id: 32 hex digits.
        token: asked before every request.
        gate: admits reads and sees every request.
        timeout: seconds for one request, its body included.
        max_bytes: of one body, after inflating.
        release_body: `array` for the bare list of ids that the API took until October 2026.
        sleep: waits between two asks for a slow search.
        connect: makes the pool of connections.
        reads_only: refuses to send anything but a GET.
        left_out: is told of the values that the rows of an endpoint's page were read without.
    """

    def __init__(
        self,
        *,
        base_url: str,
        account_id: str,
        token: Callable[[], str],
        gate: Gate,
        timeout: float = 30.0,
        max_bytes: int = MAX_BYTES,
        release_body: ReleaseBody = "object",
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        connect: Connect = make_session,
        reads_only: bool = False,
        left_out: TellLeftOut = tell_nobody,
    ) -> None:
        self._transport = Transport(
            base_url=base_url,
            account_id=account_id,
            token=token,
            gate=gate,
            timeout=timeout,
            max_bytes=max_bytes,
            connect=connect,
            reads_only=reads_only,
            left_out=left_out,
        )
        self.investigate = Investigate(self._transport, release_body=release_body, sleep=sleep)
        self.phishguard = PhishGuard(self._transport)
        self.submissions = Submissions(self._transport)
        self.tokens = Tokens(self._transport)

    @cached_property
    def settings(self) -> TenantSettings:
        """The tenant's settings, such as `settings.block_senders`."""
        from worker.cloudflare.settings import TenantSettings  # noqa: PLC0415 - few runs need it

        return TenantSettings(self._transport)

    def __repr__(self) -> str:
        return f"<Cloudflare {self._transport!r}>"

    async def open(self) -> None:
        """Makes the connection pool; connects to nothing."""
        await self._transport.open()

    async def close(self) -> None:
        """Closes every connection; may be called twice."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
