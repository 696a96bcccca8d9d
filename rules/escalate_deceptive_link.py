"""Users' reports of mail whose links lead elsewhere than they say."""

from urllib.parse import urlsplit

from worker.playbooks import Caps, Submission, Submit, hit, matches, miss, playbook

ROW = {"final_disposition": "SUSPICIOUS", "delivery_status": ["delivered"]}
LIE = {"href": "https://bank.evil.example/in", "text": "https://bank.example/sign-in"}


@playbook(
    on=Submission,
    needs=["details"],
    caps=Caps(per_poll=20, per_hour=50),
    examples=[
        hit(message={**ROW, "details": {"links": [LIE]}}, expect=[("submit", "MALICIOUS")]),
        miss(message={**ROW, "details": {"links": [{**LIE, "text": "Sign in"}]}}),
        miss(message={**ROW, "details": {"links": [{**LIE, "href": "https://www.bank.example/in"}]}}),
        miss(message={**ROW, "details": None}),  # the vendor does not give it
        miss(type="Team", message={**ROW, "details": {"links": [LIE]}}),
        miss(customer_status="escalated", message={**ROW, "details": {"links": [LIE]}}),
        miss(outcome_disposition="NONE", message={**ROW, "details": {"links": [LIE]}}),
        miss(message={**ROW, "final_disposition": "BULK", "details": {"links": [LIE]}}),
    ],
)
def escalate_deceptive_link(submission: Submission) -> Submit | None:
    """Passes a user's report on to the analysts where a link shows another site than it leads to.

    Why: a user and the link agree, the filter only doubts. Only open reports of doubtful, delivered mail cost a request.
    Risk: newsletters count clicks through other sites, hence no bulk mail; analysts look at one message in vain.
    """
    message = submission.message
    if message is None or not submission.is_user_report or submission.is_judged:
        return None
    if submission.customer_status == "escalated" or not message.is_delivered:
        return None
    if message.final_disposition not in ("SUSPICIOUS", "SPOOF") or message.details is None:
        return None
    for link in message.details.links:
        shown, leads = host(link.text or ""), host(link.href)
        if shown and leads and not f".{leads}".endswith(f".{shown}"):
            reason = f"a link shows {shown} and leads to {leads}"
            return Submit(message, to="MALICIOUS", escalates=submission.submission_id, reason=reason)
    return None


def host(text: str) -> str:
    """The site that a text names, without `www.`; empty where it is no address of one."""
    text = text.strip()[:2000]
    if not matches(r"^(https?://|www\.)\S+$", text, ignore_case=True):
        return ""
    try:
        name = urlsplit(text if "//" in text else f"//{text}").hostname or ""
    except ValueError:
        return ""
    return name.removeprefix("www.")
