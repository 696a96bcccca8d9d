"""What can be set about a simulated tenant, and the text forms of it on the command line."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .faults import Fault, parse_fault

DISPOSITIONS = (
    "MALICIOUS", "MALICIOUS-BEC", "SUSPICIOUS", "SPOOF", "SPAM", "BULK",
    "ENCRYPTED", "EXTERNAL", "UNKNOWN", "NONE",
)  # fmt: skip
DEFAULT_MIX = "MALICIOUS=9.5,MALICIOUS-BEC=0.5,SPAM=15,SUSPICIOUS=5,SPOOF=3,BULK=10"


def parse_mix(text: str) -> Mapping[str, float]:
    """Reads per cents by disposition, like `SPAM=15,SPOOF=3`; what is missing to 100 is NONE.

    Raises ValueError for an unknown disposition, a negative share or a sum over 100.
    """
    mix = {name: float(share) for name, _, share in (part.partition("=") for part in text.split(",") if part)}
    if unknown := mix.keys() - set(DISPOSITIONS):
        raise ValueError(
            f"unknown disposition in mix: {', '.join(sorted(unknown))}; known: {', '.join(DISPOSITIONS)}"
        )
    rest = 100 - sum(mix.values())
    if rest < 0 or min(mix.values(), default=0) < 0:
        raise ValueError("a mix has shares from 0 to 100 per cent that sum up to at most 100")
    return MappingProxyType(mix | {"NONE": mix.get("NONE", 0.0) + rest})


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatorConfig:
    """Everything that decides how a simulated tenant looks and behaves; times are in seconds.

    A field with a `help` text is also a flag of the command line, with dashes for underscores.
    """

    port: int = field(default=0, metadata={"help": "TCP port on 127.0.0.1; 0 takes a free one"})
    seed: int = field(default=1, metadata={"help": "the same seed and clock give the same bytes"})
    messages: int = field(default=2000, metadata={"help": "messages that exist at the start"})
    span: float = field(
        default=12 * 3600.0, metadata={"help": "seconds over which they were scanned before the start"}
    )
    rate: float = field(default=0.0, metadata={"help": "new messages a second after the start"})
    reports: int | None = field(
        default=None,
        metadata={"help": "PhishGuard reports at the start; default one per 100 messages", "parse": int},
    )
    scenes: bool = field(
        default=False,
        metadata={
            "help": "beside it mail for the shipped playbooks, such as look-alike domains and lying links"
        },
    )
    mix: Mapping[str, float] = field(
        default_factory=lambda: parse_mix(DEFAULT_MIX),
        metadata={
            "help": f"per cent by disposition, the rest is NONE; default {DEFAULT_MIX}",
            "parse": parse_mix,
        },
    )
    account_id: str = field(
        default="0123456789abcdef0123456789abcdef",
        metadata={"help": "the one account that exists, 32 hex digits"},
    )
    token: str = field(default="simulator-token", metadata={"help": "the bearer token that is accepted"})
    limit: int = field(
        default=1200, metadata={"help": "requests a window; one more blocks every call for a window"}
    )
    limit_window: float = field(default=300.0, metadata={"help": "length of that window in seconds"})
    limit_headers: bool = field(
        default=True, metadata={"help": "tell of the limit in Ratelimit headers, as the vendor does"}
    )
    latency: float = field(default=0.0, metadata={"help": "seconds added to every answer"})
    action_log_lag: float = field(
        default=0.0, metadata={"help": "seconds until an action shows in the action log"}
    )
    submission_lag: float = field(default=0.0, metadata={"help": "seconds until a submission is listed"})
    verdict_delay: float | None = field(
        default=None,
        metadata={
            "help": "seconds after which a reclassify changes the verdict; default never",
            "parse": float,
        },
    )
    outcome_delay: float = field(
        default=300.0,
        metadata={"help": "seconds until the analysts answer a submission, where no verdict changes"},
    )
    refused: float = field(default=0.2, metadata={"help": "share of the team's submissions that they refuse"})
    submission_ids: bool = field(
        default=False,
        metadata={"help": "name the new submissions in the answer to a POST, not their messages"},
    )
    job_delay: float = field(
        default=1.0, metadata={"help": "seconds that a bulk job waits, and again searches, before it acts"}
    )
    job_rate: float = field(default=500.0, metadata={"help": "messages a second that a bulk job acts on"})
    deprecated: bool = field(
        default=True, metadata={"help": "send the fields whose end of life has passed: ts and action_log"}
    )
    release_array: bool = field(
        default=False, metadata={"help": "also accept a bare JSON array as body of a release"}
    )
    gzip: bool = field(default=False, metadata={"help": "compress answers for clients that accept it"})
    faults: tuple[Fault, ...] = field(
        default=(),
        metadata={
            "help": "CLASS:KIND[:key=value,...], may be repeated",
            "flag": "--fault",
            "parse": parse_fault,
        },
    )
    clock: Callable[[], float] = field(default=time.time)
    """Seconds since 1970; a test puts its own here."""
