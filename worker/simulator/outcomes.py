"""What the vendor's analysts answer to a submission, some time after it was made."""

from __future__ import annotations

from random import Random

from .config import SimulatorConfig
from .generate import judgement, plain
from .rows import Row, Submission


def judge(config: SimulatorConfig, row: Row, submission: Submission) -> None:
    """Gives a submission its outcome: to a user as the analysts see the message, to the team by chance.

    The same seed and submission always get the same answer. Where a verdict is to change (`verdict_delay`),
    the analysts agree with the team.
    """
    draw = Random(f"{config.seed}/outcome/{submission.submission_id}")
    verdict: str | None = submission.requested_disposition
    if submission.type == "User":
        verdict = plain(judgement(draw, row))
    elif config.verdict_delay is None and draw.random() < config.refused:
        verdict = submission.original_disposition
    settle(submission, verdict or "NONE")


def settle(submission: Submission, verdict: str) -> None:
    """Writes an outcome down."""
    submission.status = "completed"
    submission.customer_status = "reviewed"
    submission.outcome = "accepted" if verdict == submission.requested_disposition else "refused"
    submission.outcome_disposition = verdict
