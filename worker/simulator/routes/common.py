"""What several groups of operations need."""

from __future__ import annotations

from aiohttp import web

from worker.simulator.actions import Cause
from worker.simulator.envelope import unknown_id
from worker.simulator.gate import NUMBER
from worker.simulator.tenant import Message, Tenant


def message_of(tenant: Tenant, request: web.Request) -> Message:
    """The message that the path names; raises ApiError if there is none."""
    return message_by_id(tenant, request.match_info["id"])


def message_by_id(tenant: Tenant, name: str) -> Message:
    """The message of this investigate id; raises ApiError if there is none."""
    try:
        return tenant.messages[name]
    except KeyError:
        raise unknown_id(name) from None


def cause_of(request: web.Request) -> Cause:
    """Who acts through this request."""
    return Cause("api", request[NUMBER])
