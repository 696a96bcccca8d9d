"""Fetches what playbooks read beyond the list's row, before they decide: as little as possible, and never without end.

Playbooks say by themselves what they want: each that has needs is asked beforehand, stops where it reads something that
is not there, and is asked again when it is. So what costs a request is fetched for those messages alone that get as far.
Whatever cannot be had now leaves its event parked for that playbook, and is fetched again with a later poll.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

from worker.budget import SHARES
from worker.clock import Clock
from worker.deciding.allowance import FAILURES, NO_TIME, SECONDS, Allowance, Allowances
from worker.deciding.asking import PATIENCE
from worker.deciding.fetching import fetch, verdict
from worker.errors import RateLimited
from worker.model.actions import Mode
from worker.model.events import Event
from worker.model.history import History
from worker.model.known import Known, Late, Views, lacking_for_attachments, settle_attachments
from worker.model.needs import NEEDS
from worker.model.plans import Decided, Poll, Sighting
from worker.model.sweeps import DETECTED
from worker.ops.metrics import Metrics
from worker.pipeline import decide
from worker.playbooks.loader import Catalogue
from worker.ports import Lane, Messages, Room
from worker.retry import fetch_delay

CONCURRENT = 8
Histories = Mapping[str, History]
Ask = Callable[[Sequence[Sighting], Views], list[Decided]]
"""Asks the playbooks that may want something about these events, with what is known by now."""
Wants = dict[str, dict[str, set[str]]]
"""By message and need: the playbooks."""


class Enricher:
    """Fetches for playbooks.

    `per_poll`: messages for one playbook in one poll; `seconds`: how long one poll may be held up.
    """

    def __init__(
        self,
        messages: Messages,
        room: Room,
        clock: Clock,
        metrics: Metrics,
        per_poll: int,
        seconds: float = SECONDS,
    ) -> None:
        self._messages = messages
        self._room = room
        self._clock = clock
        self._metrics = metrics
        self._allowances = Allowances(per_poll, seconds)
        self._slots = asyncio.Semaphore(CONCURRENT)

    async def for_new(
        self,
        poll: Poll,
        events: Sequence[Sighting],
        now: datetime,
        histories: Histories,
        catalogue: Catalogue,
        *,
        without: Collection[str],
    ) -> Views:
        """What the playbooks come to read of new events, but for those that are not asked now."""
        needy = needy_of(catalogue, type(events[0].event)).difference(without)

        def ask(events: Sequence[Sighting], views: Views) -> list[Decided]:
            return decide(events, catalogue, Mode.SHADOW, now, histories, only=needy, views=views)

        return await self._prepare(poll, events, ask, {}) if needy else {}

    async def for_parked(
        self,
        poll: Poll,
        events: Sequence[tuple[Sighting, Collection[str], int]],
        now: datetime,
        histories: Histories,
        catalogue: Catalogue,
    ) -> Views:
        """What some playbooks come to read of each of these events, where that has failed so often before."""
        whom = {(one.key, one.revision): playbooks for one, playbooks, _ in events}
        tries = {one.message.id: count for one, _, count in events if one.message is not None}

        def ask(some: Sequence[Sighting], views: Views) -> list[Decided]:
            failed: Counter[str] = Counter()
            answers: list[Decided] = []
            for one in some:
                # Who fails on all of them would hold up everything once for each.
                only = {name for name in whom[one.key, one.revision] if failed[name] < PATIENCE}
                answers += decide([one], catalogue, Mode.SHADOW, now, histories, only=only, views=views)
                failed.update(why.playbook for why in answers[-1].failures if not why.waits_for)
            return answers

        return await self._prepare(poll, [one for one, _, _ in events], ask, tries)

    async def _prepare(
        self, poll: Poll, events: Sequence[Sighting], ask: Ask, tries: Mapping[str, int]
    ) -> dict[str, Known]:
        """What is known of the messages when the playbooks want nothing more that can be had."""
        allowance = self._allowances.of(poll)
        views: dict[str, Known] = {}
        detected = {
            one.message.id
            for one in events
            if one.message is not None and one.message.final_disposition in DETECTED
        }
        for _ in NEEDS:
            wants = _wants(ask(events, views), views)
            for one in wants:
                views.setdefault(one, Known(tries=tries.get(one, 0), detected=one in detected))
            await self._fetch_all(wants, views, allowance)
            # Those that got what they wanted may want more.
            events = [one for one in events if _is_served(one, wants, views)]
            if not events:
                break
        return views

    async def _fetch_all(self, wants: Wants, views: Mapping[str, Known], allowance: Allowance) -> None:
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(max(allowance.seconds, 0.0)), asyncio.TaskGroup() as group:
                for message_id, needs in wants.items():
                    group.create_task(self._enrich(message_id, needs, views[message_id], allowance))
        except TimeoutError:
            allowance.seconds = 0.0
        allowance.seconds -= self._clock.monotonic() - started
        for message_id, needs in wants.items():
            known = views[message_id]
            tried = next((one for one in known.late.values() if one.tries > known.tries), None)
            for need in needs:
                if not known.has(need):
                    known.late.setdefault(need, tried or Late(NO_TIME, 0.0, known.tries))
                result = "late" if need in known.late else "missing" if need in known.missing else "fetched"
                self._metrics.enriched(need, result)

    async def _enrich(
        self, message_id: str, needs: Mapping[str, set[str]], known: Known, allowance: Allowance
    ) -> None:
        """Everything that is wanted of one message, one after the other: some of it follows from the same answer."""
        async with self._slots:
            for need, playbooks in needs.items():
                if not allowance.grants(playbooks, message_id):
                    most = self._allowances.messages
                    why = f"WORKER_ENRICH_PER_POLL: no more than {most} messages in one poll"
                    known.late[need] = Late(why, 0.0, known.tries)
                elif need == "attachments":
                    await self._attachments(message_id, known, allowance)
                else:
                    await self._read(message_id, need, known, allowance)

    async def _attachments(self, message_id: str, known: Known, allowance: Allowance) -> None:
        while (source := lacking_for_attachments(known)) is not None:
            await self._read(message_id, source, known, allowance)
            if not known.has(source):
                known.late["attachments"] = known.late[source]
                return
        settle_attachments(known)

    async def _read(self, message_id: str, need: str, known: Known, allowance: Allowance) -> None:
        if known.has(need) or need in known.late:
            return
        if why := self._no_room() or allowance.used_up():
            known.late[need] = Late(why, 0.0, known.tries)
            return
        try:
            value, size = await fetch(self._messages, message_id, need)
        except asyncio.CancelledError:
            # It has had its turn: those behind it must not wait for it for ever.
            known.late[need] = Late(NO_TIME, fetch_delay(known.tries + 1), known.tries + 1)
            raise
        except Exception as error:  # noqa: BLE001 - whatever ails one message must not stop the others
            self._note_failure(need, error, known, allowance)
            return
        allowance.weight -= size
        allowance.failures = 0
        known.add(need, value)

    def _note_failure(self, need: str, error: Exception, known: Known, allowance: Allowance) -> None:
        said = verdict(error, need, known.tries, detected=known.detected)
        if isinstance(said, str):
            known.miss(need, said)
            allowance.failures = 0
            return
        known.late[need] = said
        allowance.failures += FAILURES if isinstance(error, RateLimited) else 1

    def _no_room(self) -> str:
        """Why nothing may be fetched now: actions and polls come first, and nobody waits for this."""
        full = self._room.refused_for() or self._room.pressure() >= SHARES[Lane.ENRICH]
        return "actions and polls leave no room in WORKER_REQUEST_BUDGET" if full else ""


def needy_of(catalogue: Catalogue, kind: type[Event]) -> frozenset[str]:
    """The playbooks on these events that have needs; where there are none, nothing is to be fetched."""
    return frozenset(one.id for one in catalogue.by_type.get(kind, ()) if one.needs)


def _wants(decided: Iterable[Decided], views: Views) -> Wants:
    """What has not been tried yet."""
    wants: Wants = {}
    for one in decided:
        for failure in one.failures:
            if not failure.waits_for or one.sighting.message is None:
                continue
            message_id = one.sighting.message.id
            if message_id not in views or failure.waits_for not in views[message_id].late:
                wants.setdefault(message_id, defaultdict(set))[failure.waits_for].add(failure.playbook)
    return wants


def _is_served(event: Sighting, wants: Wants, views: Views) -> bool:
    message = event.message
    return message is not None and any(views[message.id].has(need) for need in wants.get(message.id, ()))
