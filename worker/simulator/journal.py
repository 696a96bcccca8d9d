"""The log of requests that reached the vendor's paths, for tests to count and to time."""

from __future__ import annotations

from collections import Counter

import msgspec


class Request(msgspec.Struct, kw_only=True):
    """One request: its number from 1, arrival in seconds since 1970, the status, None if unanswered.

    `ids` are the messages that a write names. Its number is also in the answer's `CF-Ray` (`ray`).
    """

    number: int
    at: float
    method: str
    path: str
    endpoint: str
    ids: tuple[str, ...] = ()
    status: int | None = None

    @property
    def ray(self) -> str:
        """The id by which the vendor calls the request: 16 hexadecimal digits and a data centre."""
        return f"{self.number:016x}-SIM"


class Journal:
    """All requests in order of arrival."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def open(self, at: float, method: str, path: str, endpoint: str) -> Request:
        """Records the arrival of a request."""
        request = Request(number=len(self.requests) + 1, at=at, method=method, path=path, endpoint=endpoint)
        self.requests.append(request)
        return request

    def counts(self) -> dict[str, dict[str, int]]:
        """Requests by endpoint and by status; status `none` was not answered."""
        counts: dict[str, Counter[str]] = {}
        for request in self.requests:
            status = "none" if request.status is None else str(request.status)
            counts.setdefault(request.endpoint, Counter())[status] += 1
        return {endpoint: dict(by_status) for endpoint, by_status in counts.items()}
