from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.playbooks.folder import IMPORTS, Folder, playbook_source
from worker.playbooks import matches
from worker.playbooks.matching import MAX_PATTERN, MAX_TEXT, PatternError

PATHOLOGICAL = {
    "nested plus": r"(a+)+$",
    "nested star": r"(a*)*b",
    "overlapping": r"(a|a)*b",
    "overlapping words": r"(\w+\s?)+$",
    "polynomial": r".*a.*a.*a.*a.*a.*a.*b",
    "an address": r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*@[a-z0-9]+[.](([a-z]{2,3})|([a-z]{2,3}[.][a-z]{2,3}))$",
    "many choices": r"(x+x+)+y",
    "optional ones": r"(a?){100}a{100}b",
    "counted dots": r"(.{0,30}){5}z",
    "counted letters": r"(?i)(?:[a-zé]{0,30}é){3}z",
    "half of all bits": r"[01]*1[01]{200}q",
}
TEXTS = [
    "a" * MAX_TEXT,
    "x" * MAX_TEXT,
    "01" * (MAX_TEXT // 2),
    "aé" * (MAX_TEXT // 2),
    "aa aa " * 16_000 + "!",
]
REFUSED = [
    (r"(?<=from )paypal", "looks neither ahead nor behind: call `matches` twice"),
    (r"(?<!no )invoice", "looks neither ahead nor behind"),
    (r"invoice(?=s)", "looks neither ahead nor behind"),
    (r"invoice(?!s)", "looks neither ahead nor behind"),
    (r"(a)\1", "no backreferences: compare the two parts in Python"),
    (r"(?P<x>a)(?P=x)", "no backreferences"),
    (r"(?>a+)b", "leave the possessive or atomic part out"),
    (r"a++b", "leave the possessive or atomic part out"),
    (r"end\Z", r"write \z for the end of the text"),
    (r"caf\u00e9", r"or \x{00e9}"),
    (r"(open", "balance the brackets"),
    (r"close)", "balance the brackets"),
    (r"a{1,2000}", "repeat less often"),
    (r"(.{100}){10}", "repeat less often"),
    (r"*", "RE2's syntax"),
    ("a" * (MAX_PATTERN + 1), "split it into several"),
    ("\ud800", "RE2's syntax"),
]


@pytest.mark.parametrize("pattern", PATHOLOGICAL.values(), ids=PATHOLOGICAL)
def test_no_pattern_takes_long_on_any_text(pattern: str) -> None:
    """Texts of the greatest length, made for the patterns that hold `re` up for years."""
    began = time.thread_time()
    for text in TEXTS:
        matches(pattern, text)
        matches(pattern, text, ignore_case=True)
    assert time.thread_time() - began < 8


@pytest.mark.parametrize(
    "pattern,text,found",
    [
        ("invoice", "Your invoice 12", True),
        ("invoice", "Your Invoice 12", False),
        ("(?i)invoice", "Your INVOICE 12", True),
        ("^invoice", "Your invoice", False),
        (r"invoice$", "Your invoice", True),
        (r"\binvoice\b", "invoices", False),
        (r"re(ch|k)nung \d+", "Ihre rechnung 12", True),
        ("für", "Rechnung für März", True),
        ("^.$", "請", True),
        ("", "", True),
        ("a", "", False),
        ("a", None, False),
        ("", None, False),
        (r"a\nb", "a\nb", True),
        ("x", "\ud800x", True),
    ],
)
def test_it_finds_what_re_would_find(pattern: str, text: str | None, found: bool) -> None:
    """Anywhere in the text, of which half a letter does no harm; nothing where there is no text."""
    assert matches(pattern, text) is found


@pytest.mark.parametrize("text", ["INVOICE", "Invoice", "invoice", "ÏNVOICE \u0131nvoice iNVOice"])
def test_case_can_be_ignored(text: str) -> None:
    """For the whole pattern, without `(?i)`."""
    assert matches("invoice", text, ignore_case=True)
    assert not matches("receipt", text, ignore_case=True)


@pytest.mark.parametrize("pattern,remedy", REFUSED, ids=[pattern[:20] for pattern, _ in REFUSED])
def test_a_pattern_that_cannot_be_is_refused_with_a_remedy(pattern: str, remedy: str) -> None:
    """Also those of `re` that RE2 has not: the author learns what to write."""
    with pytest.raises(PatternError) as caught:
        matches(pattern, "x")
    assert remedy in str(caught.value)
    assert str(caught.value).isascii()


def test_a_text_is_bounded() -> None:
    """Every field of an event fits; what is longer was put together by the author."""
    assert matches("a", "a" * MAX_TEXT)
    with pytest.raises(PatternError, match=r"a text of 100001 characters: match at most 100000"):
        matches("a", "a" * (MAX_TEXT + 1))


@pytest.mark.parametrize("pattern", [None, 7, b"a"])
def test_a_pattern_is_text(pattern: object) -> None:
    """What a typing error passes is named."""
    with pytest.raises(PatternError, match="a pattern of type"):
        matches(pattern, "x")  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.text(st.characters(codec=None), max_size=30), st.text(st.characters(codec=None), max_size=300))
def test_any_pattern_and_any_text_are_answered_or_refused(pattern: str, text: str) -> None:
    """No other exception, and a bool."""
    with contextlib.suppress(PatternError):
        assert matches(pattern, text) in (True, False)


@pytest.mark.parametrize(
    "source",
    [
        "matches(r'(a)\\1', m.subject)",
        "matches(pattern=r'(a)\\1', text=m.subject)",
        "matches(WORD, m.subject)",
        "worker.playbooks.matches(r'(a)\\1', m.subject)",
    ],
)
def test_a_pattern_that_stands_in_the_source_is_refused_when_it_is_loaded(
    folder: Folder, source: str
) -> None:
    """With its line and remedy, before any mail comes, examples or not."""
    head = f"import worker.playbooks\n{IMPORTS}WORD = r'(a)\\1'\n"
    folder.write("a.py", f"{head}{playbook_source()}\ndef other(m):\n    return {source}\n")
    problem = folder.only_problem()
    assert problem.line == (3 if "WORD" in source else 10)
    assert "invalid escape sequence" in problem.message
    assert "no backreferences" in problem.remedy


def test_a_function_of_the_same_name_is_the_authors_own(folder: Folder) -> None:
    """Its arguments are no patterns."""
    own = "def matches(a, b): return a == b\nFOUND = matches('(', '(')\n"
    folder.write("a.py", f"from worker.playbooks import playbook, Detection, Move\n{own}{playbook_source()}")
    assert folder.only_playbook().function.__globals__["FOUND"] is True
