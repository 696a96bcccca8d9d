"""Finds the siblings of confirmed messages, in what acting and polling leave of the budget, and freezes the lists.

A search only reads, and leaves nothing behind before its whole list is committed: one that was cut off begins anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from worker.campaigns.searching import MOST_SIBLINGS, Search, TooWideError, narrowed, read
from worker.clock import Clock
from worker.cloudflare import Cloudflare
from worker.errors import Refused, VendorError
from worker.ids import new_id
from worker.intake import Intake
from worker.model.events import Detection
from worker.model.ledger import Campaigns, Closed, Found
from worker.model.plans import Ceilings, Decided
from worker.model.sweeps import DETECTED, Campaign, within_reach
from worker.ops.logs import get_logger
from worker.pipeline import decide_siblings
from worker.playbooks.excluding import Exclusions
from worker.ports import Ledger
from worker.retry import fetch_delay
from worker.upkeep.endless import endlessly

log = get_logger()

LOOK_SECONDS = 1.0
"""How often it is asked whether there is something to search for."""
REFUSALS = 5
"""Searches of a campaign that fail, each later than the one before; then what is refused again is given up."""


class Sweeper:
    """Searches for what is searched for. `step` leaves nothing undone that can be done now."""

    def __init__(
        self,
        ledger: Ledger,
        cloudflare: Cloudflare,
        intake: Intake,
        ceilings: Ceilings,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._cloudflare = cloudflare
        self._intake = intake
        self._ceilings = ceilings
        self._clock = clock
        self._failures: Counter[str] = Counter()
        self._not_before: dict[str, float] = {}

    async def run(self) -> None:
        """Works until it is cancelled: what was not finished begins anew."""
        await endlessly("sweeper", self.step, self._clock.sleep, LOOK_SECONDS)

    async def follow(self) -> Campaigns:
        """Has the mail that comes in compared with what is open now. At start: before anything comes in."""
        known = await self._ledger.campaigns(self._ceilings.hold_seconds)
        self._intake.lookout.follow(known.open)
        for one in known.ended:
            log.info(
                "campaign.ended",
                campaign=one.campaign_id,
                siblings=one.siblings,
                late=one.late,
                reason=one.why,
            )
        return known

    async def step(self) -> bool:
        """Searches for whatever is searched for now; False where nothing was frozen."""
        now = self._clock.monotonic()
        sought = [one for one in (await self.follow()).open if one.searching]
        due = [one for one in sought if now >= self._not_before.get(one.id, 0.0) and self._has_voice(one)]
        frozen = False
        wide: list[Campaign] = []
        for campaign in due:
            try:
                found = await self._narrowly(campaign)
            except VendorError as error:
                self._put_off([campaign], str(error))
                continue
            if found is None:
                wide.append(campaign)
            else:
                frozen = await self._freeze(campaign, found) or frozen
        if wide and (search := await self._try(wide)) is not None:
            for campaign in wide:
                frozen = await self._freeze(campaign, search) or frozen
        return frozen

    def _has_voice(self, campaign: Campaign) -> bool:
        if any(one.id in campaign.playbooks for one in self._intake.rules.current.playbooks):
            return True
        self._put_off([campaign], "none of its playbooks is loaded")
        return False

    async def _narrowly(self, campaign: Campaign) -> Search | None:
        """A short search, where the vendor can narrow it; None where it cannot, or where that is not to be trusted."""
        narrow = narrowed(campaign)
        if not narrow:
            return None
        try:
            search = await read([campaign], narrow, self._cloudflare, self._clock)
        except (TooWideError, Refused):
            return None
        # What does not find the message itself is no filter to be trusted.
        return search if campaign.seed in search.siblings[campaign.id] else None

    async def _try(self, campaigns: Sequence[Campaign]) -> Search | None:
        """One reading of everything, for all of them; None where there is none now."""
        try:
            return await read(campaigns, {}, self._cloudflare, self._clock)
        except (TooWideError, Refused) as error:
            if isinstance(error, Refused) and error.unrouted:
                self._put_off(campaigns, str(error))
            elif len(campaigns) > 1:
                # One of them may reach too far back for all: each for itself, one after the other.
                self._put_off(campaigns[1:], "searched for after the others")
                return await self._try(campaigns[:1])
            elif isinstance(error, Refused) and self._failures[campaigns[0].id] < REFUSALS:
                # One refusal may be a gateway's in trouble; a search that cannot be had is refused again.
                self._put_off(campaigns, str(error))
            else:
                await self._give_up(campaigns[0], str(error))
        except VendorError as error:
            self._put_off(campaigns, str(error))
        return None

    async def _give_up(self, campaign: Campaign, why: str) -> None:
        if await self._ledger.fail_campaign(campaign.id, why):
            log.error("campaign.failed", campaign=campaign.id, message_id=campaign.seed, reason=why)

    def _put_off(self, campaigns: Sequence[Campaign], why: str) -> None:
        for one in campaigns:
            self._failures[one.id] += 1
            self._not_before[one.id] = self._clock.monotonic() + fetch_delay(self._failures[one.id])
            if self._failures[one.id] == 1:
                log.warning("campaign.waiting", campaign=one.id, message_id=one.seed, reason=why)

    async def _freeze(self, campaign: Campaign, search: Search) -> bool:
        self._failures.pop(campaign.id, None)
        self._not_before.pop(campaign.id, None)
        async with self._intake.between_pages:
            rows = search.siblings[campaign.id] | self._intake.lookout.arrived(campaign)
            if len(rows) > MOST_SIBLINGS:
                await self._give_up(
                    campaign, f"more than {MOST_SIBLINGS:,} messages match: name more in `by`"
                )
                return False
            if not self._has_voice(campaign):
                return False
            current = self._intake.rules.current
            decided = decide_siblings(campaign, rows.values(), current, self._ceilings.mode)
            found = _found(campaign, rows, search, current.exclusions)
            closed = await self._ledger.freeze(campaign, found, decided, self._ceilings)
            # No page may come between the list and the watch for what is not on it.
            if closed is not None:
                self._intake.lookout.froze(campaign)
            await self.follow()
        if closed is None:
            return False
        _tell(campaign, found, decided, closed)
        self._intake.tell(closed)
        self._intake.decider.tell_excluded(one.by for one in map(current.exclusions.of, rows.values()) if one)
        return True


def _found(campaign: Campaign, rows: dict[str, Detection], search: Search, exclusions: Exclusions) -> Found:
    return Found(
        poll_id=new_id(),
        messages=tuple(rows),
        out_of_reach=sum(not within_reach(row) for row in rows.values()),
        benign=sum(bool(campaign.asks(row)) for row in rows.values()),
        searched=search.searched,
        read_at=search.read_at,
        # The vendor's search knows no exclusions, and finds what has come since too.
        fits_job=not exclusions and search.exact and _fits_job(campaign, rows),
    )


def _fits_job(campaign: Campaign, rows: dict[str, Detection]) -> bool:
    """Whether the vendor's search can say what they have in common, and would find none but those that may be moved."""
    detected = [
        row for row in rows.values() if row.final_disposition in DETECTED and not row.is_phish_submission
    ]
    return campaign.shared.keys() <= {"sender", "exact_subject"} and all(
        within_reach(row) and not row.has_moved for row in detected
    )


def _tell(campaign: Campaign, found: Found, decided: Sequence[Decided], closed: Closed) -> None:
    """The campaign's one line: how many, in whose mailboxes, and what becomes of them."""
    messages = [one.sighting.message for one in decided if one.sighting.message is not None]
    log.info(
        "campaign.frozen",
        campaign=campaign.id,
        message_id=campaign.seed,
        shared=sorted(campaign.shared),
        target=campaign.to,
        siblings=len(found.messages),
        out_of_reach=found.out_of_reach,
        benign=found.benign,
        mailboxes=len({address for row in messages for address in row.client_recipients}),
        searched=found.searched,
        plans=[plan.plan_id for plan in closed.plans],
        # Whoever wants the campaign wants all of it.
        states=closed.plans[0].states if closed.plans else {},
    )
