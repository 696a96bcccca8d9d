from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from worker.model.history import HISTORY_LIMIT
from worker.playbooks import Context, PastAction
from worker.playbooks.context import Lists, UnknownListError

NOW = datetime(2026, 11, 20, tzinfo=UTC)
PAST = PastAction(kind="move", target="JunkEmail", state="succeeded", playbook="junk", at=NOW)


def test_a_context_cannot_be_changed() -> None:
    """Neither its fields nor its lists can be assigned to."""
    context = Context(now=NOW, lists=Lists({"partners": frozenset({"a"})}))
    with pytest.raises(AttributeError):
        context.now = NOW  # type: ignore[misc]
    with pytest.raises(TypeError):
        context.lists["partners"] = frozenset()  # type: ignore[index]


def test_lists_do_not_follow_the_mapping_that_they_were_made_of() -> None:
    """Later changes of the source do not reach a decision."""
    source = {"partners": frozenset({"a"})}
    lists = Lists(source)
    source.clear()
    assert lists["partners"] == {"a"}
    assert "vips" not in lists


def test_an_unknown_list_names_the_known_ones() -> None:
    """The error is a KeyError whose text helps."""
    lists = Lists({"partners": frozenset(), "vips": frozenset()})
    with pytest.raises(KeyError) as caught:
        lists["partner"]
    assert isinstance(caught.value, UnknownListError)
    assert str(caught.value) == "no list 'partner' (did you mean `partners`?); known lists: partners, vips"


def test_now_must_have_a_time_zone() -> None:
    """A naive time would compare wrongly with those of events."""
    with pytest.raises(ValueError, match="aware"):
        Context(now=datetime(2026, 11, 20))  # noqa: DTZ001 - the case in question


@pytest.mark.parametrize("name", ["history", "sender_history"])
def test_history_is_bounded(name: str) -> None:
    """A context grows neither with the age of a message nor with how much one sender sends."""
    longest: dict[str, Any] = {name: (PAST,) * HISTORY_LIMIT}
    assert len(getattr(Context(now=NOW, **longest), name)) == HISTORY_LIMIT
    with pytest.raises(ValueError, match="at most 20"):
        Context(now=NOW, **longest | {name: (*longest[name], PAST)})
