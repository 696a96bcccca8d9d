"""Conditions on what the filter and the analysts made of a message, and on what became of it."""

from __future__ import annotations

from worker.model.events import DISPOSITIONS, PhishReport, Submission
from worker.playbooks.conditions.base import Leaf, condition
from worker.playbooks.conditions.fields import Field, Flag, OneOf, and_kind, chosen, each_lower, itself, texts

VERDICTS = (*DISPOSITIONS, "MALICIOUS-BEC", "ENCRYPTED", "EXTERNAL", "UNKNOWN")
"""What rows may carry; the first six are what requests may ask for."""
RESULTS = ("pass", "neutral", "fail", "error", "none")
"""Of mail authentication."""
_VERDICT = Field("final_disposition", 4, and_kind)
_CATEGORIES = Field("threat_categories", 3, each_lower)
_AUTH = {name: Field(f"validation.{name}", 6, itself) for name in ("dmarc", "spf", "dkim")}
_REPORTED = Field("disposition", 4, and_kind, PhishReport)
_OUTCOME = Field("outcome_disposition", 4, and_kind, Submission)


@condition
def disposition(*names: str) -> Leaf:
    """The filter's verdict, `final_disposition`, is one of these. `MALICIOUS` stands for its kinds too."""
    return OneOf(field=_VERDICT, wanted=chosen(names, VERDICTS, "disposition"))


@condition
def threat_category(*names: str) -> Leaf:
    """One of `threat_categories` is one of these, in any case."""
    return OneOf(field=_CATEGORIES, wanted=frozenset(one.lower() for one in texts(names, "threat category")))


@condition
def dmarc(*results: str) -> Leaf:
    """`validation.dmarc` is one of `pass`, `neutral`, `fail`, `error`, `none`."""
    return OneOf(field=_AUTH["dmarc"], wanted=chosen(results, RESULTS, "result"))


@condition
def spf(*results: str) -> Leaf:
    """`validation.spf` is one of `pass`, `neutral`, `fail`, `error`, `none`."""
    return OneOf(field=_AUTH["spf"], wanted=chosen(results, RESULTS, "result"))


@condition
def dkim(*results: str) -> Leaf:
    """`validation.dkim` is one of `pass`, `neutral`, `fail`, `error`, `none`."""
    return OneOf(field=_AUTH["dkim"], wanted=chosen(results, RESULTS, "result"))


@condition
def delivered() -> Leaf:
    """The message reached at least one mailbox."""
    return Flag(field="is_delivered")


@condition
def moved() -> Leaf:
    """Anybody, the worker included, moved the message after its delivery."""
    return Flag(field="has_moved")


@condition
def quarantined() -> Leaf:
    """The message is held back."""
    return Flag(field="is_quarantined")


@condition
def report_disposition(*names: str) -> Leaf:
    """On `PhishReport`: the analysts' judgement is one of these. `MALICIOUS` stands for its kinds too."""
    return OneOf(field=_REPORTED, wanted=chosen(names, VERDICTS, "disposition"))


@condition
def outcome(*names: str) -> Leaf:
    """On `Submission`: the vendor's judgement, `outcome_disposition`, is one of these; not so while there is none."""
    return OneOf(field=_OUTCOME, wanted=chosen(names, VERDICTS, "disposition"))


@condition
def user_report() -> Leaf:
    """On `Submission`: a user asked, not the team."""
    return Flag(field="is_user_report", kind=Submission)
