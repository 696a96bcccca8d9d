"""Conditions on what a message says and carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from worker.model.enrichment import Attachment
from worker.playbooks.conditions.base import MISSING, ConditionError, Leaf, Seen, condition, nothing
from worker.playbooks.conditions.fields import texts
from worker.playbooks.context import Context
from worker.playbooks.matching import PatternError, matches


@condition
def subject_matches(pattern: str, *, ignore_case: bool = True) -> Leaf:
    """The expression, in RE2's syntax as for `matches`, is found in the subject."""
    try:
        matches(pattern, "", ignore_case=bool(ignore_case))
    except PatternError as error:
        raise ConditionError(*error.args) from None
    return SubjectMatches(pattern=pattern, ignore_case=bool(ignore_case))


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
