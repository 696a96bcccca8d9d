"""The vendor's rate limit: 1200 requests per 300 s, and whoever exceeds it is blocked for 300 s."""

from __future__ import annotations

import math
from collections import deque


class RateLimit:
    """A sliding window of requests with a penalty; the caller passes the time in seconds."""

    def __init__(self, limit: int, window: float) -> None:
        self._limit = limit
        self._window = window
        self._admitted: deque[float] = deque()
        self._blocked_until = -math.inf

    def admit(self, now: float) -> bool:
        """Counts one request; the first one over the limit starts the penalty. False while it lasts."""
        self._forget(now)
        if now < self._blocked_until:
            return False
        if len(self._admitted) >= self._limit:
            self._blocked_until = now + self._window
            return False
        self._admitted.append(now)
        return True

    def retry_after(self, now: float) -> int:
        """Whole seconds until the penalty ends."""
        return max(0, math.ceil(self._blocked_until - now))

    def headers(self, now: float) -> dict[str, str]:
        """`Ratelimit` and `Ratelimit-Policy` as the vendor sends them with every answer."""
        self._forget(now)
        blocked = now < self._blocked_until
        remaining = 0 if blocked else self._limit - len(self._admitted)
        oldest = self._admitted[0] if self._admitted else now
        reset = self.retry_after(now) if blocked else math.ceil(oldest + self._window - now)
        return {
            "Ratelimit": f'"default";r={remaining};t={reset}',
            "Ratelimit-Policy": f'"default";q={self._limit};w={math.ceil(self._window)}',
        }

    def _forget(self, now: float) -> None:
        while self._admitted and self._admitted[0] <= now - self._window:
            self._admitted.popleft()
