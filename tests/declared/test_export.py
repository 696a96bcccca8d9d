from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.declared.files import blocked, compared, made, there
from worker.declared.document import parse
from worker.declared.entries import Present
from worker.declared.export import export
from worker.declared.planning import plan
from worker.declared.sections import SECTIONS
from worker.declared.vetting import Guard
from worker.model.entries import MARK
from worker.ops.text import safe

TEXTS = st.text(max_size=30) | st.sampled_from(
    [
        "on",
        "null",
        "1e3",
        "017",
        "- x",
        "a: b",
        "#",
        "\u2028",
        "\x1b[31m",
        "\u202eevil",
        "'",
        '"',
        "~",
        "x\ny",
        "",
        MARK,
    ]
)
SWITCHES = st.booleans() | st.none()
WORDS: Mapping[str, st.SearchStrategy[Any]] = {
    "pattern_type": st.sampled_from(["EMAIL", "DOMAIN", "IP", "UNKNOWN", "NEWER"]),
    "targets": st.lists(st.sampled_from(["SUBJECT", "BODY", "NEWER"]), max_size=3).map(tuple),
    "exclude": st.lists(TEXTS, max_size=3).map(tuple),
    "lookback_hops": st.integers(0, 30) | st.none(),
    "folder": st.sampled_from(["Inbox", "AllItems", "Newer", None]),
}


def entries(name: str) -> st.SearchStrategy[list[Present]]:
    """What a vendor, or an attacker who writes a comment there, might have in a section."""
    section = SECTIONS[name]

    def value(field: str) -> st.SearchStrategy[Any]:
        if field in WORDS:
            return WORDS[field]
        if field.startswith(("is_", "verify_", "require_", "enabled")):
            return SWITCHES
        if field in {"allowed_delivery_modes", "drop_dispositions", "ip_restrictions", "regions"}:
            return st.lists(st.sampled_from(["API", "SPAM", "GLOBAL", "x"]), max_size=2).map(tuple)
        return TEXTS | st.none()

    rows = st.lists(st.fixed_dictionaries({field: value(field) for field in section.fields}), max_size=4)
    return rows.map(
        lambda found: [
            there(name, number, **{key: value for key, value in row.items() if value is not None})
            for number, row in enumerate(found)
        ]
    )


@settings(max_examples=25, deadline=None)
@given(st.fixed_dictionaries({name: entries(name) for name in SECTIONS}))
def test_an_export_says_what_is_there(tenant: dict[str, list[Present]]) -> None:
    """Whatever the tenant holds: the file is read again, nothing differs, and no line of it can move a terminal."""
    text = export(tenant)
    assert plan(parse("settings.yaml", text.encode()), tenant, Guard()).changes == ()
    assert all(safe(line, 100_000) == line for line in text.split("\n"))
    assert text == export({name: list(reversed(found)) for name, found in tenant.items()})


def test_what_comes_and_goes_by_itself_is_a_comment() -> None:
    """An expired allowance must not come back because somebody had exported it."""
    ours = blocked(1, comments=made("1m7y2qh5x60tq6ar"))
    text = export({"block_senders": [ours, blocked(2, "old.example")]})
    assert "# evil.example DOMAIN, id id-1: made by the worker, action 1m7y2qh5x60tq6ar" in text
    assert compared(text, blocked(2, "old.example")).changes == ()
