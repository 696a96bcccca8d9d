"""The vendor's API below `/client/v4`: all operations of one tenant behind one gate."""

from __future__ import annotations

from itertools import chain

from aiohttp import web

from .envelope import answer
from .faults import FaultPlan
from .gate import Gate, Group
from .jobs import JobRoutes, Jobs
from .paging import LARGEST_PAGE
from .routes.actions import ActionRoutes
from .routes.messages import MessageRoutes
from .routes.reports import ReportRoutes
from .routes.search import SearchRoutes
from .settings.routes import SettingsRoutes
from .tenant import Tenant

PREFIX = "/client/v4"
_MAX_BODY = 64 * 1024 * 1024


class VendorApi:
    """The Email Security endpoints of one tenant, with the gate that every request passes.

    `largest_page` is for a vendor that lists less at once than it is asked for.
    """

    def __init__(self, tenant: Tenant, largest_page: int = LARGEST_PAGE) -> None:
        self._tenant = tenant
        config = tenant.config
        faults = FaultPlan(config.seed, config.faults)
        groups: tuple[Group, ...] = (
            SearchRoutes(tenant, largest_page),
            ActionRoutes(tenant, faults),
            JobRoutes(tenant, Jobs(tenant, faults)),
            MessageRoutes(tenant),
            ReportRoutes(tenant, faults),
            *(SettingsRoutes(entries, deprecated=config.deprecated) for entries in tenant.settings.values()),
        )
        # The router goes through them one after another: what is asked most comes first, a literal path
        # (`investigate/bulk`) before a variable one (`investigate/{id}`).
        self.routes = tuple(chain.from_iterable(group.routes() for group in groups))
        classes = {route.handler: route.path_class for route in self.routes}
        self.gate = Gate(tenant, classes | {self.verify: "verify"}, faults)

    def application(self) -> web.Application:
        """The routes as an application to be mounted below `PREFIX`."""
        app = web.Application(middlewares=[self.gate.answer], client_max_size=_MAX_BODY)
        for route in self.routes:
            path = f"/accounts/{{account_id}}/email-security/{route.path}"
            app.router.add_route(route.method, path, route.handler)
        app.router.add_route("GET", "/user/tokens/verify", self.verify)
        app.router.add_route("GET", "/accounts/{account_id}/tokens/verify", self.verify)
        return app

    async def verify(self, _request: web.Request) -> web.Response:
        """`GET user/tokens/verify` and `GET accounts/{account_id}/tokens/verify`."""
        return answer({"id": f"{self._tenant.config.seed:032x}", "status": "active"})
