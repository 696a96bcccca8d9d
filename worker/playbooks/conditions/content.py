"""Conditions on what a message says and carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from worker.model.enrichment import Attachment
from worker.model.events import Event
from worker.playbooks.conditions.base import MISSING, ConditionError, Leaf, Seen, Test, condition, nothing
from worker.playbooks.conditions.fields import Field, lower, texts
from worker.playbooks.context import Context
from worker.playbooks.matching import PatternError, matches

_SUBJECT = Field("subject", 0, lower)


@condition
def subject_matches(pattern: str, *, ignore_case: bool = True) -> Leaf:
    """The expression, in RE2's syntax as for `matches`, is found in the subject."""
    try:
        matches(pattern, "", ignore_case=bool(ignore_case))
    except PatternError as error:
        raise ConditionError(*error.args) from None
    return SubjectMatches(pattern=pattern, ignore_case=bool(ignore_case))


@condition
def subject_contains(*words: str) -> Leaf:
    """One of these words, or parts of words, stands in the subject, in any case."""
    return SubjectContains(words=tuple(one.lower() for one in texts(words, "word")))


@condition
def attachment(*extensions: str, encrypted: bool | None = None, name: str = "") -> Leaf:
    """One attachment has one of these extensions, is `encrypted` or is not, and `name` (RE2) is found in its name.

    Needs `attachments`: what costs nothing is looked at first, and only then the message is asked for.
    """
    wanted = (
        frozenset(one.lower().lstrip(".") for one in texts(extensions, "extension"))
        if extensions
        else frozenset()
    )
    if encrypted is not None and not isinstance(encrypted, bool):
        raise ConditionError(f"encrypted={encrypted!r} is neither True nor False", "write encrypted=True")
    try:
        matches(name, "")
    except PatternError as error:
        raise ConditionError(*error.args) from None
    return HasAttachment(extensions=wanted, encrypted=encrypted, pattern=name)


@dataclass(frozen=True, slots=True, repr=False)
class SubjectContains(Leaf):
    """A word in the subject."""

    words: tuple[str, ...] = ()

    def see(self, subject: Any, context: Context) -> Seen:
        del context
        text = (subject.subject or "").lower()
        found = next((word for word in self.words if word in text), "")
        return Seen(bool(found), {"subject": subject.subject}, found if text else MISSING)

    def test(self, on: type[Event]) -> Test:
        read, words = _SUBJECT.reader(on), self.words
        if len(words) == 1:
            (word,) = words
            return lambda event, _: word in (read(event) or "").lower()
        return lambda event, _: any(map((read(event) or "").lower().__contains__, words))


@dataclass(frozen=True, slots=True, repr=False)
class SubjectMatches(Leaf):
    """A pattern in the subject."""

    pattern: str = ""
    ignore_case: bool = True

    def see(self, subject: Any, context: Context) -> Seen:
        del context
        text = subject.subject
        return Seen(
            matches(self.pattern, text, ignore_case=self.ignore_case),
            {"subject": text},
            "" if text else MISSING,
        )

    def test(self, on: type[Event]) -> Test:
        read, pattern, ignore_case = _SUBJECT.reader(on), self.pattern, self.ignore_case
        return lambda event, _: matches(pattern, read(event), ignore_case=ignore_case)


@dataclass(frozen=True, slots=True, repr=False)
class HasAttachment(Leaf):
    """An attachment of a kind."""

    extensions: frozenset[str] = frozenset()
    encrypted: bool | None = None
    pattern: str = ""

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"attachments"})

    def see(self, subject: Any, context: Context) -> Seen:
        del context
        there = subject.attachments
        if there is None:
            return nothing({"attachments": None}, subject.why_missing("attachments"))
        shown = tuple(one.filename or one.name for one in there)
        found = next((one for one in there if self._is_one(one)), None)
        why = MISSING if not there else "" if found is None else f"{found.filename or found.name}"
        return Seen(found is not None, {"attachments": shown}, why)

    def _is_one(self, one: Attachment) -> bool:
        return (
            (not self.extensions or one.extension in self.extensions)
            and (self.encrypted is None or bool(one.encrypted) is self.encrypted)
            and (not self.pattern or matches(self.pattern, one.filename or one.name, ignore_case=True))
        )
