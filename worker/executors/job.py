"""A campaign's moves as one bulk job of the vendor: created once, with the call's id in its comment. Others watch it.

What a job touches is decided after it was created (API reference, Investigate bulk): it is asked for only where its
search says exactly what was frozen, and every message of that list goes with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from worker.clock import VendorTime, utc
from worker.cloudflare import Cloudflare
from worker.cloudflare.bulk import JobMessage, NewJob, Search
from worker.errors import RateLimited, Refused, Transient, Unauthorized, VendorError
from worker.executors.base import unmatched
from worker.executors.move import MoveExecutor
from worker.model.actions import PARTLY, State
from worker.model.calls import Answered, Call, Item, Outcome, bare
from worker.model.ledger import JobOrder
from worker.ports import Ledger

MARK = "email-security-worker "
"""How the comment of a job begins; the call's id follows."""
MOST = 20_000
COMPLETED = "COMPLETED"
"""The status of a row whose message was moved."""


class JobExecutor(MoveExecutor):
    """Looks and reads back as any move; sends one request for all."""

    def __init__(
        self,
        cloudflare: Cloudflare,
        ledger: Ledger,
        read_back_delay: float,
        batch: int,
        vendor_time: VendorTime | None = None,
    ) -> None:
        super().__init__(cloudflare, ledger, read_back_delay, MOST, vendor_time)
        self._batch = batch
        self.sending: set[str] = set()
        """Calls whose answer may still come."""

    async def execute(self, call: Call) -> Answered:
        order = await self._ledger.job_order(call)
        if order is None:
            return await self._by_ids(call, "not all of the list can go with it: no bulk job")
        self.sending.add(call.id)
        try:
            job = await self._cloudflare.investigate.bulk.create(_new_job(call, order), lane=None)
        except (RateLimited, Unauthorized, Transient):
            raise
        except Refused as error:
            return await self._by_ids(call, f"the bulk job was refused: {error}", error)
        except ValueError as error:
            return await self._by_ids(call, f"no bulk job: {error}")
        except VendorError as error:
            # It may have been created: who watches looks for the comment, and never asks for a second one.
            return Answered((), "call.lost", error.status, error.ray, f"{type(error).__name__}: {error}")
        finally:
            self.sending.discard(call.id)
        return Answered((), "call.answered", 201, error=f"job {job.job_id}")

    async def _by_ids(self, call: Call, why: str, error: VendorError | None = None) -> Answered:
        await self._ledger.no_job(call.id)
        outcomes = tuple(Outcome(item.action_id, State.READY, why, 0.0, self._batch) for item in call.items)
        if error is None:
            return Answered(outcomes, "call.not_sent", error=why)
        return Answered(outcomes, "call.refused", error.status, error.ray, why)


def _new_job(call: Call, order: JobOrder) -> NewJob:
    search = Search(
        start=utc(order.since),
        end=utc(order.until),
        detections_only=True,
        sender=order.shared.get("sender"),
        exact_subject=order.shared.get("exact_subject"),
    )
    return NewJob(action="MOVE", search_params=search, destination=call.target, comment=MARK + call.id)  # type: ignore[arg-type]  # checked when it was planned


def match(
    items: Sequence[Item], rows: Sequence[JobMessage], delay: float, *, unreadable: int = 0
) -> tuple[list[Outcome], list[str]]:
    """What became of each item by the job's rows, one for each recipient; and what it moved beside them.

    A row names its message by a postfix id, which several may share, and mostly by its Message-ID. What cannot be told,
    also because so many rows are `unreadable`, is unknown and read back.
    """
    by_name: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_name[item.postfix_id].append(item)
    mine: dict[str, list[JobMessage]] = defaultdict(list)
    doubtful: set[str] = set()
    beyond: set[str] = set()
    for row in rows:
        owners = _owners(row, by_name)
        if not owners and row.status == COMPLETED:
            beyond.add(row.postfix_id or "")
        for item in owners:
            mine[item.action_id].append(row)
        if len(owners) > 1:
            doubtful.update(item.action_id for item in owners)
    outcomes = [
        unmatched(item, "the job's rows do not tell it from another message", delay)
        if item.action_id in doubtful
        else _outcome(item, mine[item.action_id], delay, unreadable=unreadable)
        for item in items
    ]
    return outcomes, sorted(beyond)


def _owners(row: JobMessage, by_name: Mapping[str, Sequence[Item]]) -> Sequence[Item]:
    """The items that a row may speak of: one, unless it does not say enough."""
    name = bare(row.email_message_id)
    named = by_name.get(row.postfix_id, ()) if row.postfix_id else ()
    owners = [item for item in named if not name or bare(item.rfc_message_id) in ("", name)]
    to = _mailbox(row)
    if len(owners) > 1 and to:
        return [item for item in owners if to in _expected(item)] or owners
    return owners


def _outcome(item: Item, rows: Sequence[JobMessage], delay: float, *, unreadable: int) -> Outcome:
    expected = _expected(item)
    # What names no mailbox stands for the only one, as in the answer of any move.
    only = next(iter(expected)) if len(expected) == 1 else ""
    told = {_mailbox(row) or only for row in rows}
    if len(expected) > 1 and "" in told:
        return unmatched(item, "a row of the job names no recipient", delay)
    if unreadable and (expected - told or not rows):
        return unmatched(item, f"{unreadable} rows of the job cannot be read", delay)
    good = {_mailbox(row) or only for row in rows if row.status == COMPLETED}
    bad = [row for row in rows if row.status == "FAILED"]
    missing = expected - good
    why = next((row.status_message for row in bad if row.status_message), "no reason given")
    if good and not missing:
        return Outcome(item.action_id, State.SUCCEEDED)
    if good:
        return Outcome(item.action_id, State.FAILED, f"{PARTLY}; not for {', '.join(sorted(missing))}: {why}")
    if bad and len(bad) == len(rows):
        return Outcome(item.action_id, State.FAILED, f"refused for every recipient: {why}")
    return Outcome(item.action_id, State.READY, "the bulk job left it out", 0.0)


def _expected(item: Item) -> set[str]:
    return {address.lower() for address in item.recipients}


def _mailbox(row: JobMessage) -> str:
    return ((row.action_params and row.action_params.client_recipient) or "").lower()
