"""Every error the worker raises on purpose, split by what the caller does next. Messages say what, where, remedy."""

from __future__ import annotations

_NO_ROUTE = frozenset({7000, 7003})
"""What the gateway says where it has no route for a URI (API reference, Making API calls)."""


class WorkerError(Exception):
    """Root of the worker's own errors."""


class UsageError(WorkerError):
    """The person who started the command can mend it: one line on stderr, exit code 2."""


class StoreError(WorkerError):
    """The database cannot be used as it is."""


class Damaged(StoreError):
    """The database's file is corrupt: nothing is done on it any more, until a person has restored it."""


class VendorError(WorkerError):
    """Something about a request to the vendor. `status` is the HTTP status, `ray` the vendor's request id."""

    def __init__(self, message: str, *, status: int | None = None, ray: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.ray = ray


class Transient(VendorError):
    """Nothing was accepted (refused connection, DNS, TLS; for reads also 5xx and time-outs): try again later."""


class Unreachable(Transient):
    """No connection was made: nothing can be asked of the vendor now."""


class SlowSearch(Transient):
    """A search that did not end in time: a shorter window, or messages by their ids, may still be answered."""


class RateLimited(VendorError):
    """429: nothing was accepted; every request waits `retry_after` seconds (bounded; None where the vendor gave none)."""

    def __init__(
        self, message: str, *, retry_after: float | None, status: int | None = 429, ray: str | None = None
    ) -> None:
        super().__init__(message, status=status, ray=ray)
        self.retry_after = retry_after


class Unauthorized(VendorError):
    """401 or 403: nothing was accepted and nothing will be until the token is mended."""


class Refused(VendorError):
    """Another 4xx: nothing was accepted, and the same request will be refused again. `codes` are the API's codes."""

    def __init__(
        self, message: str, *, status: int | None = None, ray: str | None = None, codes: tuple[int, ...] = ()
    ) -> None:
        super().__init__(message, status=status, ray=ray)
        self.codes = codes

    @property
    def unrouted(self) -> bool:
        """Whether the gateway knew no way for the request: nobody has looked at what it is about."""
        return not _NO_ROUTE.isdisjoint(self.codes)


class AnswerLost(VendorError):
    """A write got no usable answer (time-out, reset, 5xx): its effect is unknown until it is read back."""


class BadAnswer(VendorError):
    """An answer that cannot be believed (not JSON, wrong shape, too large, success false with 200)."""


class TooLarge(BadAnswer):
    """An answer to a read that goes on beyond its bound: it will do so the next time too."""


def first_error(error: BaseException) -> BaseException:
    """The first of those that a task group wrapped; any other error itself."""
    return first_error(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
