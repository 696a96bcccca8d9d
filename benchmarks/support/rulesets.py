"""A hundred rules, each written for every contestant of `matching.py`; they must find the same."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from worker.model.events import Detection, Validation
from worker.playbooks import Move
from worker.playbooks.conditions import (
    Condition,
    delivered,
    disposition,
    dmarc,
    moved,
    quarantined,
    recipient,
    sender,
    sender_domain,
    subject_contains,
    threat_category,
)

VERDICTS = ("MALICIOUS", "SUSPICIOUS", "SPOOF", "SPAM", "BULK", "NONE")
BENIGN = 0.7
"""Of the messages; the others have any verdict."""
CATEGORIES = tuple(f"Category{number}" for number in range(40))
WORDS = (
    "invoice",
    "payment",
    "password",
    "parcel",
    "salary",
    "urgent",
    "contract",
    "refund",
    "voice",
    "scan",
)
DOMAINS = tuple(f"domain{number}.example" for number in range(400))
PEOPLE = tuple(f"user{number}@corp.example" for number in range(200))


class Part(NamedTuple):
    """One condition in every writing."""

    python: str
    """A Python expression on the message `m`."""
    when: Condition
    engine: str
    """In the language of the package rule-engine."""
    panther: str
    """A Python expression on a mapping `e`, as Panther's rules read it."""


class Ruled(NamedTuple):
    """One rule in every writing: all of its parts hold."""

    python: str
    when: tuple[Condition, ...]
    engine: str
    panther: str


def rules() -> list[Ruled]:
    """Twenty of each of five shapes, as a team has them: half begin with what decides soonest, half do not."""
    return [_all(parts if number % 2 else parts[::-1]) for number in range(20) for parts in _shapes(number)]


def _all(parts: Sequence[Part]) -> Ruled:
    return Ruled(
        " and ".join(one.python for one in parts),
        tuple(one.when for one in parts),
        " and ".join(one.engine for one in parts),
        " and ".join(one.panther for one in parts),
    )


def _shapes(number: int) -> list[list[Part]]:
    verdict, category, word = VERDICTS[number % 5], CATEGORIES[number], WORDS[number % 10]
    domains, person = DOMAINS[number * 7 : number * 7 + 3], PEOPLE[number]
    address = f"user{number}@{DOMAINS[number]}"
    judged = Part(
        f'm.final_disposition == "{verdict}"',
        disposition(verdict),
        f'final_disposition == "{verdict}"',
        f'e.get("final_disposition") == "{verdict}"',
    )
    return [
        [judged, _from(domains), DELIVERED],
        [_categorised(category), FORGED, UNMOVED],
        [
            judged,
            Part(
                f'"{word}" in (m.subject or "").lower()',
                subject_contains(word),
                f'subject.as_lower =~~ "{word}"',
                f'"{word}" in (e.get("subject") or "").lower()',
            ),
        ],
        [
            Part(
                f'"{person}" in m.client_recipients',
                recipient(person),
                f'"{person}" in client_recipients',
                f'"{person}" in e.get("client_recipients", [])',
            ),
            judged,
        ],
        [
            Part(
                f'(m.sender or "").lower() == "{address}"',
                sender(address),
                f'sender.as_lower == "{address}"',
                f'(e.get("sender") or "").lower() == "{address}"',
            ),
            HELD,
        ],
    ]


def _from(domains: Sequence[str]) -> Part:
    return Part(
        f"m.sender_domain in {tuple(domains)}",
        sender_domain(*domains),
        f"sender_domain in {[*domains]}",
        f'e.get("sender_domain") in {tuple(domains)}',
    )


def _categorised(category: str) -> Part:
    return Part(
        f'"{category}" in m.threat_categories',
        threat_category(category),
        f'"{category}" in threat_categories',
        f'"{category}" in e.get("threat_categories", [])',
    )


DELIVERED = Part(
    "m.is_delivered",
    delivered(),
    '"delivered" in delivery_status',
    '"delivered" in e.get("delivery_status", [])',
)
UNMOVED = Part(
    "not m.has_moved",
    ~moved(),
    'not ("MOVE" in post_delivery_operations)',
    '"MOVE" not in e.get("post_delivery_operations", [])',
)
FORGED = Part(
    'm.validation.dmarc == "fail"',
    dmarc("fail"),
    'validation.dmarc == "fail"',
    'e.deep_get("validation", "dmarc") == "fail"',
)
HELD = Part("m.is_quarantined", quarantined(), "is_quarantined", 'e.get("is_quarantined")')


def events(count: int, seed: int = 1) -> list[Detection]:
    """Messages as a tenant has them: the list shows benign mail too, few are quarantined, most have no category."""
    rng = random.Random(seed)
    return [_event(number, rng) for number in range(count)]


def _event(number: int, rng: random.Random) -> Detection:
    held = rng.random() < 0.1
    return Detection(
        id=f"m{number}",
        subject=f"{rng.choice(WORDS).title()} {number} for you" if rng.random() < 0.3 else f"Notes {number}",
        final_disposition="NONE" if rng.random() < BENIGN else rng.choice(VERDICTS),
        sender=f"User{rng.randrange(60)}@{rng.choice(DOMAINS)}",
        client_recipients=(rng.choice(PEOPLE),),
        threat_categories=(rng.choice(CATEGORIES),) if rng.random() < 0.3 else (),
        delivery_status=("quarantined",) if held else ("delivered",),
        is_quarantined=held,
        validation=Validation(dmarc=rng.choice(("pass", "pass", "fail", None))),
    )


def predicates() -> list[tuple[str, Callable[[Detection], bool]]]:
    """Bare Python: an expression each."""
    return [(f"r{number}", eval(f"lambda m: {one.python}")) for number, one in enumerate(rules())]  # noqa: S307 - ours


def functions() -> list[tuple[str, Callable[[Detection], Move | None]]]:
    """The same as the bodies of plain playbooks."""
    made = []
    for number, one in enumerate(rules()):
        names: dict[str, Any] = {"Move": Move}
        body = f'    if {one.python}:\n        return Move(m, to="JunkEmail", reason="r{number}")\n    return None\n'
        exec(f"def rule(m):\n{body}", names)  # noqa: S102 - ours
        made.append((f"r{number}", names["rule"]))
    return made


def panther() -> Sequence[tuple[str, Mapping[str, Callable[..., Any]]]]:
    """Modules as panther-analysis has them: `rule`, and what is asked of a hit."""
    made = []
    for number, one in enumerate(rules()):
        names: dict[str, Any] = {}
        text = (
            f"def rule(e):\n    return {one.panther}\n"
            f"def title(e):\n    return f\"r{number}: {{e.get('id')}}\"\n"
            "def dedup(e):\n    return e.get('id')\n"
            "def alert_context(e):\n    return {'subject': e.get('subject')}\n"
        )
        exec(text, names)  # noqa: S102 - ours
        made.append((f"r{number}", names))
    return made
