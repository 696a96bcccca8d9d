"""What a bulk job has told is written down, whatever the database says meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.builders import junk
from tests.desk import Desk
from tests.fakes import FailingLedger
from worker.cloudflare import Cloudflare
from worker.cloudflare.bulk import Job, JobMessage, JobParams
from worker.errors import StoreError
from worker.executors.job import MARK
from worker.jobs import JobWatch
from worker.model.kinds import JOB, lane_of
from worker.ops.metrics import Metrics


@dataclass
class Bulk:
    """A vendor with one job that is over: all of its messages were moved but `m2`."""

    call_id: str

    async def list(self, **_: Any) -> AsyncIterator[Job]:
        """The job."""
        yield Job(job_id="j1", status="COMPLETED", action_type="MOVE", comment=MARK + self.call_id)

    async def messages(self, _: str, **__: Any) -> AsyncIterator[JobMessage]:
        """Its rows."""
        for name, status in (("m1", "COMPLETED"), ("m2", "FAILED")):
            params = JobParams(type="MOVE", client_recipient="ann@corp.example")
            yield JobMessage(
                message_id=f"row-{name}",
                status=status,
                postfix_id=f"postfix-{name}",
                action_params=params,
            )


async def submitted_job(desk: Desk) -> str:
    """Two moves went to the vendor as one job; the call's id."""
    await desk.take_in(junk("m1"), junk("m2"))
    (call,) = await desk.claim()
    for row in await desk.rows():
        await desk.edit(row["id"], lane=lane_of("move", "JunkEmail", JOB))
    return call.id


@pytest.mark.parametrize("refused", ["no_job", "note_job", "settle"])
async def test_a_database_that_refuses_loses_nothing_that_a_job_told(
    desk: Desk, metrics: Metrics, refused: str
) -> None:
    """Wherever it refuses: no move stays submitted, for nobody would ask what became of it before a restart."""
    ledger = FailingLedger(desk.ledger)
    vendor = SimpleNamespace(investigate=SimpleNamespace(bulk=Bulk(await submitted_job(desk))))
    watch = JobWatch(ledger.port, cast("Cloudflare", vendor), desk.clock, metrics, 30.0, wake=lambda: None)
    ledger.fail(refused, 2)
    for _ in range(3):
        try:
            await watch.step()
        except StoreError:
            desk.clock.pass_time(2)
    assert ledger.failures[refused] == 0
    assert await desk.states() == {"m1": ["succeeded"], "m2": ["failed"]}
