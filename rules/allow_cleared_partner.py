"""Partners whose wanted mail the filter takes for spam."""

from worker.playbooks import AllowSender, Caps, Context, Field, Params, Submission, hit, miss, playbook

HELD = {
    "sender": "Billing@partner.example",
    "final_disposition": "SPAM",
    "validation": {"dmarc": "pass"},
}


class Limits(Params):
    """What params.toml may say."""

    days: int = Field(default=30, ge=1, le=90)
    """Long enough for the filter to learn, short enough that nobody has to remember it."""


@playbook(
    on=Submission,
    mode="approve",  # what lets mail past the filter needs approval in every mode
    caps=Caps(per_poll=10, per_hour=20),
    params=Limits,
    examples=[
        hit(outcome_disposition="NONE", message=HELD, expect=[("allow_sender", "billing@partner.example")]),
        miss(outcome_disposition="NONE", message={**HELD, "validation": {"dmarc": "fail"}}),
        miss(outcome_disposition="NONE", message={**HELD, "sender": "ceo@partner.example"}),
        miss(outcome_disposition="NONE", message={**HELD, "final_disposition": "MALICIOUS"}),
        miss(outcome_disposition="SPAM", message=HELD),
    ],
)
def allow_cleared_partner(submission: Submission, context: Context, params: Limits) -> AllowSender | None:
    """Lets mail of a partner in lists/partners.txt pass as spam for a month, after the vendor has cleared one.

    Why: the vendor agrees that the filter errs, and each invoice until it has learnt is one more release by hand.
    Risk: a hijacked mailbox of theirs: so never past a malicious verdict, only mail that proves its origin, for exact
    addresses, until a date, and once a person approves.
    """
    message = submission.message
    if message is None or submission.outcome_disposition != "NONE" or message.validation.dmarc != "pass":
        return None
    partner = (message.sender or "").lower()
    if partner not in context.lists["partners"] or message.properties.allowlisted_pattern:
        return None
    if message.final_disposition not in ("SPAM", "BULK"):
        return None
    reason = f"submission {submission.submission_id} was judged clean"
    return AllowSender(message, days=params.days, sender=partner, reason=reason)
