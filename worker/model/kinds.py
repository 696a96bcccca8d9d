"""Every kind of action in one table: what model, store and commands have to know of it. Pure.

To add a kind: its action (`worker/model/actions.py` or a module of its own), a row here, its executor in
`worker/executors`, and the action's name in `worker/playbooks/__init__.py`. Nothing else asks for a kind by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from worker.model.actions import PURGE, Action, Move, Reclassify, Release, Submit
from worker.model.entries import AllowSender, BlockSender, ProtectIdentity, TrustDomain, UnblockSender
from worker.model.events import Detection
from worker.model.sweeps import Sweep
from worker.model.telling import Notify


def _never(_: Detection) -> bool:
    return False


def _not_asked(_: str) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is true of all actions of one kind. The defaults are those of a kind that nobody has heard of."""

    action: type[Action] | None = None
    """What a playbook returns; None where only the worker itself plans it."""
    opposes: frozenset[str] = frozenset()
    """Kinds that cannot be meant beside it for the same message or subject; each names the other."""
    has_subject: bool = False
    """Whether it acts on something else than the message: its identity is the action's `subject`."""
    by_target: bool = True
    """Whether one call has one target. False: it carries many, each action's own."""
    names_messages: bool = True
    """Whether an answer is matched by Message-ID, so that no call may hold one twice."""
    approval: Callable[[str], str] = _not_asked
    """Why a person has to approve it in every mode, by its target; empty where nobody has to."""
    for_good: Callable[[str], str] = lambda _: "it has no inverse"
    """Why nobody can undo it, by its target; empty where `worker undo` can."""
    seen_enough: Callable[[Detection], bool] = _never
    """Whether a row that was read just now is proof enough to act, without another look."""
    confirmed: bool = False
    """Whether its acceptance is confirmed later, by what the vendor's own records show."""
    route: Callable[[Mapping[str, Any]], str] = lambda _: ""
    """What else keeps actions out of one call, by their parameters: one of `routes`."""
    routes: tuple[str, ...] = ("",)
    private: bool = False
    """Whether its parameters hold addresses or text of mail: they grow old as evidence does."""
    aim: str = ""
    """The parameter that is its target; empty where it has no other."""
    apart: bool = False
    """Whether it leaves the vendor alone: it costs no request and no cap of the others, and its calls wait for nothing
    that ails the vendor."""
    collection: str = ""
    """The collection of the tenant's settings that it adds an entry to; empty where it adds none."""
    finds: bool = False
    """Whether it only finds what is to be done: in mode approve that waits for a person, not the finding. No executor
    carries it out."""
    stands: bool = False
    """Whether its effect stays in the way of what opposes it, until it is taken back."""
    displaces: bool = False
    """Whether it changes where the message is: of such, one at a time goes out for a message."""


JOB = "job"
"""The route of moves that the vendor is to carry out as one bulk job."""


def _purge(target: str) -> str:
    return "a purge needs approval in every mode" if target == PURGE else ""


def _purged(target: str) -> str:
    return "purged mail is beyond the reach of its users and of the worker" if target == PURGE else ""


def _in_quarantine(message: Detection) -> bool:
    return message.is_quarantined and "QUARANTINE_RELEASE" not in message.post_delivery_operations


REMOVE = "remove_entry"
"""Takes an entry of the settings back: exactly the one that an action has made. Planned by the worker alone."""
UNBATCHED = frozenset({"impersonation_registry"})
"""Collections of the settings that take no batch: each entry is a request of its own."""


def _entry(action: type[Action], collection: str, *, aim: str = "pattern", **more: Any) -> Kind:
    return Kind(
        action=action,
        aim=aim,
        has_subject=True,
        by_target=False,
        names_messages=False,
        for_good=_not_asked,
        collection=collection,
        **more,
    )


def _lets_past(_: str) -> str:
    return "what lets mail past the filter needs approval in every mode"


ALERT, MISSED, UNNAMED = "", "missed", "unnamed"
"""Ways in which `POST submissions` names messages, one in each call; of the last it cannot be asked."""


def _way(params: Mapping[str, Any]) -> str:
    if "alert_id" in params:
        return ALERT
    complete = all(params.get(name) for name in ("postfix_id", "message_id", "recipient_emails"))
    return MISSED if complete else UNNAMED


_ASKED = Kind(
    by_target=False,
    aim="expected_disposition",
    for_good=lambda _: "the vendor has the request; ask for the old verdict in the dashboard",
    seen_enough=lambda _: True,
    confirmed=True,
    route=_way,
    routes=(ALERT, MISSED, UNNAMED),
    private=True,
)
"""What asks the vendor's analysts for another verdict."""

KINDS: dict[str, Kind] = {
    Move.kind: Kind(
        action=Move,
        routes=("", JOB),
        opposes=frozenset({Release.kind}),
        approval=_purge,
        for_good=_purged,
        seen_enough=lambda message: not message.has_moved,
        displaces=True,
    ),
    Release.kind: Kind(
        action=Release,
        opposes=frozenset({Move.kind}),
        for_good=lambda _: (
            "released mail has been delivered to its recipients; a move can take it out of their mailboxes"
        ),
        seen_enough=_in_quarantine,
        displaces=True,
    ),
    Reclassify.kind: replace(_ASKED, action=Reclassify, opposes=frozenset({Submit.kind})),
    Submit.kind: replace(_ASKED, action=Submit, opposes=frozenset({Reclassify.kind})),
    Notify.kind: Kind(
        action=Notify,
        has_subject=True,
        names_messages=False,
        for_good=lambda _: "what people were told cannot be taken back",
        seen_enough=lambda _: True,
        private=True,
        aim="channel",
        apart=True,
    ),
    Sweep.kind: Kind(
        action=Sweep,
        has_subject=True,
        names_messages=False,
        for_good=lambda _: "it only finds; `worker undo` with its id takes back what came of it",
        private=True,
        aim="destination",
        finds=True,
    ),
    BlockSender.kind: _entry(
        BlockSender,
        "block_senders",
        opposes=frozenset({UnblockSender.kind, AllowSender.kind, TrustDomain.kind, REMOVE}),
    ),
    UnblockSender.kind: _entry(UnblockSender, "", opposes=frozenset({BlockSender.kind})),
    AllowSender.kind: _entry(
        AllowSender,
        "allow_policies",
        opposes=frozenset({BlockSender.kind, REMOVE}),
        approval=_lets_past,
        stands=True,
    ),
    TrustDomain.kind: _entry(
        TrustDomain,
        "trusted_domains",
        opposes=frozenset({BlockSender.kind, REMOVE}),
        approval=_lets_past,
        stands=True,
    ),
    ProtectIdentity.kind: _entry(
        ProtectIdentity, "impersonation_registry", aim="email", opposes=frozenset({REMOVE})
    ),
    REMOVE: Kind(
        aim="pattern",
        opposes=frozenset({BlockSender.kind, AllowSender.kind, TrustDomain.kind, ProtectIdentity.kind}),
        has_subject=True,
        by_target=False,
        names_messages=False,
        for_good=lambda _: "what made the entry can be wanted anew",
        route=lambda params: str(params["collection"]),
    ),
}

ACTION_TYPES: tuple[type[Action], ...] = tuple(one.action for one in KINDS.values() if one.action is not None)
"""What a playbook may return."""

APART = frozenset(name for name, kind in KINDS.items() if kind.apart)
"""Kinds that are counted for themselves."""

FINDS = frozenset(name for name, kind in KINDS.items() if kind.finds)
"""Kinds that no executor carries out."""

_UNHEARD_OF = Kind()


def kind_of(name: str) -> Kind:
    """The facts of a kind; of one that this version does not know, that nothing can be taken for granted."""
    return KINDS.get(name, _UNHEARD_OF)


@lru_cache(maxsize=512)
def lane_of(kind: str, target: str, route: str = "") -> str:
    """What may share one call: the kind, its target where one call has one, and whatever else must be alike."""
    return ":".join(filter(None, (kind, target if kind_of(kind).by_target else "", route)))


def carrier(lane: str, kind: str) -> str:
    """Who carries out the calls of a lane, as executors are named: its kind, and the route where that has its own."""
    return f"{kind}:{JOB}" if kind == Move.kind and lane.endswith(f":{JOB}") else kind


def confirmed_lanes() -> list[str]:
    """The lanes of everything that is confirmed later; it has no targets of its own."""
    return [
        lane_of(name, "", route) for name, kind in KINDS.items() if kind.confirmed for route in kind.routes
    ]


def target_in(kind: str, params: Mapping[str, Any]) -> str:
    """The target of an action by its parameters, as people are shown it."""
    aim = kind_of(kind).aim
    return str(params.get(aim, "") if aim else next(iter(params.values()), ""))


def contradicts(kind: str, target: str, other_kind: str, other_target: str) -> bool:
    """Whether two wishes for one message or subject cannot both be meant: two targets of one kind, or two kinds."""
    if kind == other_kind:
        return target != other_target
    return other_kind in kind_of(kind).opposes


@lru_cache(maxsize=512)
def needs_approval(kind: str, target: str) -> str:
    """Why a person has to approve it in every mode; empty where the playbook's own mode decides."""
    return kind_of(kind).approval(target)


def irreversible(kind: str, target: str) -> str:
    """Why nobody can undo such an action once it is done; empty where `worker undo` can."""
    return kind_of(kind).for_good(target)
