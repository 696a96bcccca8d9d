from __future__ import annotations

from typing import Any

import pytest

from tests.builders import detection
from worker.model.actions import Move
from worker.model.entries import AllowSender, BlockSender, Entry, ProtectIdentity, TrustDomain, UnblockSender
from worker.model.patterns import Pattern, sender_pattern
from worker.playbooks.vetting import refusal

MAIL = detection()
OURS = ("ours.example",)


def block(sender: str | None = None, *, regex: bool = False, **mail: Any) -> BlockSender:
    """A block because of mail to ann@corp.example."""
    return BlockSender(detection(**mail), sender=sender, regex=regex)


@pytest.mark.parametrize(
    "text, pattern",
    [
        ("mallory@evil.example", ("EMAIL", "mallory@evil.example")),
        ("Mallory <M@Evil.Example>", ("EMAIL", "m@evil.example")),
        ("@Evil.Example.", ("DOMAIN", "evil.example")),
        ("evil.example", ("DOMAIN", "evil.example")),
        ("203.0.113.7", ("IP", "203.0.113.7")),
        ("2001:DB8::1", ("IP", "2001:db8::1")),
    ],
)
def test_a_sender_is_taken_for_what_it_looks_like(text: str, pattern: tuple[str, str]) -> None:
    """An address by its `@`, an IP by its form, else a domain; written as people write them."""
    assert sender_pattern(text) == Pattern(*pattern)


@pytest.mark.parametrize(
    "action, why",
    [
        (block(""), "empty"),
        (block("*"), "no domain"),
        (block("."), "empty"),
        (block("com"), "no domain"),
        (block("co.uk"), "public suffix"),
        (block("github.io"), "public suffix"),
        (block("gmail.com"), "public mail provider"),
        (block("Outlook.com"), "public mail provider"),
        (block("tutanota.com"), "public mail provider"),
        (block("corp.example"), "protected domain corp.example"),
        (block("mail.corp.example"), "protected domain corp.example"),
        (block("ann@corp.example"), "protected domain corp.example"),
        (block("ours.example"), "protected domain ours.example"),
        (block("boss@sub.ours.example"), "protected domain ours.example"),
        (block("10.0.0.1"), "no public address"),
        (block("198.51.100.0/24"), "no domain"),
        (block("a b@evil.example"), "no address"),
        (block("mallory@évil.example"), "no address has"),
        (block(".*", regex=True), "matches everything"),
        (block("^$", regex=True), "matches everything"),
        (block("[a-z]", regex=True), "covers"),
        (block(r"\.example$", regex=True), "protected domain"),
        (block(r"@.+\.ours\.example$", regex=True), "protected domain"),
        (block(r"@hr[.]ours\.example$", regex=True), "protected domain"),
        (block(r"@gmail\.com$", regex=True), "provider"),
        (ProtectIdentity(MAIL, email="ann.boss@gmail.com", name="A" * 1500), "nobody's"),
        (block("paypa[l1]", regex=True), "paypal.com"),
        (block("(", regex=True), "no pattern"),
        (block("@"), "empty"),
        (AllowSender(MAIL, days=1, sender="corp.example"), "protected domain"),
        (TrustDomain(MAIL, days=1, domain="gmail.com"), "public mail provider"),
        (ProtectIdentity(MAIL, email="boss@corp.example"), "no name"),
        (ProtectIdentity(MAIL, email=".+@.+", name="Ann Boss", regex=True), "covers"),
        (UnblockSender(MAIL, sender="*"), "no domain"),
    ],
)
def test_what_covers_too_much_is_refused(action: Entry, why: str) -> None:
    """Nothing, everybody, whom nobody owns, and whom the operator or the message's recipients own."""
    assert refusal(action, OURS).startswith("refused: ")
    assert why in refusal(action, OURS)


@pytest.mark.parametrize(
    "action",
    [
        block(),
        block("evil.example"),
        block("someone@gmail.com"),
        block("8.8.8.8"),
        block(r"^bad[0-9]+@gmail\.com$", regex=True),
        block(r"@evil[0-9]+\.test$", regex=True),
        block("ours.example.evil.test"),
        block(r"@ours\.example\.evil\.test$", regex=True),
        block(r"@not-ours\.example$", regex=True),
        block("notours.example"),
        AllowSender(MAIL, days=90),
        TrustDomain(MAIL, days=1, similar=True),
        ProtectIdentity(MAIL, email="ann.boss@gmail.com", name="Ann Boss"),
        UnblockSender(MAIL, sender="gmail.com"),
        Move(MAIL, to="Inbox"),
    ],
)
def test_what_names_somebody_is_not(action: Any) -> None:
    """One address anywhere, one sender's own domain, an expression that needs its digits."""
    assert refusal(action, OURS) == ""


def test_a_message_without_a_sender_names_nobody() -> None:
    """The default comes from the mail, which may have none; the playbook does not fail for it."""
    assert "empty" in refusal(BlockSender(detection(sender=None)))


def test_the_envelopes_sender_is_meant_before_the_one_that_is_shown() -> None:
    """What is shown can be anybody's; an empty envelope, as of a bounce, leaves nothing else."""
    assert BlockSender(detection(envelope_from="<bounce@mailer.example>")).target == "bounce@mailer.example"
    assert BlockSender(detection(envelope_from="<>")).target == "mallory@evil.example"


@pytest.mark.parametrize("days", [0, 91, -1, 1.5, True, "30", None])
def test_an_allowance_has_an_end_within_bounds(days: Any) -> None:
    """A whole number of days, 1 to 90; without one there is no such action."""
    for make in (AllowSender, TrustDomain):
        with pytest.raises(ValueError, match="1 to 90"):
            make(MAIL, days=days)
        with pytest.raises(TypeError):
            make(MAIL)  # type: ignore[call-arg]


def test_equal_wishes_of_different_messages_have_one_subject() -> None:
    """Case and brackets make no second sender; another type or another sender does."""
    assert block("Evil.Example").subject == block("evil.example.", id="m2").subject
    assert len({block(one).subject for one in ("a@evil.example", "evil.example", "b@evil.example")}) == 3
    assert block("evil.example").subject == AllowSender(MAIL, days=1, sender="evil.example").subject
