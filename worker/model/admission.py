"""Who may act, how much, and what waits for a person: the rules of a plan's closing. Pure.

A plan is what one playbook wants from one poll. Several playbooks that want the same thing share one action,
which counts in each of their plans.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from worker.model.actions import Mode, State, highest_mode, lower_mode
from worker.model.caps import Usage, breach, in_force
from worker.model.kinds import APART, REMOVE, contradicts, kind_of, needs_approval
from worker.model.plans import Ceilings, Vote

WAITS = "waits for approval"
"""Why an action is held that only its mode holds."""


class Candidate(Struct, frozen=True, gc=False):
    """One action of an open plan with the votes for it."""

    action_id: str
    about: str
    """The message, or the subject of a kind that acts on something else."""
    kind: str
    target: str
    votes: tuple[Vote, ...]
    cause: str = ""
    """The id of the action that this one undoes."""
    asks: str = ""
    """Why a person has to approve just this one, whoever wants it; empty where nobody has to."""

    def mode(self, ceiling: Mode) -> Mode:
        """The highest of the votes' modes, under the ceiling."""
        votes = self.votes
        own = votes[0].mode if len(votes) == 1 else highest_mode(vote.mode for vote in votes)
        return own if own is ceiling else lower_mode(own, ceiling)


class Existing(Struct, frozen=True, gc=False):
    """A live action on the same message or subject, from an earlier poll or another source."""

    action_id: str
    about: str
    kind: str
    target: str
    state: State
    cause: str = ""
    waits: bool = False
    """Whether its mode alone holds it, or that it is a mere sibling: an enforcing playbook that agrees lets it go."""


class Ruling(Struct, frozen=True, gc=False):
    """The state that an action leaves its open plan with, and why."""

    action_id: str
    state: State
    mode: Mode
    why: str = ""
    joins: str = ""
    """The id of the live action of the same identity that stands for this one; READY lets that one go."""


class Rulings(Struct, frozen=True, gc=False):
    """One ruling for each candidate, the held plans' reasons, and the earlier actions to hold beside them."""

    rulings: tuple[Ruling, ...]
    held_plans: Mapping[str, str]
    also_hold: Mapping[str, str]


def rule(
    candidates: Sequence[Candidate],
    existing: Iterable[Existing],
    usage: Usage,
    ceilings: Ceilings,
    polled: int | None = None,
) -> Rulings:
    """Decides every candidate of one poll, which brought `polled` messages (None: it decides old ones again)."""
    existing = tuple(existing)
    by_about: dict[str, list[Existing]] = defaultdict(list)
    for other in existing:
        by_about[other.about].append(other)
    joins = _joins(candidates, by_about, ceilings.mode)
    candidates = _with_joined_votes(candidates, joins)
    lets_go = _lets_go(candidates, joins, existing, ceilings.mode)
    acting = [
        one
        for one in candidates
        if (one.action_id not in joins or one.action_id in lets_go)
        and one.mode(ceilings.mode) is not Mode.SHADOW
    ]
    telling = [one for one in acting if one.kind in APART]
    doing = [one for one in acting if one.kind not in APART] if telling else acting
    held_plans = _breaches(doing, usage, ceilings, polled)
    # What people are told takes nothing from what may be done to mail, but waits for it where it has to wait.
    held_apart = {**_breaches(telling, usage.apart or Usage(), ceilings, polled), **held_plans}
    clashes, also_hold = _clashes(acting, by_about)
    rulings = []
    for one in candidates:
        mode = one.mode(ceilings.mode)
        held = held_apart if one.kind in APART else held_plans
        if one.action_id in lets_go and not _why_held(one, mode, held, clashes, ceilings.mode):
            rulings.append(Ruling(one.action_id, State.READY, mode, joins=joins[one.action_id]))
        elif one.action_id in joins:
            rulings.append(
                Ruling(one.action_id, State.SKIPPED, mode, "the same action exists", joins[one.action_id])
            )
        elif mode is Mode.SHADOW:
            rulings.append(Ruling(one.action_id, State.SHADOWED, mode))
        elif why := _why_held(one, mode, held, clashes, ceilings.mode):
            rulings.append(Ruling(one.action_id, State.HELD, mode, why))
        else:
            rulings.append(Ruling(one.action_id, State.READY, mode))
    return Rulings(tuple(rulings), held_apart, also_hold)


def clashes(coming_back: Sequence[Candidate], others: Iterable[Existing]) -> dict[str, str]:
    """Whom to hold, and why, where what is to be sent again meets what was planned while it was under way."""
    by_about: dict[str, list[Existing]] = defaultdict(list)
    for other in others:
        by_about[other.about].append(other)
    mine, also = _clashes(coming_back, by_about)
    return {**also, **mine}


def _joins(
    candidates: Sequence[Candidate], by_about: Mapping[str, list[Existing]], ceiling: Mode
) -> dict[str, str]:
    """Candidates that a live action of the same identity stands for, by its id. Shadow never joins."""
    joins: dict[str, str] = {}
    first: dict[tuple[str, str, str, str], str] = {}
    for one in candidates:
        if one.mode(ceiling) is Mode.SHADOW:
            continue
        identity = (one.about, one.kind, one.target, one.cause)
        live = (
            other.action_id
            for other in by_about.get(one.about, ())
            if (other.kind, other.target, other.cause) == identity[1:]
        )
        twin = next(live, None) or first.get(identity)
        if twin is not None:
            joins[one.action_id] = twin
        else:
            first[identity] = one.action_id
    return joins


def _lets_go(
    candidates: Sequence[Candidate], joins: Mapping[str, str], existing: Iterable[Existing], ceiling: Mode
) -> frozenset[str]:
    """Candidates of an enforcing playbook that join what an approving one left waiting: the highest mode acts."""
    waiting = {other.action_id for other in existing if other.waits}
    first: dict[str, str] = {}
    for one in candidates:
        twin = joins.get(one.action_id)
        if twin in waiting and one.mode(ceiling) is Mode.ENFORCE and not one.asks:
            first.setdefault(str(twin), one.action_id)
    return frozenset(first.values())


def _with_joined_votes(candidates: Sequence[Candidate], joins: Mapping[str, str]) -> Sequence[Candidate]:
    """The candidates, each with the votes of those that join it: the highest mode acts, every plan counts."""
    joining: dict[str, list[Vote]] = defaultdict(list)
    for one in candidates:
        # What needs a person itself speaks for nothing else.
        if one.action_id in joins and not one.asks:
            joining[joins[one.action_id]].extend(one.votes)
    return [
        replace(one, votes=(*one.votes, *joining[one.action_id])) if one.action_id in joining else one
        for one in candidates
    ]


def _breaches(
    acting: Sequence[Candidate], usage: Usage, ceilings: Ceilings, polled: int | None
) -> dict[str, str]:
    """Plans over a cap, by playbook, with the reason. An enforcing plan over its cap is held whole."""
    votes: dict[str, dict[str, Vote]] = defaultdict(dict)
    for one in acting:
        for vote in one.votes:
            if lower_mode(vote.mode, ceilings.mode) is Mode.ENFORCE:
                votes[vote.playbook][one.action_id] = vote
    held: dict[str, str] = {}
    admitted: set[str] = set()
    for playbook, cast in sorted(votes.items()):
        why = breach(
            playbook,
            len(cast),
            len(cast.keys() - admitted),
            in_force(list(cast.values()), ceilings),
            usage._replace(hour_all=usage.hour_all + len(admitted), day_all=usage.day_all + len(admitted)),
            ceilings,
            polled,
        )
        if why:
            held[playbook] = why
        else:
            admitted |= cast.keys()
    return held


def _clashes(
    acting: Sequence[Candidate], by_about: Mapping[str, list[Existing]]
) -> tuple[dict[str, str], dict[str, str]]:
    """Contradictions: candidates to hold, and unsent earlier actions to hold beside them, each with the reason."""
    new: dict[str, list[Candidate]] = defaultdict(list)
    for one in acting:
        new[one.about].append(one)
    clashes: dict[str, str] = {}
    also_hold: dict[str, str] = {}
    for about, group in new.items():
        known = by_about.get(about, ())
        if len(group) == 1 and not known:
            continue
        unsent = [old for old in known if old.state in (State.HELD, State.READY)]
        standing = [old for old in known if old.state is State.SUCCEEDED and kind_of(old.kind).stands]
        for one in group:
            if undo := _put_back(one, known):
                clashes[one.action_id] = _undone(undo)
                continue
            others = [other for other in group if _contradict(one, other)]
            earlier = [old for old in unsent if _contradict(one, old) or _crosses(one, old)]
            also_hold.update((old.action_id, _undone(one) if one.cause else _clash(one)) for old in earlier)
            # A person's undo waits for no playbook.
            against: list[Candidate | Existing] = [*others, *earlier]
            against += [old for old in standing if _contradict(one, old)]
            if against and not one.cause:
                clashes[one.action_id] = _clash(against[-1])
    return clashes, also_hold


def _put_back(one: Candidate, known: Iterable[Existing]) -> Existing | None:
    """The undo that a playbook's wish would work against: a person has decided about this message."""
    if one.cause:
        return None
    undos = [old for old in known if old.cause and old.state is not State.REJECTED]
    return next((old for old in undos if _contradict(one, old) or _crosses(old, one)), None)


def _crosses(undo: Candidate | Existing, wish: Candidate | Existing) -> bool:
    """Whether an undo that is still on its way meets a playbook's move of the message, wherever that goes."""
    done = isinstance(undo, Existing) and undo.state is State.SUCCEEDED
    return bool(undo.cause) and not wish.cause and undo.kind == wish.kind and not done


def _contradict(one: Candidate, other: Candidate | Existing) -> bool:
    return contradicts(one.kind, one.target, other.kind, other.target)


def _undone(undo: Candidate | Existing) -> str:
    if undo.kind == REMOVE:
        return f"it is being taken back, or has been ({undo.action_id})"
    return f"a person has it put back to {undo.target} ({undo.action_id})"


def _clash(other: Candidate | Existing) -> str:
    return f"contradicts {other.kind} {other.target}".rstrip() + f" ({other.action_id})"


def _why_held(
    one: Candidate, mode: Mode, held_plans: Mapping[str, str], clashes: Mapping[str, str], ceiling: Mode
) -> str:
    if one.action_id in clashes:
        return clashes[one.action_id]
    if why := needs_approval(one.kind, one.target) or one.asks:
        return why
    if mode is Mode.APPROVE and not kind_of(one.kind).finds:
        return WAITS
    over = (
        held_plans[vote.playbook]
        for vote in one.votes
        if vote.playbook in held_plans and lower_mode(vote.mode, ceiling) is Mode.ENFORCE
    )
    return next(over, "")
