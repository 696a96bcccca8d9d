from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.builders import catalogue, detection, playbook, report, submission
from worker.backtest.again import decide_again, example
from worker.backtest.redacting import FIELDS, KEPT, Redactor, vocabulary
from worker.model.actions import Action, Move
from worker.model.enrichment import (
    Attachment,
    Details,
    Header,
    Link,
    LogEntry,
    Raw,
    Trace,
    TraceLine,
    TraceSide,
)
from worker.model.events import Detection, PhishReport, Properties, ReportFields, Validation
from worker.model.known import Enrichment
from worker.playbooks.conditions import disposition, moved, subject_matches
from worker.playbooks.context import Context
from worker.playbooks.examples import event_of, hit, miss
from worker.playbooks.loader import load
from worker.playbooks.saved import Saved, read_line, write

RULES = Path(__file__).parents[2] / "rules"
SECRET = "Geheimnis"
"""Stands in every text that may be private; nothing of it may be left."""


def private() -> Saved:
    """An event of which every text has the secret in it, in every way that mail can."""
    text = (
        f"{SECRET} 4711 {SECRET}@{SECRET}.example.net https://{SECRET}.example.net/{SECRET}?{SECRET} 10.9.8.7"
    )
    address = f"{SECRET}@{SECRET}.example.net"
    row: dict[str, Any] = {}
    for field in msgspec.structs.fields(Detection):
        if "str" in str(field.type):
            row[field.name] = (text,) if str(field.type).startswith("tuple") else text
    assert len(row) > 20
    row |= dict.fromkeys(("sender", "replyto", "envelope_from"), address)
    row |= dict.fromkeys(("client_recipients", "to", "envelope_to"), (address, address.lower()))
    kept = {name: value for name, value in row.items() if name not in KEPT}
    message = detection(**{"id": text, **kept})
    message = msgspec.structs.replace(
        message,
        validation=Validation(comment=text, dmarc="fail"),
        properties=Properties(allowlisted_pattern=address),
    )
    enrichment = Enrichment(
        details=Details(
            links=(Link(href=f"https://{SECRET}.example.net/{SECRET}", text=text),),
            headers=(Header(name="Reply-To", value=text),),
            attachments=(
                Attachment(name=f"{SECRET}.exe", sha256=SECRET * 7, head=b"MZ\x90\x00" + SECRET.encode()),
            ),
        ),
        raw=Raw(headers=(Header(name="Subject", value=text),), text=text, html=text, size=9),
        trace=Trace(inbound=TraceSide(lines=(TraceLine(lineno=1, message=text),))),
        action_log=(LogEntry(operation="MOVE", folder="JunkEmail", requested_by=address),),
    )
    past = {
        "kind": "block_sender",
        "target": address,
        "state": "succeeded",
        "playbook": "p",
        "at": "2026-11-19T12:00:00Z",
    }
    context = {"now": "2026-11-20T12:00:00Z", "history": [past], "lists": "c0ffee"}
    return Saved(message, enrichment, context)


@pytest.mark.parametrize("about", ["detection", "report", "submission"])
def test_nothing_private_is_left(about: str) -> None:
    """Not in any field of event, enrichment or context; a field that is new tomorrow is text, and so replaced."""
    saved = private()
    assert isinstance(saved.event, Detection)
    text = saved.event.subject
    if about == "report":
        fields = ReportFields(to=saved.event.to, sender=saved.event.sender, postfix_id=text)
        saved = saved._replace(
            event=report(4711, title=text, content=text, fields=fields, message=saved.event)
        )
    elif about == "submission":
        saved = saved._replace(
            event=submission(SECRET, subject=text, requested_by=f"{SECRET}@x.net", message=saved.event)
        )
    line = write(Redactor(frozenset()).saved(saved))
    for one in (SECRET, SECRET.lower(), SECRET[:5], "4711", "10.9.8.7"):
        assert one.encode() not in line, one
    redacted = read_line(line)
    assert redacted.enrichment is not None
    details, raw = redacted.enrichment.details, redacted.enrichment.raw
    assert isinstance(details, Details)
    assert isinstance(raw, Raw)
    (attachment,), (header,) = details.attachments, details.headers
    assert (attachment.extension, attachment.head, header.name) == ("exe", b"MZ\x90\x00", "Reply-To")
    assert (raw.text, raw.html, raw.size) == ("", "", 9)


def test_the_same_stays_the_same_within_a_file() -> None:
    """What is of one address, domain or campaign stays so, over fields and events; what differs goes on to differ."""
    redactor = Redactor(frozenset())
    one = redactor.event(
        detection(
            "m1",
            sender="ann@a.evil.net",
            envelope_from="bob@evil.net",
            edf_hash="ff00",
            replyto="ann@a.evil.net",
        )
    )
    two = redactor.event(
        detection("m1", subject="from ann@a.evil.net", sender="eve@other.net", edf_hash="ff00")
    )
    assert isinstance(one, Detection)
    assert isinstance(two, Detection)
    assert one.sender == one.replyto == str(two.subject).partition(" ")[2]
    assert (one.id, one.edf_hash) == (two.id, two.edf_hash) != ("m1", "ff00")
    domain = (one.envelope_from or "").partition("@")[2]
    assert (one.sender or "").endswith(f".{domain}")
    assert not (two.sender or "").endswith(domain)


def test_what_the_rules_name_stays(tmp_path: Path) -> None:
    """Words of their texts and entries of their lists decide; comments and docstrings do not."""
    source = '"""Docs name Karl."""\nWORDS = r"\\bYour (invoice|bill)\\b"\nDOMAIN = "partner.example"\n'
    redactor = Redactor(vocabulary([source, "not python ("], [{"boss@corp.example", "vip name"}]))
    text = redactor.text("Your INVOICE for Karl, boss@corp.example, x.partner.example")
    assert text == "Your INVOICE word1 Word2, boss@corp.example, sub1.partner.example"
    assert (redactor.name("VIP Name"), redactor.name("Karl")) == ("VIP Name", "Person 1")


def test_decisions_of_the_shipped_playbooks_survive() -> None:
    """Every example of every playbook that ships, redacted, is decided as before."""
    known = load(RULES)
    sources = [file.read_text(encoding="utf-8") for file in RULES.glob("*.py")]
    redactor = Redactor(vocabulary(sources, known.lists.values()))
    for one in known.playbooks:
        for given in one.examples:
            if one.needs:
                continue
            saved = Saved(event_of(given, one.on))
            again = redactor.saved(saved)
            assert decide_again(again, known).of(one.id) == decide_again(saved, known).of(one.id), given


def test_a_field_can_be_kept_and_hostile_text_costs_little() -> None:
    """`--keep` leaves exactly that field; ten thousand characters without a space take no time worth noting."""
    event = Redactor(frozenset(), ["subject"]).event(detection(subject=SECRET, sender=f"{SECRET}@x.net"))
    assert isinstance(event, Detection)
    assert (event.subject, SECRET in str(event.sender)) == (SECRET, False)
    assert {"subject", "sender", "href"} <= FIELDS
    for unit in ("a", "a.", "@", "a@", "\0", "://", "1."):
        Redactor(frozenset()).text(unit * (10_000 // len(unit)))


def junk(message: Detection, context: Context) -> Action | None:
    """Reads three fields, one of them only sometimes."""
    if message.validation.dmarc == "fail" and "win" in (message.subject or "") and not context.history:
        return Move(message, to="JunkEmail")
    return None


def test_an_example_has_what_the_playbook_reads_and_nothing_else() -> None:
    """Ready to be pasted: it names the wanted actions, and it is decided as the event was."""
    known = catalogue(one := playbook(junk, takes_context=True))
    row = detection(subject='you "win"\u202e', validation=Validation(dmarc="fail", spf="pass"))
    text = example(Saved(row), one, known)
    assert text == (
        'hit(subject=\'you "win"\\u202e\', validation={"dmarc": "fail"}, expect=[("move", "JunkEmail")]),'
    )
    made = eval(text, {"hit": hit})[0]  # noqa: S307 - what a person would paste
    assert made.acts
    text = example(Saved(msgspec.structs.replace(row, validation=Validation())), one, known)
    assert text == "miss(),"
    past = {
        "kind": "move",
        "target": "Inbox",
        "state": "succeeded",
        "playbook": "p",
        "at": "2026-11-19T12:00:00Z",
    }
    text = example(Saved(row, None, {"now": "2026-11-20T12:00:00Z", "history": [past]}), one, known)
    assert text.startswith("miss(subject=")
    assert 'history=[{"kind": "move", "target": "Inbox"' in text
    assert eval(text, {"miss": miss})[0].before  # noqa: S307 - as above


def test_an_example_has_what_the_conditions_read() -> None:
    """Of a miss too, whichever of them fails first; and the function is not called where one does."""
    when = (disposition("SPAM"), ~moved(), subject_matches("fee"))
    one = playbook(lambda message: Move(message, to="Inbox" if message.sender else "?"), when=when)
    known = catalogue(one)
    row = detection(final_disposition="SPAM", subject="customs fee", sender="a@b.example")
    text = example(Saved(row), one, known)
    verdict, state = 'final_disposition="SPAM"', 'delivery_status=["delivered"]'
    assert (
        text
        == f'hit(subject="customs fee", {verdict}, sender="a@b.example", {state}, expect=[("move", "Inbox")]),'
    )
    missed = msgspec.structs.replace(row, subject="Customs duty", sender=None)
    assert example(Saved(missed), one, known) == f'miss(subject="Customs duty", {verdict}, {state}),'


def test_an_event_that_is_no_example_says_so() -> None:
    """Where the time of the decision matters, the text bears a comment; of another type of event there is none."""
    late = playbook(
        lambda message, context: Move(message, to="Inbox") if context.now.year == 2020 else None,
        takes_context=True,
    )
    known = catalogue(late)
    text = example(Saved(detection(), None, {"now": "2020-01-01T00:00:00Z"}), late, known)
    assert text.splitlines() == [
        "# as an example it wants nothing: the time of the decision or an id matters",
        'hit(expect=[("move", "Inbox")]),',
    ]
    assert example(Saved(report()), late, known) == ""
    reads = playbook(lambda one: Move(one.message, to="Inbox") if "x" in one.title else None, on=PhishReport)
    told = example(Saved(report(title="x", message=None)), reads, catalogue(reads))
    assert told.startswith("# junk cannot decide 1: playbook junk: TypeError")
