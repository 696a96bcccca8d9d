"""Saved events without what is private in them: the same text becomes the same pseudonym, wherever it stands. Pure.

What decisions usually rest on stays: verdicts, states, results of authentication, kinds, sizes, times. Everything else
is replaced, and a field that nobody has thought of is treated as text. Of text, what the rules folder itself names stays
(its authors' words, and the entries of its lists): without these hardly any decision would be the same. A mail as it was
sent is never kept.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from hashlib import sha256
from ipaddress import ip_address
from typing import Any

import msgspec
from msgspec.structs import replace

from worker.model.enrichment import (
    Attachment,
    Details,
    Finding,
    Header,
    Link,
    LogEntry,
    Raw,
    SenderInfo,
    ThreatCategory,
    TraceLine,
)
from worker.model.events import EVENT_TYPES, Event, Properties, ReportFields, Tag, Validation
from worker.model.kinds import kind_of
from worker.playbooks.saved import Saved

KEPT = frozenset({
    "action", "allowlisted_pattern_type", "as_number", "blocklisted_message", "content_type", "customer_status",
    "delivery_mode", "delivery_status", "detection", "disposition", "dkim", "dmarc", "encrypted", "escalated_as",
    "final_disposition", "folder", "geo", "is_phish_submission", "is_quarantined", "lineno", "missing", "operation",
    "original_disposition", "outcome", "outcome_disposition", "pending", "post_delivery_operations", "priority",
    "requested_disposition", "score", "service", "size", "spf", "status", "submission_type", "success",
    "threat_categories", "type",
})  # fmt: skip
"""Fields that say nothing of anybody."""
IDS = frozenset({
    "alert_id", "escalated_submission_id", "id", "message_id", "original_postfix_id", "postfix_id", "postfix_id_outbound",
    "submission_id",
})  # fmt: skip
HASHES = frozenset({"edf_hash", "htmltext_structure_hash", "md5", "original_edf_hash", "sha1", "sha256"})
NAMES = frozenset({"from_name", "to_name"})
FILES = frozenset({"attachment", "filename", "name"})
IPS = frozenset({"ip", "smtp_helo_server_ip", "smtp_previous_hop_ip", "x_originating_ip"})
FIELDS = frozenset(
    name
    for kind in (*EVENT_TYPES, Validation, Properties, ReportFields, Tag, Attachment, Header, Raw, TraceLine, Details,
                 Finding, Link, LogEntry, SenderInfo, ThreatCategory)
    for name in kind.__struct_fields__
)  # fmt: skip
"""Of events and of what is fetched for them."""
MAGIC = 4
"""Bytes of an attachment's beginning that are kept: what kind of file it is."""
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"'@]{1,64}@[^\s<>()\[\],;:\"'@]{1,253}")
_URL = re.compile(r"\b([a-z][a-z0-9+.-]{1,15})://([^\s/?#\"'<>]+)([^\s\"'<>]*)", re.IGNORECASE)
_DOMAIN = re.compile(r"\b(?:[\w-]{1,63}\.){1,10}[a-z]{2,24}\b", re.IGNORECASE)
_IPV4 = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
_PART = re.compile(r"\d+|[^\W\d_]+")
_ESCAPED = re.compile(r"\\.")
_PUBLIC = frozenset(
    {"gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "yahoo.com", "icloud.com", "gmx.net"}
)
"""Domains that name nobody."""


def vocabulary(sources: Iterable[str], lists: Iterable[Collection[str]]) -> frozenset[str]:
    """Everything that a rules folder names: words of its texts, and entries of its lists, in lower case."""
    known: set[str] = set()
    for source in sources:
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            continue
        docs = {
            ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, _DOCUMENTED)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in docs:
                text = _ESCAPED.sub(" ", node.value).lower()
                known |= {text.strip(), *_PART.findall(text), *_DOMAIN.findall(text)}
    for entries in lists:
        known |= {entry.lower() for entry in entries}
    return frozenset(known)


_DOCUMENTED = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Redactor:
    """Replaces what is private in the events of one file; `known` words and fields of `keep` stay as they are."""

    def __init__(self, known: Collection[str], keep: Collection[str] = ()) -> None:
        self._known = known
        self._keep = KEPT | frozenset(keep)
        self._given: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}

    def saved(self, one: Saved) -> Saved:
        """The event and what goes with it."""
        return Saved(
            self.event(one.event),
            None if one.enrichment is None else self._struct(one.enrichment),
            None if one.context is None else self._context(one.context),
        )

    def event(self, event: Event) -> Event:
        """The event alone."""
        redacted: Event = self._struct(event)
        return redacted

    def _context(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Histories are kinds, states and playbooks; the target of what was done to the settings is a sender."""
        return {
            name: [self._past(past) for past in value] if name in ("history", "sender_history") else value
            for name, value in context.items()
        }

    def _past(self, past: Mapping[str, Any]) -> Mapping[str, Any]:
        return (
            past if not kind_of(past["kind"]).has_subject else {**past, "target": self.text(past["target"])}
        )

    def _struct(self, value: Any) -> Any:
        if isinstance(value, Raw):
            value = replace(value, text="", html="")
        if isinstance(value, TraceLine):
            value = replace(value, message=None)
        changes = {}
        for name in value.__struct_fields__:
            old = getattr(value, name)
            new = old if name in self._keep else self._value(value, name, old)
            if new is not old:
                changes[name] = new
        return replace(value, **changes) if changes else value

    def _value(self, owner: Any, name: str, value: Any) -> Any:
        match value:
            case msgspec.Struct():
                return self._struct(value)
            case tuple():
                return tuple([self._value(owner, name, one) for one in value])
            case str():
                return self._how(owner, name)(value)
            case bytes():
                return value[:MAGIC]
            case int() if name == "id":
                return int(self._pseudonym("number of a report", str(value), "{}".format))
        return value  # flags, times, numbers; a dictionary is `missing` alone

    def _how(self, owner: Any, name: str) -> Callable[[str], str]:
        if name in FILES:
            # A header field's own name, such as Reply-To, is nobody's.
            return (
                self._file
                if isinstance(owner, Attachment)
                else str
                if isinstance(owner, Header)
                else self.text
            )
        for names, how in ((IDS, self._id), (HASHES, self._hash), (NAMES, self.name)):
            if name in names:
                return how
        return self._ip if name in IPS else self.text

    def text(self, text: str) -> str:
        """Any text: addresses, links and domains first, then each word and number that the rules do not name."""
        kept: list[str] = []

        def put(found: str) -> str:
            kept.append(found)
            return f"\0{len(kept) - 1}\0"

        text = text.replace("\0", "")
        text = _URL.sub(lambda match: put(self._url(match)), text)
        text = _ADDRESS.sub(lambda match: put(self.address(match[0])), text)
        text = _DOMAIN.sub(lambda match: put(self.domain(match[0])), text)
        text = _IPV4.sub(lambda match: put(self._ip(match[0])), text)
        pieces = text.split("\0")
        return "".join(
            kept[int(piece)] if index % 2 else _PART.sub(lambda match: self._word(match[0]), piece)
            for index, piece in enumerate(pieces)
        )

    def address(self, address: str) -> str:
        """A mail address: both parts by themselves, so that those of one domain stay of one domain."""
        if address.lower() in self._known:
            return address
        local, _, domain = address.rpartition("@")
        kept = local.lower() in self._known
        return f"{local if kept else self._pseudonym('user', local, 'user{}'.format)}@{self.domain(domain)}"

    def domain(self, domain: str) -> str:
        """A domain: what is below it stays below it."""
        lower = domain.lower().rstrip(".")
        if lower in self._known or lower in _PUBLIC:
            return lower
        labels = lower.split(".")
        named = next((at for at in range(len(labels) - 1) if ".".join(labels[at:]) in self._known), None)
        base = len(labels) - 2 if named is None else named
        rest = [self._pseudonym("label", label, "sub{}".format) for label in labels[: max(base, 0)]]
        whole = ".".join(labels[max(base, 0) :])
        ours = whole if named is not None else self._pseudonym("domain", whole, "domain{}.example".format)
        return ".".join([*rest, ours])

    def name(self, name: str) -> str:
        """A person's name, unless a list has it."""
        if name.strip().lower() in self._known or not name.strip():
            return name
        return self._pseudonym("name", name.strip().lower(), "Person {}".format)

    def _url(self, match: re.Match[str]) -> str:
        path = self._pseudonym("path", match[3], "/path{}".format) if match[3] not in ("", "/") else match[3]
        return f"{match[1]}://{self.domain(match[2].rpartition('@')[2].partition(':')[0])}{path}"

    def _word(self, word: str) -> str:
        if word.lower() in self._known or len(word) == 1:
            return word
        if word.isdigit():
            return self._pseudonym(
                "number", word, lambda count: str(count).rjust(len(word), "9")[: len(word)]
            )
        new = self._pseudonym("word", word.lower(), "word{}".format)
        return new.upper() if word.isupper() else new.capitalize() if word[0].isupper() else new

    def _file(self, name: str) -> str:
        stem, dot, extension = name.rpartition(".")
        return f"{self._pseudonym('file', stem or name, 'file{}'.format)}{dot}{extension if dot else ''}"

    def _id(self, text: str) -> str:
        return self._pseudonym("id", text, "id-{:08}".format) if text else text

    def _hash(self, text: str) -> str:
        digest = self._pseudonym("hash", text.lower(), lambda count: sha256(str(count).encode()).hexdigest())
        return digest[: len(text)]

    def _ip(self, text: str) -> str:
        try:
            wide = ip_address(text).version == 6  # noqa: PLR2004 - the two there are
        except ValueError:
            return self._pseudonym("no ip", text, "no-ip-{}".format)
        if wide:
            return self._pseudonym("ip6", text, "2001:db8::{:x}".format)
        return self._pseudonym("ip", text, lambda count: f"198.18.{count // 256 % 256}.{count % 256}")

    def _pseudonym(self, kind: str, text: str, made: Callable[[int], str]) -> str:
        known = self._given.get((kind, text))
        if known is None:
            self._counts[kind] = count = self._counts.get(kind, 0) + 1
            known = self._given[kind, text] = made(count)
        return known
