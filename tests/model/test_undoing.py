from __future__ import annotations

import pytest

from worker.model.undoing import DELIVERED_TO, OwnMove, WayBack, way_back

EARLIER = OwnMove("e1", "", "JunkEmail", None)


@pytest.mark.parametrize(
    "origin, before, expected",
    [
        ("JunkEmail", None, WayBack("JunkEmail", "the vendor's log showed it there")),
        (None, EARLIER, WayBack("JunkEmail", "e1 had moved it there")),
        (
            "Archive",
            EARLIER,
            WayBack(DELIVERED_TO, "assumed: it was in Archive, which the API cannot move it to", known=False),
        ),
        (
            "",
            EARLIER,
            WayBack(
                DELIVERED_TO,
                "assumed: somebody had moved it, and the vendor's log did not say where",
                known=False,
            ),
        ),
    ],
)
def test_the_way_back_is_what_is_known_of_it(
    origin: str | None, before: OwnMove | None, expected: WayBack
) -> None:
    """The vendor's log before the worker's own; a folder that is assumed is said to be."""
    assert way_back(OwnMove("m1", "", "DeletedItems", origin), before) == expected


def test_a_persons_word_comes_first() -> None:
    """Whatever any log shows."""
    done = OwnMove("m1", "", "DeletedItems", "JunkEmail")
    assert way_back(done, EARLIER, "Inbox") == WayBack("Inbox", "as you chose")
