"""How the worker stands with the vendor: whose requests were refused for their token, and whether it is reachable."""

from __future__ import annotations

from collections.abc import Callable

from worker.acting.circuits import Circuits
from worker.clock import Clock
from worker.errors import Unauthorized, VendorError
from worker.executors.base import AUTH_SECONDS
from worker.model.breaker import Turn
from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics
from worker.retry import action_delay

log = get_logger()

FAILING_SECONDS = 10.0


class Standing:
    """Remembers refusals by kind of action: a token may be good for reading, and for moves but not for releases."""

    def __init__(self, clock: Clock, token: Callable[[], str], metrics: Metrics) -> None:
        self.circuits = Circuits(clock, metrics)
        self._clock = clock
        self._token = token
        self._refused: dict[str, tuple[str, float]] = {}
        self._unreachable_until = 0.0
        self._failing: dict[str, float] = {}
        self._stumbles: dict[str, tuple[int, float]] = {}

    def may_send(self, kind: str) -> bool:
        """Whether a request of this kind has a chance now."""
        now = self._clock.monotonic()
        if now < self._stumbles.get(kind, (0, 0.0))[1] or self.circuits.turn(kind) is Turn.NONE:
            return False
        return now >= max(self._unreachable_until, self._failing.get(kind, 0.0)) and self._accepted(kind)

    def wait(self, kind: str) -> float | None:
        """Seconds until `may_send`, as far as the vendor's refusals go.

        None where the kind waits for a token that is accepted, or failed in a way that nobody foresaw, a moment ago.
        """
        now = self._clock.monotonic()
        if not self._accepted(kind) or now < self._failing.get(kind, 0.0):
            return None
        rests_until = max(self._unreachable_until, self._stumbles.get(kind, (0, 0.0))[1])
        return max(rests_until - now, self.circuits.wait(kind))

    def _accepted(self, kind: str) -> bool:
        """The token was never refused for this kind, is another one now, or it is time to try it again."""
        refused = self._refused.get(kind)
        return refused is None or refused[0] != self._token() or self._clock.monotonic() >= refused[1]

    def note_refusal(self, kind: str, error: VendorError) -> None:
        """Keeps a 401 or 403 in mind, and says so once."""
        if not isinstance(error, Unauthorized):
            return
        if kind not in self._refused:
            log.error("auth.refused", kind=kind, status=error.status, error=error)
        self._refused[kind] = (self._token(), self._clock.monotonic() + AUTH_SECONDS)

    def note_failure(self, kind: str) -> None:
        """A mistake of ours: the kind rests, or it would fail again at once, for ever."""
        self._failing[kind] = self._clock.monotonic() + FAILING_SECONDS

    def note_stumble(self, kind: str) -> None:
        """Its messages could not be looked at: the kind rests, longer each time."""
        count = self._stumbles.get(kind, (0, 0.0))[0] + 1
        self._stumbles[kind] = count, self._clock.monotonic() + action_delay(count)

    def note_steady(self, kind: str) -> None:
        """Its messages could be looked at."""
        self._stumbles.pop(kind, None)

    def note_unreachable(self, refusals: int) -> None:
        """No connection: every lane waits, or a long queue would burn the budget on refusals."""
        self._unreachable_until = self._clock.monotonic() + action_delay(refusals + 1)

    def note_accepted(self, kind: str) -> None:
        """The vendor took a request of this kind."""
        if self._refused.pop(kind, None) is not None:
            log.info("auth.recovered", kind=kind)
