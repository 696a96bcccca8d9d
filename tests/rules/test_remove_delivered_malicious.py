from __future__ import annotations

import msgspec
import pytest

from rules.remove_delivered_malicious import remove_delivered_malicious
from worker.playbooks import Detection
from worker.testing import decide

DELIVERED = Detection(id="m1", final_disposition="MALICIOUS", delivery_status=("delivered",))


def test_it_can_be_undone() -> None:
    """The mail goes where its recipient can recover it, never to a purge."""
    (action,) = decide(remove_delivered_malicious, DELIVERED)
    assert (action.message, action.target) == (DELIVERED, "RecoverableItemsDeletions")


@pytest.mark.parametrize("verdict", ["MALICIOUS-BEC", "MALICIOUS-SOMETHING-NEW"])
def test_every_kind_of_malicious_counts(verdict: str) -> None:
    """A kind that the vendor adds tomorrow is malicious too; the reason tells it."""
    (action,) = decide(
        remove_delivered_malicious, msgspec.structs.replace(DELIVERED, final_disposition=verdict)
    )
    assert verdict in action.reason


@pytest.mark.parametrize("verdict", [None, "", "NONE", "SPAM", "SPOOF", "SUSPICIOUS", "UNKNOWN"])
def test_no_other_verdict_counts(verdict: str | None) -> None:
    """Suspicion is not enough to take mail away."""
    assert (
        decide(remove_delivered_malicious, msgspec.structs.replace(DELIVERED, final_disposition=verdict))
        == ()
    )


@pytest.mark.parametrize(
    "status", [(), ("quarantined",), ("rejected",), ("deferred",), ("moved", "delivered")]
)
def test_only_mail_that_lies_in_a_mailbox_is_moved(status: tuple[str, ...]) -> None:
    """What never arrived, or what somebody moved already, is left alone."""
    assert (
        decide(remove_delivered_malicious, msgspec.structs.replace(DELIVERED, delivery_status=status)) == ()
    )
