"""Of every spam somebody is told."""

from worker.playbooks import Caps, Detection, Notify, hit, miss, playbook


@playbook(
    on=Detection,
    mode="enforce",
    caps=Caps(per_poll=100_000, per_hour=100_000),
    examples=[hit(final_disposition="SPAM"), miss(final_disposition="NONE")],
)
def every_spam(message: Detection) -> Notify | None:
    """One action for each."""
    if message.final_disposition != "SPAM":
        return None
    return Notify(message, text="spam")
