"""Makes recorded decisions again, through the playbooks that are there now, and compares. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from worker.model import known
from worker.model.actions import Mode
from worker.model.history import recorded
from worker.model.plans import SOURCES, Sighting
from worker.model.replay import Judgement, PastDecision, Replayed, Wanted
from worker.pipeline import decide
from worker.playbooks.loader import Catalogue

_NO_TIME = datetime.fromtimestamp(0, UTC)
"""What a playbook without a context does not see."""
_canonical = msgspec.json.Encoder(order="deterministic").encode
Named = tuple[str, bytes]
"""Kind and canonical parameters of a wish."""
FAILED: Named = ("", b"")
"""Stands for a decision that was not made; its reason says why."""
Wants = Mapping[str, Mapping[Named, str]]
"""What each playbook wants, with its reason."""


def judge(past: PastDecision, catalogue: Catalogue) -> Iterator[Judgement]:
    """One judgement for each recorded decision on the event."""
    if past.spoiled is not None:
        for one in past.wanted:
            yield Judgement(one.seq, one.action_id, past.spoiled)
        return
    gone = _unavailable(past, catalogue)
    asked = {playbook for one in past.wanted for playbook in one.playbooks if playbook not in gone}
    try:
        now = _decide_again(past, catalogue, asked)
    except (msgspec.MsgspecError, ValueError, KeyError) as error:
        now = {playbook: {FAILED: f"cannot be asked: {type(error).__name__}"} for playbook in asked}
    for number, one in enumerate(past.wanted):
        extra = _not_recorded(past, now) if not number else ""
        yield _judge(one, now, gone, extra)


def _unavailable(past: PastDecision, catalogue: Catalogue) -> dict[str, Replayed]:
    """The playbooks of the decision that cannot be asked again as they were asked then."""
    loaded = {playbook.id: playbook for playbook in catalogue.playbooks}
    same_lists = past.context is not None and past.context.get("lists") == catalogue.lists.digest
    gone: dict[str, Replayed] = {}
    for one in past.wanted:
        for name, version in one.playbooks.items():
            if name not in loaded or loaded[name].version != version:
                gone[name] = Replayed.VERSION_GONE
            elif loaded[name].sees_context and not same_lists:
                gone[name] = Replayed.LISTS_CHANGED
    return gone


def _decide_again(past: PastDecision, catalogue: Catalogue, asked: Collection[str]) -> Wants:
    event = msgspec.json.decode(past.body, type=SOURCES[past.source])
    sighting = Sighting(past.source, past.key, past.revision, event, None)
    context: Mapping[str, Any] = past.context or {"now": _NO_TIME.isoformat()}
    histories = {sighting.message.id: recorded(context)} if sighting.message is not None else {}
    now = datetime.fromisoformat(context["now"])
    views = {}
    if past.enrichment and sighting.message is not None:
        views[sighting.message.id] = known.decode(past.enrichment)
    (decided,) = decide([sighting], catalogue, Mode.ENFORCE, now, histories, only=asked, views=views)
    wants: dict[str, dict[Named, str]] = defaultdict(dict)
    for wish in decided.wishes:
        for vote in wish.votes:
            wants[vote.playbook][_named(wish.action.kind, wish.action.params)] = wish.action.reason
    for failure in decided.failures:
        wants[failure.playbook][FAILED] = failure.error
    return wants


def _named(kind: str, params: Mapping[str, Any]) -> Named:
    return kind, _canonical(params)


def _judge(one: Wanted, now: Wants, gone: Mapping[str, Replayed], extra: str) -> Judgement:
    different = extra
    for playbook in sorted(one.playbooks.keys() - gone.keys()):
        different = _difference(one, playbook, now.get(playbook, {})) or different
    if different:
        return Judgement(one.seq, one.action_id, Replayed.DIFFERENT, different)
    missing = sorted(one.playbooks.keys() & gone.keys())
    if missing:
        return Judgement(one.seq, one.action_id, gone[missing[0]], ", ".join(missing))
    return Judgement(one.seq, one.action_id, Replayed.SAME)


def _difference(one: Wanted, playbook: str, wants: Mapping[Named, str]) -> str:
    wish = _named(one.kind, one.params)
    if wish not in wants:
        return f"{playbook} now {wants[FAILED] if FAILED in wants else f'wants {_told(wants)}'}"
    # Of several playbooks that agree, the log has the reason of one.
    return f"{playbook} gives another reason" if len(one.playbooks) == 1 and wants[wish] != one.reason else ""


def _not_recorded(past: PastDecision, now: Wants) -> str:
    """What a playbook wants now and did not want then."""
    then = {(playbook, _named(one.kind, one.params)) for one in past.wanted for playbook in one.playbooks}
    for playbook, wants in now.items():
        more = [wish for wish in wants if wish != FAILED and (playbook, wish) not in then]
        if more:
            return f"{playbook} now also wants {_told(more)}"
    return ""


def _told(wishes: Collection[Named]) -> str:
    return ", ".join(f"{kind} {params.decode()}" for kind, params in sorted(wishes)) or "nothing"
