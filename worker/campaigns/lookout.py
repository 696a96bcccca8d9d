"""Which campaigns the mail that comes in is compared with, and what came in while one of them was searched for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from worker.model.events import Detection
from worker.model.plans import Sighting
from worker.model.sweeps import Campaign, Watch


class Lookout:
    """Shared by who takes mail in and who searches: no sibling slips through between the two."""

    def __init__(self) -> None:
        self.late = Watch()
        """Campaigns whose list is frozen: what comes in of them is caught."""
        self._open: Sequence[Campaign] = ()
        self._sought = Watch()
        self._arrived: dict[str, dict[str, Detection]] = {}

    def follow(self, campaigns: Sequence[Campaign]) -> None:
        """These are open now. To be told before a search begins: from then on nothing of it is overlooked."""
        self._open = campaigns
        sought = [one for one in campaigns if one.searching]
        self.late = Watch(one for one in campaigns if not one.searching)
        self._sought = Watch(sought)
        self._arrived = {one.id: self._arrived.get(one.id, {}) for one in sought}

    def froze(self, campaign: Campaign) -> None:
        """Its list is frozen: from now on its siblings are late ones, whether or not the ledger can be asked just now."""
        self.follow([replace(one, searching=False) if one.id == campaign.id else one for one in self._open])

    def note(self, fresh: Iterable[Sighting]) -> None:
        """Keeps what has come in of campaigns that are searched for: the search may have passed there already."""
        for one in fresh if self._sought else ():
            if isinstance(one.event, Detection):
                for campaign in self._sought.of(one.event):
                    self._arrived[campaign.id][one.event.id] = one.event

    def arrived(self, campaign: Campaign) -> dict[str, Detection]:
        """What has come in of a campaign since its search began, by its id."""
        return self._arrived.get(campaign.id, {})
