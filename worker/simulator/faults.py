"""Faults that the simulator can commit, and the plan that picks them, deterministic from the seed."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Annotated, Literal, get_args

import msgspec

PathClass = Literal[
    "list", "get", "action_log", "move", "release", "reclassify", "submissions", "reports", "verify", "search",
    "submit",
    "detections", "raw", "trace", "preview", "preview_create",
    "settings", "settings_write", "settings_batch", "jobs", "job_create", "job_cancel", "job_delete",
]  # fmt: skip
Kind = Literal[
    "500",
    "429",
    "401",
    "202",
    "drop",
    "slow",
    "html",
    "empty",
    "success_false",
    "cursor_loop",
    "poison",
    "partial",
    "job_failed",
]
IN_HANDLER: dict[Kind, frozenset[PathClass]] = {
    "202": frozenset({"list"}),
    "cursor_loop": frozenset({"list"}),
    "poison": frozenset({"list"}),
    "partial": frozenset({"move", "release", "job_create", "submit"}),
    "job_failed": frozenset({"job_create"}),
}
"""Kinds that change what a handler answers, and the path classes whose handlers know them."""


class Fault(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One fault: where it strikes, how often, and what it does. Times are seconds.

    Kinds: `500`, `429` and `401` answer with that status; `202` makes a search wait behind a Location;
    `drop` closes the connection; `slow` waits `seconds`; `html` and `empty` are bodies with status 200;
    `success_false` is a refusal with status 200; `cursor_loop` repeats a page's own cursor as `next`;
    `poison` spoils a row; `partial` fails some recipients, also later in a bulk job that it strikes at its creation, or
    messages of a submission (those named in `recipients` by alert or postfix id);
    `job_failed` lets such a job fail at its search.
    """

    on: PathClass | Literal["any"]
    kind: Kind
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    """Chance that it strikes a request."""
    skip: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Requests of the class that are left alone first."""
    count: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """How often it strikes; None without end."""
    after: bool = False
    """The request takes effect first, and only its answer is spoiled."""
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    """The wait of `slow`; the retry-after of `429`."""
    retry_after: Literal["seconds", "http-date", "absurd", "missing"] = "seconds"
    """How a `429` says when to come back."""
    polls: Annotated[int, msgspec.Meta(ge=0)] = 2
    """How often the Location of a `202` answers 202 again before it answers."""
    location: str | None = None
    """The Location of a `202`; None is the true one."""
    poison: Literal["types", "missing", "surrogate", "enum", "nan"] = "types"
    """`types` and `missing` add a row that is no message; the others spoil the page's first row."""
    rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    """Chance of `partial` for each recipient."""
    recipients: tuple[str, ...] = ()
    """Recipients that `partial` fails; empty means by `rate`."""

    def __post_init__(self) -> None:
        known = IN_HANDLER.get(self.kind)
        if known and self.on != "any" and self.on not in known:
            raise ValueError(f"fault {self.kind} strikes {', '.join(sorted(known))}, not {self.on}")

    def strikes(self, path_class: PathClass) -> bool:
        """Whether the fault concerns requests of this class."""
        return self.on in ("any", path_class) and path_class in IN_HANDLER.get(self.kind, get_args(PathClass))


def parse_fault(text: str) -> Fault:
    """Reads `CLASS:KIND[:key=value,...]`, like `move:drop:after=true,probability=0.2`.

    Several recipients are joined by `+`. Raises ValueError that names what is wrong.
    """
    on, _, rest = text.partition(":")
    kind, _, options = rest.partition(":")
    values: dict[str, object] = {"on": on, "kind": kind}
    for part in filter(None, options.split(",")):
        key, _, value = part.partition("=")
        values[key] = value.split("+") if key == "recipients" else value
    try:
        return msgspec.convert(values, Fault, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"fault {text!r}: {error}") from error


class FaultPlan:
    """The faults in force. At most one strikes a request: the first that is due."""

    def __init__(self, seed: int, faults: Iterable[Fault] = ()) -> None:
        self._seed = seed
        self.replace(faults)

    def replace(self, faults: Iterable[Fault]) -> None:
        """Puts other faults in force; counts and chances start anew."""
        self.random = Random(f"{self._seed}/faults")
        self._armed = [_Armed(fault) for fault in faults]

    def pick(self, path_class: PathClass) -> Fault | None:
        """The fault that strikes this request, if any."""
        for armed in self._armed:
            if armed.fault.strikes(path_class) and armed.due(self.random):
                return armed.fault
        return None

    def victims(self, fault: Fault | None, recipients: Iterable[str]) -> frozenset[str]:
        """The recipients for whom a `partial` fault makes the action fail."""
        if fault is None or fault.kind != "partial":
            return frozenset()
        if fault.recipients:
            return frozenset(fault.recipients).intersection(recipients)
        return frozenset(name for name in recipients if self.random.random() < fault.rate)


class _Armed:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._seen = 0
        self._struck = 0

    def due(self, random: Random) -> bool:
        self._seen += 1
        if self._seen <= self.fault.skip or self._struck == self.fault.count:
            return False
        if random.random() >= self.fault.probability:
            return False
        self._struck += 1
        return True
