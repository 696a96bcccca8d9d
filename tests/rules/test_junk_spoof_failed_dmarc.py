from __future__ import annotations

from typing import Any

import pytest

from rules.junk_spoof_failed_dmarc import junk_spoof_failed_dmarc
from worker.testing import decide, detection

SPOOF = {
    "final_disposition": "SPOOF",
    "validation": {"dmarc": "fail"},
    "delivery_status": ["delivered"],
}


def _acts(**changes: Any) -> bool:
    return decide(junk_spoof_failed_dmarc, detection(**SPOOF | changes)) != ()


def test_a_spoof_goes_to_junk() -> None:
    """Its recipients can find it there if it was honest."""
    (move,) = decide(junk_spoof_failed_dmarc, detection(**SPOOF))
    assert (move.kind, move.target) == ("move", "JunkEmail")


@pytest.mark.parametrize("dmarc", [None, "pass", "neutral", "none", "error"])
def test_only_a_failed_dmarc_counts(dmarc: str | None) -> None:
    """A missing or temporary result is no proof of a forged sender."""
    assert not _acts(validation={"dmarc": dmarc, "spf": "fail", "dkim": "fail"})


@pytest.mark.parametrize("verdict", [None, "NONE", "SPAM", "MALICIOUS"])
def test_a_failed_dmarc_alone_is_not_enough(verdict: str | None) -> None:
    """Forwarded mail fails DMARC every day; the vendor's verdict must agree."""
    assert not _acts(final_disposition=verdict)


def test_what_somebody_moved_stays_there() -> None:
    """A user who took a message out of Junk is not overruled."""
    assert not _acts(post_delivery_operations=["MOVE"])
