"""The runbook for on-call. Log lines and alerts come from their tables; the rest is written here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from worker.model.actions import State
from worker.ops.alerts import ALERTS, Alert
from worker.ops.events import EVENTS

STATES: Final[Mapping[State, tuple[str, str]]] = MappingProxyType(
    {
        State.SHADOWED: (
            "A shadow playbook would have acted. Nothing was sent.",
            "Nothing; a promotion, or a start under a higher mode, within a day decides it anew.",
        ),
        State.HELD: (
            (
                "Waits for a person; `error` says why (cap, contradiction, purge, allowance, somebody moved it, "
                "altered approval, mode `approve`). Nothing was sent."
            ),
            "`worker actions show ID`, then `worker actions approve ID` or `reject ID`",
        ),
        State.READY: (
            (
                "Will be sent next. Stays so while paused, rate-limited or without a valid token, or while the caps are "
                "full (then `error` says which)."
            ),
            "If it stays: `worker status`, `worker doctor`",
        ),
        State.SUBMITTED: ("A request with it is under way.", "Nothing."),
        State.SUCCEEDED: (
            "Done. A reclassify: accepted by the vendor, whose answer comes later.",
            "To undo a move: see above.",
        ),
        State.SKIPPED: (
            "Already so, or no longer applies: someone was first, or the verdict changed. Nothing was sent.",
            "Nothing.",
        ),
        State.FAILED: (
            "Refused for good, or done for some recipients only: `error` names the others.",
            "`worker actions show ID`; the rest by hand in the dashboard.",
        ),
        State.UNKNOWN: (
            "Sent, but no usable answer: being read back, or parked for a person if that told nothing.",
            "If it stays, look in the dashboard; no effect: `worker actions retry --i-checked ID`, else `reject ID`",
        ),
        State.DEAD: (
            "Gave up after its retries.",
            "`worker actions show ID`, mend the cause, `worker actions retry ID`",
        ),
        State.REJECTED: (
            "A person refused it, or settled it while it was `unknown`. It is not planned again.",
            "Nothing.",
        ),
        State.EXPIRED: (
            "Nobody approved it in time, or it was approved but not sent in time. Nothing was sent.",
            "By hand, if it still matters.",
        ),
    }
)
"""What each state means, and the next command. OPEN is never shown."""

_EXIT_CODES = (
    ("0", "Done, or stopped as asked."),
    (
        "1",
        "A problem (`check`, `doctor`), a change (`audit verify`), a source unread (`run --once`), or as it says.",
    ),
    (
        "2",
        "Used wrongly: a setting, an argument, a second `run` on one database. One line names the remedy.",
    ),
    ("3", "`run --once` only: it finished, and an action is `dead` or `unknown`."),
    (
        "27",
        "A playbook could not be stopped. Start it again: the log line `playbook.ended_worker` names it.",
    ),
    (
        "130",
        "A second signal, or Ctrl-C: it ended at once. What was in flight is read back at the next start.",
    ),
)

_UNITS = {"m": "min", "h": "h"}

_FIRST_PAGE = (
    (
        "stop it from acting, now",
        '`worker pause --reason "..."`: within 5 s no new change starts; polling goes on; restarts keep it.',
    ),
    (
        "the same without its settings or database",
        "a file `PAUSE` beside the database (its text is the reason), or SIGUSR1 to the process",
    ),
    ("let it go on", "`worker resume`; where the file `PAUSE` is there, remove it"),
    (
        "find what it did to a message",
        "`worker actions list --message MESSAGE_ID` (the investigate id; in the log `worker.message_id`)",
    ),
    (
        "see why, and by which playbook",
        "`worker actions show ID`: playbook, its version, reason, evidence, and every step since",
    ),
    (
        "see everything in order",
        "`worker audit show --message MESSAGE_ID`: decision, intent, answer, read-back, people's approvals",
    ),
    ("prove that the record is whole", "`worker audit verify`"),
    (
        "undo a move",
        "`worker undo ID`; its output says where to, and whether that is known or assumed (`--to FOLDER`)",
    ),
    (
        "undo what a bad playbook did",
        (
            '`worker demote NAME --reason "..."`, `worker undo --playbook NAME --since 2h --dry-run`, '
            "the same without; mend it; promote it again"
        ),
    ),
    (
        "undo a release or a reclassify",
        "Impossible: others have it already. In the dashboard, move the message or ask for another verdict.",
    ),
    (
        "undo a purge",
        "Impossible for users; a person approved each one: `worker actions show ID` names them.",
    ),
    (
        "stop one playbook",
        (
            '`worker demote NAME --reason "..."`: from now on nothing that it has not sent goes out; no restart. '
            'Later `worker promote NAME --reason "..."`, one rung at a time'
        ),
    ),
    ("stop all of them but keep watching", "`WORKER_MODE=shadow`, restart"),
    (
        "let held actions go, or drop them",
        "`worker actions list --state held`, then `worker actions approve ID...` or `reject ID...`",
    ),
    ("see whether it is well", "`worker status`, then `worker doctor` (asks the vendor too)"),
)

_BEFORE = """\
# Runbook

<!-- Generated: python -m worker.ops.events > docs/runbook.md -->
"""

_AFTER_FIRST_PAGE = """\
These commands work while the worker runs, and read the same settings. Killing the worker at any moment is
safe: what was in flight is read back at the next start before anything is sent again. Leave the database
where it is: it is the only record of what was done.
"""

_AFTER_ALERTS = """\
[deploy/alerts.yaml](../deploy/alerts.yaml) has them as rules for Prometheus.
"""

_BACKUP = """\
## Backup and restore

`worker backup FILE` writes a whole copy beside the running worker, and reads it through before FILE has its name
(mode 0600; an existing file only with `--force`). Take it daily, and keep it on another machine. A snapshot of the
whole volume at one moment is a backup too. Do not copy the file of a running worker in any other way, and do not
open it with a `sqlite3` older than 3.51.3 while it runs.

To restore, stop the worker, `worker restore FILE`, start it. The replaced database stays beside it as
`worker.db.replaced-TIME`. From then on the worker knows what it does not know:

- it reads on from the copy's watermarks, so that nothing is lost;
- whatever the copy had not finished, and whatever is decided anew on mail from before the restore, is looked at before it
  is sent. What was done since the copy is `skipped`. A release of which the vendor's log shows nothing is `held`:
  a person looks and approves;
- a pause of the replaced database stays in force. Approvals, rejections and audit records since the copy are lost here;
  the replaced file still has them: name it in WORKER_DATABASE_URL for `worker audit show`.

A copy that somebody puts in place by hand, or brings to another machine, is recognised by `worker.db.head`, which says
how far the audit log had come when the last request went out: the log says `ledger.restored`, and the same holds. Only
a whole volume that was rolled back together with that file cannot be told from the present: then run `worker restore`
with the database itself as FILE before the start. An empty database where one was is refused. Remove the file's `-wal`
and `-shm` before you put another in its place by hand: they belong to the old one.
"""

_AFTER_EVENTS = """\
In JSON logs `event.action` names the line; `worker.*`, `rule.*`, `email.*` and `error.*` say to what it
happened. These names are stable; `message` is for people and may change.
"""


def runbook() -> str:
    """The whole of docs/runbook.md."""
    states = ((f"`{state}`", *texts) for state, texts in STATES.items())
    events = ((f"`{name}`", *event) for name, event in EVENTS.items())
    alerts = ((alert.name, _when(alert), alert.then) for alert in ALERTS)
    return "\n".join(
        (
            _BEFORE,
            _section(
                "03:00: what did it do to this message, why, and how do I undo it?",
                ("you want to", "do"),
                _FIRST_PAGE,
            ),
            _AFTER_FIRST_PAGE,
            _section("States of an action", ("state", "means", "next"), states),
            _section("Exit codes", ("code", "means"), _EXIT_CODES),
            _section("Alerts worth having", ("alert", "where", "then"), alerts),
            _AFTER_ALERTS,
            _BACKUP,
            _section("Log lines", ("event.action", "level", "meaning", "next"), events),
            _AFTER_EVENTS,
        )
    )


def _when(alert: Alert) -> str:
    lasting = f" for {alert.lasting[:-1]} {_UNITS[alert.lasting[-1]]}" if alert.lasting else ""
    return f"`{alert.expr}`{lasting}"


def _section(title: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"## {title}", "", _row(head), _row(["---"] * len(head)), *map(_row, rows)]
    return "\n".join(lines) + "\n"


def _row(cells: Iterable[str]) -> str:
    escaped = (cell.replace("|", r"\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
