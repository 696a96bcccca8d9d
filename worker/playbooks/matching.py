"""Regular expressions for playbooks, on RE2: linear in the text, whatever the pattern and whoever wrote the mail."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import lru_cache

import re2

from worker.playbooks.problems import Fault, clip

MAX_PATTERN = 1000
"""Characters of a pattern."""
MAX_TEXT = 100_000
"""Characters of a text: as many as the longest field of an event may have."""
_MAX_PROGRAM = 2000
"""Instructions of a compiled pattern, which the slowest search takes for each character; usual ones have below 100."""
_CACHED = 512

_REMEDIES = (
    (("(?=", "(?!", "(?<=", "(?<!"), "RE2 looks neither ahead nor behind: call `matches` twice, joined by `and not`"),
    (("(?P", "\\1", "\\2", "\\3"), "RE2 has no backreferences: compare the two parts in Python"),
    (("(?>", "*+", "++", "?+"), "RE2 never backtracks: leave the possessive or atomic part out"),
    (("\\Z",), r"write \z for the end of the text"),
    (("\\u", "\\N"), r"write the character itself, or \x{00e9}"),
    (("repetition size", "too large", "instructions"), "repeat less often: counts multiply where they are nested"),
    (("missing )", "unexpected )", "missing argument"), "balance the brackets, or escape a literal one: \\("),
)  # fmt: skip
_ANY_REMEDY = 'write it in RE2\'s syntax (github.com/google/re2/wiki/Syntax), as a raw string: r"..."'


class PatternError(ValueError):
    """A pattern that `matches` cannot take, or a text that is too long for it; `args` are what and the remedy."""

    def __str__(self) -> str:
        return ": ".join(map(str, self.args))


def matches(pattern: str, text: str | None, *, ignore_case: bool = False) -> bool:
    r"""Whether the pattern is found anywhere in the text; never where there is no text.

    The syntax is RE2's: that of `re` without looking around and backreferences. `^` and `$` stand for the ends of
    the text; `(?i)`, `(?m)` and `(?s)` work as in `re`.

    Raises:
        PatternError: no pattern of RE2, or more than 1,000 characters; a text of more than 100,000 characters.
    """
    if text is None:
        return False
    found = _compiled(pattern, ignore_case)
    if len(text) > MAX_TEXT:
        raise PatternError(
            f"a text of {len(text)} characters", f"match at most {MAX_TEXT}: text[:{MAX_TEXT}]"
        )
    return found(text.encode("utf-8", "replace")) is not None


def pattern_faults(tree: ast.Module) -> Iterator[tuple[int, Fault]]:
    """Line, message and remedy of every pattern in the calls of `matches` that can be read without running them."""
    if any(isinstance(node, ast.FunctionDef) and node.name == matches.__name__ for node in ast.walk(tree)):
        return  # a function of the author's own
    named = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not _calls_matches(node.func):
            continue
        given = node.args[0] if node.args else _keyword(node, "pattern")
        pattern = named.get(given.id) if isinstance(given, ast.Name) else given
        if isinstance(pattern, ast.Constant) and isinstance(pattern.value, str):
            try:
                _compiled(pattern.value, False)  # noqa: FBT003 - as `matches` does, by position for the cache
            except PatternError as error:
                yield pattern.lineno, error.args


def _calls_matches(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name == matches.__name__


def _keyword(node: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in node.keywords if keyword.arg == name), None)


@lru_cache(maxsize=_CACHED)
def _compiled(pattern: str, ignore_case: bool) -> Callable[[bytes], object]:  # noqa: FBT001 - part of the cache's key
    if not isinstance(pattern, str):
        raise PatternError(
            f"a pattern of type {type(pattern).__name__}", 'give it as text: matches(r"...", text)'
        )
    if len(pattern) > MAX_PATTERN:
        raise PatternError(
            f"a pattern of {len(pattern)} characters", f"at most {MAX_PATTERN}: split it into several"
        )
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.case_sensitive = not ignore_case
    try:
        compiled = re2.compile(pattern.encode(), options)
    except UnicodeEncodeError:
        raise _refused(pattern, "half of a surrogate pair") from None
    except re2.error as error:
        raise _refused(pattern, _words(error)) from None
    if compiled.programsize > _MAX_PROGRAM:
        raise _refused(pattern, f"too large: {compiled.programsize} instructions, at most {_MAX_PROGRAM}")
    return compiled.search  # type: ignore[no-any-return]


def _words(error: Exception) -> str:
    """RE2's own words; its module hands them on as bytes."""
    told = error.args[0] if error.args else ""
    return told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)


def _refused(pattern: str, why: str) -> PatternError:
    remedies = (remedy for signs, remedy in _REMEDIES if any(sign in why for sign in signs))
    return PatternError(
        f"no pattern for `matches`: {clip(ascii(pattern), 100)}: {why}", next(remedies, _ANY_REMEDY)
    )
