"""What playbooks may ask to have in the tenant's settings: blocked, allowed and trusted senders, protected people. Pure.

Each acts on a pattern, not on the message that gave rise to it: two hundred messages of one sender make one entry.
"""

from __future__ import annotations

from typing import Any, ClassVar

from worker.model.actions import OnMessage, check_message
from worker.model.patterns import Pattern, domain_pattern, sender_of, sender_pattern

MARK = "email-security-worker "
"""How the comment of an entry begins that a worker has made; the action's id follows."""
MAX_DAYS = 90
"""How long an allowance may last at most."""


class Entry(OnMessage, frozen=True, kw_only=True):
    """An action on the tenant's settings. `pattern` is whom it covers."""

    regex: bool = False
    """Whether the sender, domain or address is a regular expression, in RE2's syntax."""
    reaches_beyond: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_message(self)
        _check_type(self, "regex", self.regex, bool)

    @property
    def pattern(self) -> Pattern:
        raise NotImplementedError

    @property
    def target(self) -> str:
        return self.pattern.text

    @property
    def subject(self) -> str:
        return self.pattern.key


class _OnSender(Entry, frozen=True, kw_only=True):
    sender: str | None = None
    """An address, a domain or an IP; the address that the message came from where it is left out."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_type(self, "sender", self.sender, str, optional=True)
        if self.regex and self.sender is None:
            raise ValueError(f"{type(self).__name__}(regex=True): name the expression as `sender`")

    @property
    def pattern(self) -> Pattern:
        sender = sender_of(self.message) if self.sender is None else self.sender
        return sender_pattern(sender, regex=self.regex)

    @property
    def params(self) -> dict[str, Any]:
        return {"pattern": self.pattern.text, "pattern_type": self.pattern.type, "is_regex": self.regex}


class BlockSender(_OnSender, frozen=True, kw_only=True):
    """Blocks new mail of the sender: what is there already stays where it is."""

    kind: ClassVar[str] = "block_sender"


class UnblockSender(_OnSender, frozen=True, kw_only=True):
    """Takes back a block of exactly this sender that the worker itself has made; a person's block stays."""

    kind: ClassVar[str] = "unblock_sender"


class AllowSender(_OnSender, frozen=True, kw_only=True):
    """Lets new mail of the sender pass for so many days, once a person has approved it; the worker takes it back then."""

    days: int
    """1 to MAX_DAYS, from the decision on."""
    trusted: bool = False
    """Passes whatever it is; otherwise only as spam, spoof or bulk."""
    verified: bool = True
    """Only where the mail proves that it comes from there."""
    kind: ClassVar[str] = "allow_sender"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_days(self, self.days)
        _check_type(self, "trusted", self.trusted, bool)
        _check_type(self, "verified", self.verified, bool)

    @property
    def target(self) -> str:
        return f"{self.pattern.text} (trusted)" if self.trusted else self.pattern.text

    @property
    def lasts(self) -> int:
        return self.days

    @property
    def params(self) -> dict[str, Any]:
        return {
            **super().params,
            "is_acceptable_sender": not self.trusted,
            "is_trusted_sender": self.trusted,
            "is_exempt_recipient": False,
            "verify_sender": self.verified,
        }


class TrustDomain(Entry, frozen=True, kw_only=True):
    """Does not hold it against a domain that it is new, or looks like another, for so many days; as AllowSender."""

    days: int
    """1 to MAX_DAYS, from the decision on."""
    domain: str | None = None
    """The domain that the message shows as its sender's where it is left out."""
    recent: bool = True
    """May be newly registered."""
    similar: bool = False
    """May look like one of ours."""
    kind: ClassVar[str] = "trust_domain"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_days(self, self.days)
        _check_type(self, "domain", self.domain, str, optional=True)
        _check_type(self, "recent", self.recent, bool)
        _check_type(self, "similar", self.similar, bool)
        if not self.recent and not self.similar:
            raise ValueError("TrustDomain: trust it although it is recent=True, similar=True, or both")
        if self.regex and self.domain is None:
            raise ValueError("TrustDomain(regex=True): name the expression as `domain`")

    @property
    def pattern(self) -> Pattern:
        return domain_pattern(
            self.message.sender_domain if self.domain is None else self.domain, regex=self.regex
        )

    @property
    def target(self) -> str:
        flags = " and ".join(name for name in ("recent", "similar") if getattr(self, name))
        return f"{self.pattern.text} ({flags})"

    @property
    def lasts(self) -> int:
        return self.days

    @property
    def params(self) -> dict[str, Any]:
        return {
            "pattern": self.pattern.text,
            "is_regex": self.regex,
            "is_recent": self.recent,
            "is_similarity": self.similar,
        }


class ProtectIdentity(Entry, frozen=True, kw_only=True):
    """Protects a person's name: mail that bears it from another address than `email` is taken for impersonation."""

    email: str
    """Where the person really writes from."""
    name: str | None = None
    """The name that the message shows as its sender's where it is left out."""
    kind: ClassVar[str] = "protect_identity"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_type(self, "email", self.email, str)
        _check_type(self, "name", self.name, str, optional=True)

    @property
    def pattern(self) -> Pattern:
        return sender_pattern(self.email, regex=self.regex)._replace(type="EMAIL")

    @property
    def who(self) -> str:
        """The protected name, in one line."""
        return " ".join(((self.message.from_name or "") if self.name is None else self.name).split())

    @property
    def target(self) -> str:
        return f"{self.who} <{self.pattern.text}>"

    @property
    def subject(self) -> str:
        return f"{self.pattern.key} {self.who.casefold()}"

    @property
    def params(self) -> dict[str, Any]:
        return {"name": self.who, "email": self.pattern.text, "is_email_regex": self.regex}


def _check_days(action: Entry, days: object) -> None:
    if type(days) is not int or not 1 <= days <= MAX_DAYS:
        name = type(action).__name__
        raise ValueError(f"{name}(days={days!r}): expected a whole number of days, 1 to {MAX_DAYS}")


def _check_type(action: Entry, name: str, value: object, expected: type, *, optional: bool = False) -> None:
    if not (isinstance(value, expected) or (optional and value is None)):
        got = type(value).__name__
        raise TypeError(f"{type(action).__name__}({name}=...): expected {expected.__name__}, got {got}")
