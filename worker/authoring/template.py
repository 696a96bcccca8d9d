"""What this playbook is about, in one line."""

from worker.playbooks import Caps, Detection, Move, hit, matches, miss, playbook


@playbook(
    on=Detection,  # or PhishReport
    mode="shadow",  # only records what it would have done: start here
    owner="soc@example.com",
    caps=Caps(per_poll=100, per_hour=500),
    examples=[
        hit(final_disposition="SPAM", subject="You have WON", delivery_status=["delivered"]),
        miss(final_disposition="SPAM", subject="Order 12 confirmed", delivery_status=["delivered"]),
        miss(final_disposition="SPAM"),  # no subject, not delivered: both must be borne
    ],
)
def my_first_playbook(message: Detection) -> Move | None:
    """Says in one line what it does.

    Why: what makes this worth doing, and what it looks at.
    Risk: what happens if it is wrong, and who would notice.
    """
    lottery = matches(r"\byou( have|'ve) won\b", message.subject, ignore_case=True)
    if message.final_disposition == "SPAM" and lottery and message.is_delivered and not message.has_moved:
        return Move(message, to="JunkEmail", reason="lottery spam")
    return None
