from __future__ import annotations

import random
import time
from base64 import encodebytes
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from hashlib import sha256

import msgspec
import pytest

from worker.model.enrichment import Raw
from worker.model.mail import MAX_PARTS, MAX_SIZE, MAX_TEXT, TooLargeError, read

PROGRAM = b"MZ\x90" + b"x" * 1000


def mail() -> EmailMessage:
    """A letter in two forms, with a program and another message attached, which has an attachment of its own."""
    inner = EmailMessage()
    inner["Subject"] = "inner"
    inner.set_content("nobody sees this")
    inner.add_attachment(b"PK", maintype="application", subtype="zip", filename="a.zip")
    message = EmailMessage()
    message["Subject"] = "Grüße an alle"
    message["Received"] = "from one"
    message["received"] = "from two"
    message.set_content("Hällo\nWelt")
    message.add_alternative("<p>Hällo</p>", subtype="html")
    message.add_attachment(PROGRAM, maintype="application", subtype="pdf", filename="rechnüng.pdf.EXE")
    message.add_attachment(inner)
    return message


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_message_is_read(ends: str) -> None:
    """Header fields and names decoded, both forms of the text, every attachment with its hash and first bytes."""
    found = read(mail().as_string().replace("\n", ends))
    assert (found.header("subject"), found.cut) == ("Grüße an alle", ())
    assert found.header_values("RECEIVED") == ("from one", "from two")
    assert (found.text, found.html) == ("Hällo\nWelt\n", "<p>Hällo</p>\n")
    program, letter, packed = found.attachments
    assert (program.name, program.extension, program.content_type) == (
        "rechnüng.pdf.EXE",
        "exe",
        "application/pdf",
    )
    assert (program.size, program.sha256) == (len(PROGRAM), sha256(PROGRAM).hexdigest())
    assert program.head == PROGRAM[:64]
    assert (letter.content_type, letter.name) == ("message/rfc822", None)
    assert (packed.name, packed.head) == ("a.zip", b"PK")


def letter(chance: random.Random, depth: int) -> EmailMessage:
    """Some parts, some of them messages with parts."""
    message = EmailMessage()
    message.set_content("text\n" * chance.randrange(5))
    for number in range(chance.randrange(5)):
        if depth and chance.random() < 0.4:
            message.add_attachment(letter(chance, depth - 1))
        elif chance.random() < 0.3:
            message.add_attachment("\n" * chance.randrange(4) + "text\n" * 3, filename=f"{number}.txt")
        else:
            body = chance.randbytes(chance.randrange(300))
            message.add_attachment(body, maintype="application", subtype="x", filename=f"{number} é.bin")
    return message


def contents(part: EmailMessage) -> bytes:
    """The bytes of a file."""
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


@pytest.mark.parametrize("seed", range(50))
def test_what_the_librarys_own_parser_finds_is_found(seed: int) -> None:
    """Every file, with its name and its bytes, however the messages lie within one another."""
    whole = letter(random.Random(seed), 3).as_bytes(policy=SMTP if seed % 2 else default)
    files = [part for part in message_from_bytes(whole, policy=default).walk() if part.get_filename()]
    expected = [(part.get_filename(), sha256(contents(part)).hexdigest()) for part in files]
    found = [(one.name, one.sha256) for one in read(whole).attachments if one.name]
    assert sorted(found) == sorted(expected)


def test_a_message_that_is_too_large_is_not_read() -> None:
    """Not even in part: who reads half of it decides on half of it."""
    with pytest.raises(TooLargeError):
        read(b"x" * (MAX_SIZE + 1))


def nested(depth: int) -> bytes:
    """Parts within parts, each with a boundary of its own."""
    return b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level) for level in range(depth)
    )


MIXED = b"Content-Type: multipart/mixed; boundary=b\n\n"
EVIL: dict[str, tuple[bytes, str]] = {
    "parts": (MIXED + b"--b\n\nx\n" * 2_000_000, "parts"),
    "lines that are nearly a boundary": (MIXED + b"--bx\n" * 2_000_000, "parts"),
    "parts within parts": (nested(5000), "depth"),
    "one boundary at every depth": (MIXED + (b"--b\n" + MIXED) * 100_000, "parts"),
    "messages within messages": (b"Content-Type: message/rfc822\n\n" * 200_000, "depth"),
    "header fields": (b"a:\n" * 2_000_000, "headers"),
    "a long header field": (b"Subject: " + b"=?utf-8?q?a?= " * 500_000, "headers"),
    "encoded words without an end": (b"\n".join(b"S: " + b"=?" * 5000 for _ in range(190)), "headers"),
    "parameters": (
        MIXED + (b"--b\nContent-Type: text/x;\n" + (b" " + b";" * 1900 + b"\n") * 60 + b"\n") * 100,
        "headers",
    ),
    "a codec that takes the square of the time": (
        b"Content-Type: text/plain; charset=punycode\n\n" + b"a-b9" * 1_000_000,
        "text",
    ),
    "text": (b"Subject: x\n\n" + b"x" * 2_000_000, "text"),
}


@pytest.mark.parametrize("what", EVIL)
def test_no_message_takes_long(what: str) -> None:
    """The time is in proportion to the size, what is beyond a bound is said to be cut, and what is kept is small."""
    message, bound = EVIL[what]
    before = time.thread_time()
    found = read(message)
    assert time.thread_time() - before < 3
    assert bound in found.cut
    assert len(found.attachments) <= MAX_PARTS
    assert max(len(found.text), len(found.html)) <= MAX_TEXT
    assert len(msgspec.json.encode(found)) < 2**20


SCRAPS = (
    *(b"=?", b"?=", b"\n", b"\n\n", b"\r", b";", b"*0*=", b"''", b'"', b"\xff", b"\x00", b"--", b"=", b"("),
    *(b"boundary=", b"filename=", b"message/rfc822", b"base64", b"charset=", b"undefined", b"=?a?b?c?="),
    b"\xed\xa0\x80",
)


@pytest.mark.parametrize("seed", range(4))
def test_no_message_is_too_broken_to_be_read(seed: int) -> None:
    """Whatever stands in it: there is an answer, it can be stored, and it is the same again."""
    chance = random.Random(seed)
    whole = mail().as_bytes() + encodebytes(PROGRAM)
    for number in range(500):
        broken = bytearray(whole)
        for _ in range(chance.randrange(1, 30)):
            at, upto = chance.randrange(len(broken) + 1), chance.randrange(len(broken) + 1)
            match chance.randrange(3):
                case 0:
                    broken[at:at] = chance.choice(SCRAPS)
                case 1:
                    del broken[at : at + chance.randrange(20)]
                case _:
                    broken[at:at] = broken[upto : upto + chance.randrange(200)]
        message = bytes(broken) if number % 2 else broken.decode("utf-8", "surrogateescape")
        found = read(message)
        assert msgspec.json.decode(msgspec.json.encode(found), type=Raw) == found == read(message)
