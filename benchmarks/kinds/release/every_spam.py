"""Every quarantined spam to its recipients."""

from worker.playbooks import Caps, Detection, Release, hit, miss, playbook


@playbook(
    on=Detection,
    mode="enforce",
    caps=Caps(per_poll=100_000, per_hour=100_000),
    examples=[hit(final_disposition="SPAM", is_quarantined=True), miss(final_disposition="NONE")],
)
def every_spam(message: Detection) -> Release | None:
    """One action for each."""
    return Release(message) if message.final_disposition == "SPAM" and message.is_quarantined else None
