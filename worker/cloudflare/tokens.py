"""Whether the token is alive (API reference, User and Account API tokens, Verify token)."""

from __future__ import annotations

from msgspec.structs import replace

from worker.cloudflare import rows, shapes
from worker.cloudflare.operations import Operation, Scope
from worker.cloudflare.transport import Transport
from worker.cloudflare.wire import TokenStatus
from worker.errors import Refused, Unauthorized
from worker.ports import Lane

VERIFY_USER = Operation("GET", "user/tokens/verify", scope=Scope.ROOT)
VERIFY_ACCOUNT = Operation("GET", "tokens/verify", scope=Scope.ACCOUNT)


class Tokens:
    """The token's own endpoints."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def verify(self, *, lane: Lane) -> TokenStatus:
        """The token's status; one request for a user's token, two for one that the account owns.

        Raises:
            VendorError: as the first request met it, where neither endpoint knows the token.
        """
        try:
            answer = await self._transport.request(VERIFY_USER, lane=lane)
        except (Unauthorized, Refused) as first:
            try:
                answer = await self._transport.request(VERIFY_ACCOUNT, lane=lane)
            except (Unauthorized, Refused):
                raise first from None
            return replace(rows.read_one(answer, shapes.TOKEN), owner="account")
        return replace(rows.read_one(answer, shapes.TOKEN), owner="user")
