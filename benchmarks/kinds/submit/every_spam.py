"""Every spam to the analysts."""

from worker.playbooks import Caps, Detection, Submit, hit, miss, playbook


@playbook(
    on=Detection,
    mode="enforce",
    caps=Caps(per_poll=100_000, per_hour=100_000),
    examples=[hit(final_disposition="SPAM"), miss(final_disposition="NONE")],
)
def every_spam(message: Detection) -> Submit | None:
    """One action for each."""
    return Submit(message, to="NONE") if message.final_disposition == "SPAM" else None
