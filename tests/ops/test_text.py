from __future__ import annotations

import random
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ops.lines import Lines
from worker.cli.printing import glance, print_table, say
from worker.ops import logs
from worker.ops.text import safe

log = logs.get_logger()
NASTY = (
    "\x1b[2J", "\x1b]0;owned\x07", "\n", "\r\n", "\t", "\x85", "\u2028", "\u2029", "\u202e", "\u2066", "\u200b", "\ud800",
    "\udfff", "\ud83d", "\x00", "\x7f", "\x9b31m", '"', "\\", "%s", "{}", "\u3164",
    "\u00e9", "\u8acb", "\U0001f389", "\U000e0041",
)  # fmt: skip

ANY_TEXT = st.text(st.characters(codec=None), max_size=300)


@pytest.mark.parametrize(
    "text, shown",
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("two\r\nlines\ttab\x00\x7f", r"two\x0d\x0alines\x09tab\x00\x7f"),
        ("\x9b31m C1", r"\x9b31m C1"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("\u202eexe.fdp\u202c", r"\u202eexe.fdp\u202c"),
        ("\u2066x\u2069\u200e\u061c", r"\u2066x\u2069\u200e\u061c"),
        ("pay\u200bpal\ufeff\u00ad", r"pay\u200bpal\ufeff\xad"),
        ("\ud800 alone \udfff", r"\ud800 alone \udfff"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("\u3164blank\u2800", r"\u3164blank\u2800"),
    ],
)
def test_what_could_act_or_hide_is_shown_as_an_escape(text: str, shown: str) -> None:
    """Controls, separators, bidi, zero-width characters and lone surrogates are visible and harmless."""
    assert safe(text) == shown


@pytest.mark.parametrize(
    "text", ["", "Rechnung für März, 5 €", "請求書 12\u3000号", "счёт", "🎉 ok", "a\u00a0b"]
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    """Readable text of any language is not touched."""
    assert safe(text) == text


@given(ANY_TEXT, st.integers(-2, 310))
def test_any_text_becomes_one_harmless_line_within_the_limit(text: str, limit: int) -> None:
    """For any text and limit the result is short, encodable and has no character that acts."""
    shown = safe(text, limit)
    shown.encode()
    assert len(shown) <= max(limit, 0)
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in shown)


def test_a_long_text_ends_in_an_ellipsis_and_never_in_half_an_escape() -> None:
    """The cut falls between characters of the original."""
    assert safe("x" * 100_000) == "x" * 199 + "…"
    assert safe("\x1b" * 100, 10) == r"\x1b\x1b" + "…"


def test_no_hostile_subject_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """10,000 of them, some of 100 kB: each is one line of a console log, a table and a message, without an escape."""
    random_ = random.Random(18)
    console, count = Lines(), 10_000
    logs.configure(format="console", level="info", stream=console)
    for number in range(count):
        parts = random_.choices(NASTY, k=8)
        parts.insert(4, "A" * (100_000 if number % 500 == 0 else number % 20))
        subject = "".join(parts)
        log.info("action.finished", subject=subject, recipients=[subject])
        say(subject)
        print_table(["subject"], [[subject]])
    printed = capsys.readouterr().out
    for text, lines in ((console.getvalue(), count), (printed, 3 * count)):
        assert text.count("\n") == lines
        assert len(text.splitlines()) == lines
        shown = set(text) - {"\n"}
        assert all(character.isprintable() or unicodedata.category(character) == "Zs" for character in shown)


@pytest.mark.parametrize("terminal", [True, False])
def test_only_a_terminal_gets_less(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, terminal: bool
) -> None:
    """Whatever else reads a line, a table or one value gets all of it."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    text = "a" * 50_000 + "\x1b"
    say(text)
    print_table(["body"], [[text]])
    shown = capsys.readouterr().out
    whole = "a" * 50_000 + r"\x1b"
    assert (shown.count(whole) == 2) is not terminal
    assert "\x1b" not in shown
    assert (glance(text) == text) is not terminal


def test_every_character_of_the_living_planes_is_handled() -> None:
    """No code point there is raises, or lets a line break or an escape character through."""
    every = "".join(map(chr, [*range(0x12000), *range(0xE0000, 0xE0200), sys.maxunicode]))
    shown = safe(every, len(every) * 11)
    assert len(shown.splitlines()) == 1
    assert "\x1b" not in shown
