from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.declared.files import file
from worker.declared.document import MAX_BYTES, load, parse
from worker.declared.entries import Unusable

BLOCK = "block_senders:\n  - pattern: evil.example\n    pattern_type: DOMAIN\n"
WRONG = {
    "not YAML": ("block_senders: [", 2, "is not YAML"),
    "a tab": ("block_senders:\n\t- pattern: x", 2, "is not YAML"),
    "an alias": ("a: &one x\nb: *one", 1, "an anchor"),
    "an alias alone": ("block_senders: *one", 1, "an alias"),
    "a tag": ("block_senders: !!python/object/apply:os.system [ls]", 1, "a tag"),
    "a merge": ("block_senders:\n  - <<: {pattern: x}", 2, "a name is expected here"),
    "two documents": ("block_senders: []\n---\ndomains: []", 2, "a second document"),
    "too deep": ("[" * 500, 1, "nested too deep"),
    "no mapping": ("- block_senders", 1, "is not `name: value` lines"),
    "an unknown section": ("block_sender: []", 1, "did you mean block_senders?"),
    "a section twice": (BLOCK + "block_senders: []", 4, "stands in line 1 already"),
    "no list": ("block_senders: evil.example", 1, "is not a list of entries"),
    "an empty section": ("block_senders:", 1, "write `block_senders: []` for none"),
    "no entry": ("block_senders:\n  - evil.example", 2, "is not `name: value` lines"),
    "a field twice": (BLOCK + "    pattern: x", 4, "stands in line 2 already"),
    "an unknown field": (BLOCK + "    comment: x", 4, "did you mean comments?"),
    "the same entry twice": (
        BLOCK + "  - {pattern: EVIL.example, pattern_type: DOMAIN}",
        4,
        "stands in line 2 already",
    ),
    "no key": ("block_senders:\n  - comments: x", 2, "needs pattern, pattern_type"),
    "a wrong word": (
        "block_senders:\n  - pattern: x.example\n    pattern_type: DOMIAN",
        3,
        "pattern_type: expected EMAIL, DOMAIN, IP, got 'DOMIAN'",
    ),
    "a switch for a text": (
        "trusted_domains:\n  - pattern: on\n",
        2,
        "pattern: expected text, got bool; put it in quotes",
    ),
    "a number for a text": ("content_policies:\n  - name: 17\n", 2, "put it in quotes"),
    "a date": ("content_policies:\n  - name: 2026-01-01\n", 2, "put a text in quotes"),
    "a text for a switch": (BLOCK + "    is_regex: 'no'", 4, "is_regex: expected bool, got text"),
    "a blank pattern": ("url_ignore_patterns:\n  - pattern: '  '", 2, "is blank"),
    "a long pattern": (f"url_ignore_patterns:\n  - pattern: {'x' * 1025}", 2, "1024"),
    "a hidden character": ('url_ignore_patterns:\n  - pattern: "a\\u202Eb"', 2, "cannot be seen"),
    "a wrong list": (
        "content_policies:\n  - name: x\n    targets: [SUBJECT, HEADER]",
        3,
        "targets: expected SUBJECT, BODY",
    ),
    "too many hops": ("domains:\n  - domain: x.example\n    lookback_hops: 21", 3, "lookback_hops: expected"),
    "the worker's mark": (BLOCK + "    comments: email-security-worker 1m7 x", 4, "knows its own entries"),
    "complete without a section": ("complete: [block_senders]", 1, "all of it would go"),
    "complete domains": ("complete: [domains]\ndomains: []", 1, "none is ever deleted"),
    "complete what": ("complete: [senders]", 1, "is no section"),
    "complete no list": ("complete: block_senders\nblock_senders: []", 1, "is not a list of sections"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_with_its_line(case: str) -> None:
    """The file, the line, what is wrong and how to mend it."""
    text, line, what = WRONG[case]
    with pytest.raises(Unusable) as wrong:
        parse("settings.yaml", text.encode())
    assert any(one.startswith(f"settings.yaml:{line}: ") and what in one for one in wrong.value.lines), (
        wrong.value.lines
    )


def test_one_run_tells_all_that_is_wrong() -> None:
    """Nobody has to mend a file line by line."""
    with pytest.raises(Unusable) as wrong:
        file(
            """\
            block_senders:
              - pattern: 1
                pattern_type: DOMAIN
              - pattern_type: DOMAIN
            trusted: []
            """
        )
    assert [one.split(":")[1] for one in wrong.value.lines] == ["2", "4", "5"]


def test_a_billion_laughs_are_none() -> None:
    """A file that would grow without end is refused at its first anchor, at once."""
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))]
    began = time.monotonic()
    with pytest.raises(Unusable, match=r"settings.yaml:1: an anchor"):
        parse("settings.yaml", "\n".join(lines).encode())
    assert time.monotonic() - began < 1


def test_what_is_no_text_or_too_large_or_not_there(tmp_path: Path) -> None:
    """Each is one line with a remedy, whatever the file is."""
    with pytest.raises(Unusable, match=r":2: is not UTF-8"):
        parse("settings.yaml", b"a: []\n\xff")
    with pytest.raises(Unusable, match="is larger than 8 MiB"):
        parse("settings.yaml", b"#" * (MAX_BYTES + 1))
    with pytest.raises(Unusable, match="cannot be read: No such file"):
        load(tmp_path / "settings.yaml")


def test_an_empty_file_asks_for_nothing() -> None:
    """It has no section, so it is about nothing."""
    assert dict(file("# nothing yet\n").sections) == {}
