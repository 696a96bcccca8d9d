"""Text, links and attachments of a message, as they go with its verdict."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from worker.simulator.mailworld import CARRIER, SCANNER
from worker.simulator.rows import Row


class Link(NamedTuple):
    """A link and the words that it hides behind."""

    href: str
    text: str


class Attachment(NamedTuple):
    """A file in a message."""

    filename: str
    content_type: str
    data: bytes
    encrypted: bool = False


class Content(NamedTuple):
    """What a reader of the message sees."""

    text: str
    html: str
    links: tuple[Link, ...]
    attachments: tuple[Attachment, ...]


class _Style(NamedTuple):
    """How messages of one verdict are written; `files` are (name, type) to draw from, at that chance."""

    words: str
    links: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    chance: float = 0.0


_CLEAN = _Style(
    "Please find the details below. Kind regards",
    files=(
        ("agenda.txt", "text/plain"),
        ("meeting.ics", "text/calendar"),
        ("figures.pdf", "application/pdf"),
    ),
    chance=0.3,
)
_STYLES = {
    "MALICIOUS": _Style(
        "Your account will be closed today. Sign in to keep it.",
        (("https://login.account-alerts.example/session/{n}", "Keep my account"),),
        (("Document_{n}.html", "text/html"), ("Invoice_{n}.zip", "application/zip")),
        0.5,
    ),
    "MALICIOUS-BEC": _Style("Are you at your desk? I need a favour, and keep it between us."),
    "SUSPICIOUS": _Style(
        "A parcel is waiting for you. Confirm your address.",
        (("https://parcel-track.example/t/{n}", "Track your parcel"),),
        (("label_{n}.pdf", "application/pdf"),),
        0.3,
    ),
    "SPOOF": _Style(
        "Our bank details have changed. See the attached invoice.",
        files=(("Invoice_{n}.pdf", "application/pdf"),),
        chance=0.6,
    ),
    "SPAM": _Style("Only today, only for you.", (("https://cheap-deals.example/o/{n}", "See the offer"),)),
    "BULK": _Style(
        "This week's news.",
        (
            ("https://daily-brief.example/issue/{n}", "Read more"),
            ("https://daily-brief.example/leave/{n}", "Unsubscribe"),
        ),
    ),
}
_OF_SENDERS = {
    SCANNER: _Style(
        "Your scan is attached. Open it in a browser.", files=(("Scan_{n}.html", "text/html"),), chance=1.0
    ),
    CARRIER: _Style(
        "A fee is due. Pay it with your bank.",
        (("https://pay.parcel-service.example/fee/{n}", "https://www.bank.example/sign-in"),),
    ),
}
"""Whoever writes like nobody else of that verdict."""
_PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n% "
_ZIP = b"PK\x03\x04\x14\x00\x01\x00\x08\x00"
"""A local file header whose flags say that the file is encrypted."""


def content_of(seed: int, row: Row) -> Content:
    """The content of a message; the same for the same seed, id and verdict."""
    draw = Random(f"{seed}/content/{row.id}")
    style = _OF_SENDERS.get(row.sender or "") or _STYLES.get(row.final_disposition or "", _CLEAN)
    number = str(draw.randrange(10**5, 10**6))
    links = tuple(Link(href.replace("{n}", number), text) for href, text in style.links)
    attachments: tuple[Attachment, ...] = ()
    if draw.random() < style.chance:
        name, kind = draw.choice(style.files)
        attachments = (_attachment(name.replace("{n}", number), kind, draw),)
    lines = [style.words, *(f"{link.text}: {link.href}" for link in links), f"Reference {number}"]
    anchors = "".join(f'<p><a href="{link.href}">{link.text}</a></p>' for link in links)
    html = f"<html><body><p>{style.words}</p>{anchors}<p>Reference {number}</p></body></html>"
    return Content("\n".join(lines) + "\n", html, links, attachments)


def _attachment(name: str, kind: str, draw: Random) -> Attachment:
    noise = draw.randbytes(draw.randrange(40, 400))
    if kind == "application/zip":
        return Attachment(name, kind, _ZIP + noise, encrypted=True)
    if kind == "application/pdf":
        return Attachment(name, kind, _PDF + noise.hex().encode())
    return Attachment(name, kind, noise.hex().encode() + b"\n")
