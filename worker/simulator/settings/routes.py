"""The HTTP operations of one settings resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http import HTTPStatus

from aiohttp import web

from worker.simulator.envelope import answer, encode, page
from worker.simulator.gate import NUMBER, Route
from worker.simulator.paging import number_page
from worker.simulator.reading import decode_body, decode_params

from .batch import Batch, Deletes, run
from .collection import Collection, Entry
from .editing import Edit


class SettingsRoutes:
    """Handlers over one collection; `deprecated` adds the fields whose end of life has passed."""

    def __init__(self, collection: Collection, *, deprecated: bool) -> None:
        self._collection = collection
        self._resource = collection.resource
        self._deprecated = deprecated

    def routes(self) -> Iterator[Route]:
        """What the resource has of the usual operations."""
        resource = self._resource
        every = f"settings/{resource.name}"
        one = f"{every}/{{{resource.id_name}}}"
        yield Route("GET", every, "settings", self.list_entries)
        yield Route("POST", every, "settings_write", self.create)
        if resource.clearable:
            yield Route("DELETE", every, "settings_write", self.clear)
        if resource.batch:
            yield Route("POST", f"{every}/batch", "settings_batch", self.batch)
        yield Route("GET", one, "settings", self.get)
        yield Route("PATCH", one, "settings_write", self.patch)
        if resource.replaceable:
            yield Route("PUT", one, "settings_write", self.replace)
        yield Route("DELETE", one, "settings_write", self.delete)

    async def list_entries(self, request: web.Request) -> web.Response:
        """`GET settings/...`, oldest first unless asked otherwise."""
        given: dict[str, object] = dict(request.query)
        if "domain" in given:  # the one parameter that may be repeated
            given["domain"] = request.query.getall("domain")
        params = decode_params(given, self._resource.params)
        rows, info = number_page(self._collection.listed(params), params)
        return page((encode(self._sent(entry)) for entry in rows), info)

    async def get(self, request: web.Request) -> web.Response:
        """`GET settings/.../{id}`."""
        return answer(self._sent(self._collection.get(self._name(request))))

    async def create(self, request: web.Request) -> web.Response:
        """`POST settings/...`."""
        edit = self._edit(request)
        entry = edit.post(await request.read())
        edit.keep()
        return answer(self._sent(entry), status=HTTPStatus.CREATED)

    async def patch(self, request: web.Request) -> web.Response:
        """`PATCH settings/.../{id}`: only what is sent changes."""
        return await self._change(request, Edit.patch)

    async def replace(self, request: web.Request) -> web.Response:
        """`PUT settings/.../{id}`."""
        return await self._change(request, Edit.put)

    async def delete(self, request: web.Request) -> web.Response:
        """`DELETE settings/.../{id}`."""
        edit = self._edit(request)
        gone = edit.delete(self._name(request))
        edit.keep()
        return answer(gone)

    async def clear(self, request: web.Request) -> web.Response:
        """`DELETE settings/domains`, which names none: the harsh reading is that it means all."""
        edit = self._edit(request)
        gone = [edit.delete(name) for name in self._collection.entries]
        edit.keep()
        return answer(gone)

    async def batch(self, request: web.Request) -> web.Response:
        """`POST settings/.../batch`."""
        kind: type[Batch | Deletes] = Deletes if self._resource.batch == "deletes" else Batch
        batch = await decode_body(request, kind)
        done = run(self._edit(request), batch, atomic=self._resource.atomic)
        return answer({part: [self._sent(entry) for entry in entries] for part, entries in done.items()})

    async def _change(
        self, request: web.Request, operation: Callable[[Edit, str, bytes], Entry]
    ) -> web.Response:
        body = await request.read()
        edit = self._edit(request)
        entry = operation(edit, self._name(request), body)
        edit.keep()
        return answer(self._sent(entry))

    def _edit(self, request: web.Request) -> Edit:
        return Edit(self._collection, request[NUMBER])

    def _name(self, request: web.Request) -> str:
        return request.match_info[self._resource.id_name]

    def _sent(self, entry: Entry) -> Entry:
        if not self._deprecated or "modified_at" not in entry:
            return entry
        renamed = {old: entry[new] for old, new in self._resource.renamed.items()}
        return entry | renamed | {"last_modified": entry["modified_at"]}
