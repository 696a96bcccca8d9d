"""Reads a message as it was sent, within bounds: linear in its size, whatever an attacker puts into it. Pure.

Header fields are parsed by the standard library's `email` package. Its parser for whole messages has no bounds: it
nests generators as deep as the message says and tries every open boundary on every line. So the parts are found here.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterator
from contextlib import suppress
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from hashlib import md5, sha1, sha256
from typing import NamedTuple

from worker.model.charsets import text_of
from worker.model.enrichment import Attachment, Header, Raw

MAX_SIZE = 16 * 2**20
"""Bytes of a message. What is larger is not read at all."""
MAX_PARTS = 100
MAX_DEPTH = 8
"""Parts within parts."""
MAX_HEADERS = 200
"""Header fields of the message; of a part as many lines."""
MAX_VALUE = 2000
"""Characters of a header field."""
MAX_TEXT = 100_000
"""Characters of text, and of HTML: as many as `matches` takes."""
HEAD = 64
"""Bytes of an attachment that are shown."""
_PARSED = ("content-type", "content-disposition", "content-transfer-encoding")
_MAX_PARSED = MAX_VALUE // 2
_MAX_BLOCK = 2**17
_MAX_MARKERS = 2000
_LINE = re.compile(rb"(--)?[ \t]*\r?(?:\n|\Z)")
_EMPTY = re.compile(rb"\r?\n")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_parse = BytesHeaderParser(policy=compat32).parsebytes


class TooLargeError(ValueError):
    """The message is larger than MAX_SIZE; nothing of it has been read."""


class _Part(NamedTuple):
    content: bytes
    depth: int = 0
    attached: bool = False
    """Whether it lies in an attached message: nobody sees its text in this one."""


class _Said(NamedTuple):
    """What the header fields say of a part."""

    kind: str = "application/octet-stream"
    boundary: str | None = None
    name: str | None = None
    disposition: str | None = None
    charset: str | None = None
    encoding: str = ""


class _Reading:
    """What has been found so far."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.html: list[str] = []
        self.attachments: list[Attachment] = []
        self.cut: set[str] = set()
        self.parts = 0

    def short_of(self, texts: list[str]) -> int:
        """How many characters more the texts may have."""
        return MAX_TEXT - sum(map(len, texts))


def read(message: str | bytes) -> Raw:
    """The message as far as the bounds let it be read.

    Raises:
        TooLargeError: more than MAX_SIZE bytes.
    """
    if len(message) > MAX_SIZE:
        raise TooLargeError(f"{len(message)} bytes, at most {MAX_SIZE} are read")
    content = _bytes(message) if isinstance(message, str) else message
    reading = _Reading()
    headers = _headers(content, reading)
    waiting = [_Part(content)]
    while waiting:
        part = waiting.pop()
        if reading.parts == MAX_PARTS:
            reading.cut.add("parts")
            break
        reading.parts += 1
        # The first is to be read first.
        waiting += reversed(list(_read_part(part, reading)))
    return Raw(
        headers=headers,
        text="\n".join(reading.text)[:MAX_TEXT],
        html="\n".join(reading.html)[:MAX_TEXT],
        attachments=tuple(reading.attachments),
        size=len(content),
        cut=tuple(sorted(reading.cut)),
    )


def _headers(content: bytes, reading: _Reading) -> tuple[Header, ...]:
    fields = list(_split(content, reading)[0].raw_items())
    if len(fields) > MAX_HEADERS:
        reading.cut.add("headers")
    found = []
    for name, value in fields[:MAX_HEADERS]:
        if len(value) > MAX_VALUE:
            reading.cut.add("headers")
        found.append(Header(name=_clean(str(name))[:MAX_VALUE], value=_decoded(str(value)[:MAX_VALUE])))
    return tuple(found)


def _read_part(part: _Part, reading: _Reading) -> Iterator[_Part]:
    """Notes what the part is, and yields the parts in it."""
    fields, body = _split(part.content, reading)
    said = _said(fields, reading)
    if said.boundary is not None:
        yield from _deeper(
            part, _sections(body, _bytes(said.boundary), reading), reading, attached=part.attached
        )
        return
    content = _transferred(said.encoding, body)
    if said.kind in {"text/plain", "text/html"} and said.name is None and said.disposition != "attachment":
        if not part.attached:
            _note_text(said, content, reading)
        return
    reading.attachments.append(_attachment(said, content))
    if said.kind == "message/rfc822":
        yield from _deeper(part, [content], reading, attached=True)


def _said(fields: Message, reading: _Reading) -> _Said:
    try:
        multipart = fields.get_content_maintype() == "multipart"
        return _Said(
            kind=fields.get_content_type(),
            boundary=fields.get_boundary() if multipart else None,
            name=fields.get_filename(),
            disposition=fields.get_content_disposition(),
            charset=fields.get_content_charset(),
            encoding=str(fields.get("content-transfer-encoding", "")).strip().lower(),
        )
    except Exception:  # noqa: BLE001 - the library raises what it likes at parameters that are none
        reading.cut.add("headers")
        return _Said()


def _deeper(part: _Part, contents: list[bytes], reading: _Reading, *, attached: bool) -> Iterator[_Part]:
    if part.depth == MAX_DEPTH:
        reading.cut.add("depth")
        return
    for content in contents:
        yield _Part(content, part.depth + 1, attached)


def _split(content: bytes, reading: _Reading) -> tuple[Message, bytes]:
    """The header fields of a message or part, as far as they may go, and all that follows the empty line."""
    if (empty := _EMPTY.match(content)) is not None:
        return Message(), content[empty.end() :]
    ends = [at for at in (content.find(b"\n\n"), content.find(b"\n\r\n")) if at >= 0]
    end = min(ends, default=len(content))
    block = content[: min(end, _MAX_BLOCK)]
    lines = block.split(b"\n", MAX_HEADERS + 1)
    if len(block) < end or len(lines) > MAX_HEADERS + 1:
        reading.cut.add("headers")
    fields = _parse(b"\n".join(line[:MAX_VALUE] for line in lines[: MAX_HEADERS + 1]))
    for name in _PARSED:
        # A field may go on over many lines, and its parameters take the square of its length.
        if len(value := str(fields.get(name, ""))) > _MAX_PARSED:
            reading.cut.add("headers")
            del fields[name]
            fields[name] = value[:_MAX_PARSED].replace("\r", "").replace("\n", "")
    empty = _EMPTY.match(content, end + 1)
    return fields, content[empty.end() :] if empty else b""


def _sections(body: bytes, boundary: bytes, reading: _Reading) -> list[bytes]:
    """What stands between the lines of a boundary."""
    marker = b"--" + boundary
    found: list[bytes] = []
    start: int | None = None
    at = 0 if body.startswith(marker) else body.find(b"\n" + marker) + 1
    for _ in range(_MAX_MARKERS):
        if at == 0 and not body.startswith(marker):
            break
        if (line := _LINE.match(body, at + len(marker))) is not None:
            if start is not None:
                found.append(body[start : max(start, at - 1)].removesuffix(b"\r"))
            start = None if line[1] else line.end()
            if start is None or len(found) > MAX_PARTS:
                break
        following = body.find(b"\n" + marker, at)
        if following < 0:
            break
        at = following + 1
    else:
        reading.cut.add("parts")
    if start is not None and len(found) <= MAX_PARTS:
        found.append(body[start:])  # the last line is missing: a reader shows the rest all the same
    return found


def _transferred(encoding: str, body: bytes) -> bytes:
    """The content as it was before it was made fit for transport."""
    try:
        if encoding == "base64":
            return a2b_base64(body + b"==")
        return a2b_qp(body) if encoding == "quoted-printable" else body
    except ValueError:
        return body


def _note_text(said: _Said, content: bytes, reading: _Reading) -> None:
    texts = reading.html if said.kind == "text/html" else reading.text
    room = reading.short_of(texts)
    text = text_of(content[: 4 * room + 4], said.charset)
    if len(text) > room:
        reading.cut.add("text")
    if room > 0:
        texts.append(_clean(text[:room].replace("\r\n", "\n")))


def _attachment(said: _Said, content: bytes) -> Attachment:
    name = None if said.name is None else _decoded(said.name[:MAX_VALUE])
    return Attachment(
        name=name,
        filename=name,
        content_type=_clean(said.kind)[:MAX_VALUE],
        size=len(content),
        sha256=sha256(content).hexdigest(),
        sha1=sha1(content, usedforsecurity=False).hexdigest(),
        md5=md5(content, usedforsecurity=False).hexdigest(),
        head=content[:HEAD],
    )


def _decoded(value: str) -> str:
    """A header field's value on one line, its encoded words decoded where they can be."""
    value = _bytes(value).decode("utf-8", "replace")
    if "=?" in value:
        with suppress(Exception):  # the library raises what it likes; the value as it stands will do
            value = str(make_header(decode_header(value)))
    return _clean(" ".join(value.split()))[:MAX_VALUE]


def _bytes(text: str) -> bytes:
    """What a parser made of bytes, as bytes again."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a letter that stands for no byte
        return text.encode("utf-8", "replace")


def _clean(text: str) -> str:
    """Without control characters, but for tab and line feed, and without halves of letters."""
    return text if text.isprintable() else _CONTROL.sub("\ufffd", text)
