"""What is drawn once for a history: the tenant's habits and the operator's settings. Times in seconds, scaled down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from worker.model.actions import Mode

HTTP_TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings of one history. The read-back waits longer than the vendor's log lags, as it must."""

    mode: Mode = Mode.ENFORCE
    read_back_delay: float = 2.5
    log_lag: float = 1.0
    verdict_delay: float | None = None
    poll_interval: float = 2.0
    overlap: float = 10.0
    lookback: float = 7200.0
    budget: int = 600
    cap_per_poll: int = 1000
    cap_per_hour: int = 5000
    playbook_per_poll: int = 100
    playbook_per_hour: int = 500
    batch: int = 250
    page: int = 20
    drain: float = 3.0
    via: str = "investigate"

    @property
    def longest_slow(self) -> float:
        """How late a request may take effect without being taken for lost: its effect must be seen by the read-back."""
        return self.read_back_delay - self.log_lag - 0.5


def draw(chance: Random) -> Plan:
    """Any settings that an operator may choose."""
    delay = chance.choice((1.5, 2.5, 4.0))
    budget = chance.choice((60, 120, 600, 600, 600))
    return Plan(
        mode=chance.choices((Mode.ENFORCE, Mode.APPROVE, Mode.SHADOW), (88, 8, 4))[0],
        read_back_delay=delay,
        log_lag=chance.uniform(0.0, delay - 0.8),
        verdict_delay=chance.choice((None, None, 1.0, 5.0)),
        poll_interval=chance.uniform(1.0, 4.0),
        overlap=chance.choice((2.0, 10.0, 60.0)),
        lookback=chance.choice((300.0, 3000.0, 7200.0, 86400.0)),
        budget=budget,
        cap_per_poll=chance.choice((1000, 1000, 1000, 4)),
        cap_per_hour=chance.choice((5000, 5000, 5000, 9)),
        playbook_per_poll=chance.choice((100, 100, 100, 2)),
        playbook_per_hour=chance.choice((500, 500, 500, 5)),
        batch=chance.choice((1, 2, 4, 250)),
        # A look that needs more requests than are left for a minute is never fresh enough to act on.
        page=chance.choice((2, 5, 50)) if budget >= 600 else 50,
    )


def of(seed: int) -> Plan:
    """The settings of a seed. Every fourth asks for verdicts by submissions, whatever else it draws."""
    plan = draw(Random(f"{seed}/plan"))
    return replace(plan, via="submissions") if seed % 4 == 0 else plan
