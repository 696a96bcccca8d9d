"""A call of every method that the vendor's SDK has for Email Security, and what has to come of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from operator import attrgetter
from typing import Any, NamedTuple

import pytest
from cloudflare import AsyncCloudflare, NotFoundError

from tests.simulator.api import Api, Clock
from tests.simulator.entries import EXAMPLES

SEARCH = {"sender": "foe.example"}
SPAM: dict[str, Any] = {
    "final_disposition": "SPAM",
    "from": "x@foe.example",
    "client_recipients": ["a@corp.example"],
    "delivery_status": ["quarantined"],
    "is_quarantined": True,
}


class World(NamedTuple):
    """An SDK, the tenant that it talks to, and the tenant's clock."""

    sdk: AsyncCloudflare
    api: Api
    clock: Clock

    def method(self, name: str) -> Callable[..., Any]:
        """A method of the SDK, for the tenant's account."""
        method = attrgetter(name)(self.sdk.email_security)
        return lambda *ids, **arguments: method(*ids, account_id=self.api.simulator.account_id, **arguments)

    async def job(self) -> Any:
        """A new job that moves one message."""
        await self.api.given(**SPAM)
        return await self.method("investigate.bulk.create")(
            action="MOVE", destination="JunkEmail", search_params=SEARCH, comment="our key"
        )

    async def create(self, name: str) -> Any:
        """A new entry of a settings resource."""
        return await self.method(f"settings.{name}.create")(**EXAMPLES[name].new)


async def _list_messages(world: World) -> None:
    name = await world.api.given(**SPAM)
    page = await world.method("investigate.list")(sender="foe.example")
    assert [row.id for row in page.result] == [name]


async def _get_message(world: World) -> None:
    name = await world.api.given(**SPAM)
    assert (await world.method("investigate.get")(name)).id == name


async def _get_detections(world: World) -> None:
    found = await world.method("investigate.detections.get")(await world.api.given(**SPAM))
    assert found.final_disposition == "SPAM"
    assert found.links[0].href.startswith("https://")


async def _get_raw(world: World) -> None:
    found = await world.method("investigate.raw.get")(await world.api.given(**SPAM))
    assert "\r\nFrom: " in found.raw


async def _get_trace(world: World) -> None:
    name = await world.api.given(**SPAM)
    world.clock.advance(5)
    found = await world.method("investigate.trace.get")(name)
    assert found.inbound.lines[0].logged_at < found.outbound.lines[-1].logged_at


async def _get_preview(world: World) -> None:
    assert (await world.method("investigate.preview.get")(await world.api.given(**SPAM))).screenshot


async def _create_preview(world: World) -> None:
    name = await world.api.given(final_disposition="NONE", delivery_status=["delivered"])
    assert (await world.method("investigate.preview.create")(id=name)).screenshot


async def _move_message(world: World) -> None:
    page = await world.method("investigate.move.create")(
        await world.api.given(**SPAM), destination="JunkEmail"
    )
    assert [(row.recipient, row.success) for row in page.result] == [("a@corp.example", True)]


async def _move_messages(world: World) -> None:
    names = [await world.api.given(**SPAM) for _ in "12"]
    page = await world.method("investigate.move.bulk")(ids=names, destination="JunkEmail")
    assert [row.success for row in page.result] == [True, True]


async def _release(world: World) -> None:
    name = await world.api.given(**SPAM)
    page = await world.method("investigate.release.bulk")(ids=[name])
    assert [(row.id, row.delivered) for row in page.result] == [(name, ["a@corp.example"])]


async def _reclassify(world: World) -> None:
    name = await world.api.given(**SPAM)
    with pytest.warns(DeprecationWarning, match="deprecated"):
        await world.method("investigate.reclassify.create")(name, expected_disposition="NONE")
    assert [effect["kind"] for effect in await world.api.admin("effects")] == ["reclassify"]


async def _create_job(world: World) -> None:
    job = await world.job()
    assert (job.status, job.comment, job.total_messages_discovered) == ("PENDING", "our key", 0)


async def _get_job(world: World) -> None:
    job = await world.job()
    world.clock.advance(10)
    done = await world.method("investigate.bulk.get")(job.job_id)
    assert (done.status, done.messages_successful) == ("COMPLETED", 1)


async def _list_jobs(world: World) -> None:
    job = await world.job()
    page = await world.method("investigate.bulk.list")(status="PENDING", action_type="MOVE")
    assert [row.job_id for row in page.result] == [job.job_id]


async def _list_job_messages(world: World) -> None:
    job = await world.job()
    world.clock.advance(10)
    page = await world.method("investigate.bulk.messages.list")(job.job_id, status="COMPLETED")
    (row,) = page.result
    assert (row.action_params.client_recipient, row.message.delivery_status) == (
        "a@corp.example",
        ["quarantined", "moved"],
    )


async def _cancel_job(world: World) -> None:
    job = await world.job()
    cancelled = await world.method("investigate.bulk.cancel.create")(job.job_id)
    assert cancelled.status == "CANCELLED"


async def _delete_job(world: World) -> None:
    job = await world.job()
    world.clock.advance(10)
    assert (await world.method("investigate.bulk.delete")(job.job_id)).id == job.job_id
    with pytest.raises(NotFoundError):
        await world.method("investigate.bulk.get")(job.job_id)


async def _list_reports(world: World) -> None:
    await world.api.admin(f"messages/{await world.api.given(**SPAM)}/report", {"title": "Look at this"})
    page = await world.method("phishguard.reports.list")(per_page=1)
    assert [row.title for row in page.result] == ["Look at this"]


async def _list_submissions(world: World) -> None:
    await world.api.admin(f"messages/{await world.api.given(**SPAM)}/submission", {"requested_by": "me"})
    page = await world.method("submissions.list")(type="USER", query=None, per_page=1)
    assert [(row.requested_by, row.original_disposition) for row in page.result] == [("me", "SPAM")]


async def _create_entry(world: World, name: str) -> None:
    made = await world.create(name)
    assert made.to_dict().items() >= EXAMPLES[name].new.items()


async def _list_entries(world: World, name: str) -> None:
    made = await world.create(name)
    page = await world.method(f"settings.{name}.list")(per_page=1000)
    assert page.result[-1].id == made.id
    assert page.result_info.total_count == len(page.result) > 1  # type: ignore[union-attr, unused-ignore]


async def _get_entry(world: World, name: str) -> None:
    made = await world.create(name)
    assert (await world.method(f"settings.{name}.get")(made.id)).to_dict() == made.to_dict()


async def _edit_entry(world: World, name: str) -> None:
    made, change = await world.create(name), EXAMPLES[name].change
    edited = await world.method(f"settings.{name}.edit")(made.id, **change)
    assert edited.to_dict().items() >= change.items()


async def _update_entry(world: World, name: str) -> None:
    made, new = await world.create(name), {**EXAMPLES[name].new, "regions": ["DE"]}
    del new["domain"]
    assert (await world.method(f"settings.{name}.update")(made.id, **new)).regions == ["DE"]


async def _delete_entry(world: World, name: str) -> None:
    made = await world.create(name)
    assert (await world.method(f"settings.{name}.delete")(made.id)).id == made.id
    with pytest.raises(NotFoundError):
        await world.method(f"settings.{name}.get")(made.id)


async def _batch_entries(world: World, name: str) -> None:
    first, second, third = [(await world.create(name)).id for _ in "123"]
    whole = {key: value for key, value in EXAMPLES[name].new.items() if key != "domain"}
    done = await world.method(f"settings.{name}.batch")(
        deletes=[{"id": first}],
        patches=[{"id": second, **EXAMPLES[name].change}],
        puts=[{"id": third, **whole}],
        posts=[EXAMPLES[name].new],
    )
    assert [[entry.id for entry in part] for part in (done.deletes, done.patches, done.puts)] == [
        [first],
        [second],
        [third],
    ]
    assert len(done.posts) == 1


async def _bulk_delete_entries(world: World, name: str) -> None:
    made = await world.create(name)
    with pytest.warns(DeprecationWarning, match="deprecated"):
        page = await world.method(f"settings.{name}.bulk_delete")()
    assert page.result[-1].id == made.id
    assert (await world.method(f"settings.{name}.list")()).result == []


CALLS: dict[str, Callable[[World], Awaitable[None]]] = {
    "investigate.list": _list_messages,
    "investigate.get": _get_message,
    "investigate.detections.get": _get_detections,
    "investigate.raw.get": _get_raw,
    "investigate.trace.get": _get_trace,
    "investigate.preview.get": _get_preview,
    "investigate.preview.create": _create_preview,
    "investigate.move.create": _move_message,
    "investigate.move.bulk": _move_messages,
    "investigate.release.bulk": _release,
    "investigate.reclassify.create": _reclassify,
    "investigate.bulk.create": _create_job,
    "investigate.bulk.get": _get_job,
    "investigate.bulk.list": _list_jobs,
    "investigate.bulk.messages.list": _list_job_messages,
    "investigate.bulk.cancel.create": _cancel_job,
    "investigate.bulk.delete": _delete_job,
    "phishguard.reports.list": _list_reports,
    "submissions.list": _list_submissions,
}
ENTRY_CALLS: dict[str, Callable[[World, str], Awaitable[None]]] = {
    "create": _create_entry,
    "list": _list_entries,
    "get": _get_entry,
    "edit": _edit_entry,
    "update": _update_entry,
    "delete": _delete_entry,
    "batch": _batch_entries,
    "bulk_delete": _bulk_delete_entries,
}
