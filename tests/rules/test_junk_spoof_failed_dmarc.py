from __future__ import annotations

import msgspec
import pytest

from rules.junk_spoof_failed_dmarc import junk_spoof_failed_dmarc
from worker.model.events import Validation
from worker.playbooks import Detection

SPOOF = Detection(
    id="m1",
    final_disposition="SPOOF",
    validation=Validation(dmarc="fail"),
    delivery_status=("delivered",),
)


def test_a_spoof_goes_to_junk() -> None:
    """Its recipients can find it there if it was honest."""
    action = junk_spoof_failed_dmarc(SPOOF)
    assert action is not None
    assert action.to == "JunkEmail"


@pytest.mark.parametrize("dmarc", [None, "pass", "neutral", "none", "error"])
def test_only_a_failed_dmarc_counts(dmarc: str | None) -> None:
    """A missing or temporary result is no proof of a forged sender."""
    message = msgspec.structs.replace(SPOOF, validation=Validation(dmarc=dmarc, spf="fail", dkim="fail"))
    assert junk_spoof_failed_dmarc(message) is None


@pytest.mark.parametrize("verdict", [None, "NONE", "SPAM", "MALICIOUS"])
def test_a_failed_dmarc_alone_is_not_enough(verdict: str | None) -> None:
    """Forwarded mail fails DMARC every day; the vendor's verdict must agree."""
    assert junk_spoof_failed_dmarc(msgspec.structs.replace(SPOOF, final_disposition=verdict)) is None


def test_what_somebody_moved_stays_there() -> None:
    """A user who took a message out of Junk is not overruled."""
    message = msgspec.structs.replace(SPOOF, post_delivery_operations=("MOVE",))
    assert junk_spoof_failed_dmarc(message) is None
