"""Reports for tests of what is made of them."""

from __future__ import annotations

from msgspec.structs import replace

from tests.builders import ENFORCE, NOW, at, catalogue, detection, playbook, sighting
from worker.backtest.report import Report
from worker.backtest.reporting import Backtest, Other, Terms
from worker.backtest.seen import Deed, Seen
from worker.model.actions import Action, Move
from worker.model.enrichment import Details
from worker.model.events import Detection
from worker.playbooks.declaration import Caps

HOSTILE = (
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "\"' onmouseover=alert(1) x='",
    "<!--<script>",
    "evil\u202emoc.elpmaxe\u0000\x1b[31m",
    "javascript:alert(1)//${alert(1)}`{{7*7}}",
    "&lt;script&gt; ]]> %3Cscript%3E",
)
"""Subjects that would run if one place forgot to escape."""


def junk(message: Detection) -> Action | None:
    """Wants whatever is malicious gone."""
    if message.final_disposition != "MALICIOUS":
        return None
    return Move(message, to="JunkEmail", reason=message.subject or "")


def curious(message: Detection) -> Action | None:
    """Reads what is not there."""
    details: Details | None = message.details
    return None if details is None else Move(message, to="JunkEmail")


def hostile_report(messages: int = 60) -> Report:
    """Every part of a report has something in it, and most of it comes from an attacker."""
    caps = Caps(per_poll=3, per_hour=20)
    known = catalogue(
        playbook(junk, "junk", caps=caps),
        playbook(
            lambda message: Move(message, to="Inbox") if "img" in (message.subject or "") else None, "back"
        ),
        playbook(curious, "curious", needs=["details"]),
        playbook(lambda message: 1 / 0 if message.id == "m1" else None, "broken"),
    )
    then = catalogue(playbook(lambda _: None, "junk", version="v0"), playbook(lambda _: None, "gone"))
    terms = Terms(ENFORCE, 30.0, rows=1000, notes=[HOSTILE[0]])
    backtest = Backtest(known, terms, Other(then, "<b>main</b>", "c0ffee"))
    backtest.take(_seen(number) for number in range(messages))
    return backtest.report("vendor", "rules", 1.0, stopped=HOSTILE[1])


def _seen(number: int) -> Seen:
    text = HOSTILE[number % len(HOSTILE)]
    when = NOW + number * 900
    message = detection(
        f"m{number}",
        subject=text,
        final_disposition="MALICIOUS" if number % 3 else text[:20],
        sender=f"{text}@evil.example",
        client_recipients=(f"{text}@corp.example", "ann@corp.example"),
        scanned_at=at(when),
    )
    deeds = (Deed("move", text, text),) if number % 4 == 0 else ()
    return Seen(replace(sighting(message), occurred_at=when), when, None, deeds)
