"""The names of everything that the worker logs: stable, each with its meaning and the next step for on-call.

`python -m worker.ops.events > docs/runbook.md` writes the runbook from this table. A test reads every
log call in `worker/` and fails for a name, or a level of a name, that is missing here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class LogEvent(NamedTuple):
    """One `event.action`. `level` is `debug`, `info`, `warning` or `error`, or several such as `info/warning`."""

    level: str
    meaning: str
    next: str

    @property
    def levels(self) -> frozenset[str]:
        """The levels that a call may use."""
        return frozenset(self.level.split("/"))


_NONE = "Nothing."
_STATUS = "`worker status`"
_SHOW = "`worker actions show ID` (`worker.action_id`)"
_DOCTOR = "`worker doctor`"
_TAKEN_UP = "It is taken up within seconds (`WORKER_RELOAD=off`: restart)."

_TABLE: dict[str, LogEvent] = {
    "service.started": LogEvent("info", "The worker runs: mode, how many playbooks, request budget.", _NONE),
    "service.stopping": LogEvent("info", "Intake is stopped; work in flight is drained.", _NONE),
    "service.stopped": LogEvent(
        "info", "The worker has ended.", "If nobody stopped it: the lines before this one."
    ),
    "service.signal": LogEvent(
        "info",
        "A signal arrived: SIGTERM or SIGINT drains, and a second one ends at once; SIGUSR1 pauses.",
        _NONE,
    ),
    "service.stuck": LogEvent(
        "error",
        "Work in flight outlasted WORKER_DRAIN_TIMEOUT; the line names what blocks.",
        "Start it again: what was in flight is read back. If it repeats, raise WORKER_DRAIN_TIMEOUT.",
    ),
    "service.failed": LogEvent(
        "error",
        "A part of the worker failed unforeseen; the process ends, for its supervisor to start it anew.",
        "The line's `error.*` fields; nothing is lost. If it repeats: `worker pause`, then report the lines.",
    ),
    "clock.stepped": LogEvent(
        "warning",
        "The machine's clock was set by so many seconds; due dates follow it, and the next poll sweeps a day.",
        f"If nobody set the clock, check the host's NTP. {_DOCTOR} compares the clock with Cloudflare's.",
    ),
    "clock.skewed": LogEvent(
        "warning",
        "The machine's clock is so many seconds ahead of the vendor's (negative: behind). Ahead, polls begin earlier by"
        " that, up to a day; further ahead, lists are refused. Behind, new mail is seen late. Nothing is lost.",
        f"Mend the host's NTP. {_DOCTOR} compares the clocks.",
    ),
    "clock.agrees": LogEvent("info", "The machine's clock and the vendor's agree again.", _NONE),
    "task.failed": LogEvent(
        "error",
        "One piece of work failed unforeseen; it is tried again and all others go on.",
        "The line's `error.*` fields; if it repeats: report the line.",
    ),
    "dispatch.unknown_kind": LogEvent(
        "error",
        "Actions of a kind that this version cannot carry out wait: a newer version has planned them.",
        "Go back to the newer version, or drop them: `worker actions list`, `worker actions reject ID`.",
    ),
    "config.mode_lowered": LogEvent(
        "warning",
        "WORKER_MODE is lower than it was: actions that nobody had approved are `held` now.",
        "`worker actions list --state held`, or raise WORKER_MODE on purpose.",
    ),
    "store.migrated": LogEvent("info", "The database was brought to this version's schema.", _NONE),
    "store.unavailable": LogEvent(
        "error",
        "The database cannot be written (full disk, read-only, locked, deleted). No action starts.",
        "Disk space and permissions; then nothing: it resumes by itself. " + _DOCTOR,
    ),
    "store.damaged": LogEvent(
        "error",
        "The database's file is corrupt. Nothing is done on it any more; the process stays, so that this is seen.",
        "Stop the worker, restore a backup: `worker restore FILE` (see Backup and restore).",
    ),
    "store.recovered": LogEvent("info", "The database can be written again; work resumes.", _NONE),
    "playbook.loaded": LogEvent(
        "debug",
        "A playbook was loaded: version, and the mode that its file says, before levels and ceiling.",
        _NONE,
    ),
    "event.excluded": LogEvent(
        "info",
        "So many messages of a page are named by `rules/lists/_protected` or `_simulations`: no playbook was asked.",
        "If they are many or you know of none: who changed the list, and whether it is still right.",
    ),
    "lists.review_due": LogEvent(
        "warning",
        "A list of the rules folder names no day of its last review, or one that is too long ago. Told once a day.",
        "Look through it, take out what is gone, and set its line `# reviewed: DATE`.",
    ),
    "playbooks.reloaded": LogEvent(
        "info", "A change of the rules folder is in force; polls under way end with the old playbooks.", _NONE
    ),
    "playbooks.reload_refused": LogEvent(
        "error",
        "A change of the rules folder was refused; what was in force goes on. `playbook.refused` names each problem.",
        "`worker check`; mend it, and it is taken up.",
    ),
    "playbooks.unwatched": LogEvent(
        "warning",
        "The system tells nothing of the rules folder; it is looked at every few seconds.",
        "Nothing. To silence it set `WORKER_RELOAD=poll`; or raise `fs.inotify.max_user_instances`.",
    ),
    "playbook.level": LogEvent(
        "warning",
        "Somebody promoted or demoted a playbook: to which level, who and why; it holds from this poll on.",
        "Nothing, if you know of it; `worker audit show` has the record.",
    ),
    "playbook.promotion_outdated": LogEvent(
        "warning",
        "A playbook was promoted to enforce with other code than it has now: what it wants waits for approval.",
        "Look at what it wants, then `worker promote PLAYBOOK`; or bring the old code back.",
    ),
    "playbook.refused": LogEvent(
        "error",
        "A playbook cannot be loaded; the line names file, line and reason.",
        f"Mend what `worker check` names. {_TAKEN_UP} What came in for it meanwhile is then decided.",
    ),
    "playbook.ended_worker": LogEvent(
        "error",
        "A playbook that nothing could stop ended the worker before this start (exit code 27). It is not run again on "
        "that event, which is parked for it; where the line names no event, it is watched until it does it again.",
        f"Mend the line that `file` names: bound the loop, the number or the text; `worker check`. {_TAKEN_UP}",
    ),
    "playbook.failed": LogEvent(
        "error",
        "A playbook raised on one event; that event is parked for this playbook, all others go on.",
        f"`worker status`; mend it, `worker check`. {_TAKEN_UP} Its parked events are decided again.",
    ),
    "playbook.quarantined": LogEvent(
        "error",
        "A playbook raised on ten events in a row, or took too long: it is asked about one event now and then, a probe.",
        f"Mend it, `worker check`. {_TAKEN_UP} That ends it at once; what is parked is then decided.",
    ),
    "playbook.readmitted": LogEvent(
        "info", "A quarantined playbook decides again; what was parked meanwhile has been decided.", _NONE
    ),
    "playbook.redecided": LogEvent(
        "info", "A playbook's new version, or a file that loads again, decided its parked events.", _NONE
    ),
    "playbook.file_missing": LogEvent(
        "warning",
        "Events wait for a file that could not be loaded and is not there any more: no playbook is asked about them.",
        "Mended under another name? Call it as the line says: it decides them within seconds. Else nothing.",
    ),
    "enrichment.waiting": LogEvent(
        "warning",
        "What a playbook needs of messages could not be fetched now: they are parked for it, and fetched again.",
        "Nothing, if `worker status` shows them no more later. Else the line's reason: cap, budget, the vendor's words.",
    ),
    "enrichment.caught_up": LogEvent(
        "info", "What a playbook needs of parked messages was fetched; they are decided.", _NONE
    ),
    "tick.missed": LogEvent(
        "warning",
        "A poll was due while the worker could not run; the next one covers its window.",
        "If it repeats: CPU of the host, `worker_event_loop_lag_seconds`.",
    ),
    "tick.overlapped": LogEvent(
        "info",
        "A poll was due while the last one still ran; the two are one.",
        "If it repeats: raise WORKER_POLL_INTERVAL, or see rate.limited and budget.low.",
    ),
    "poll.started": LogEvent("debug/info", "A source is asked for a window of time.", _NONE),
    "poll.completed": LogEvent("info", "A window was read to its end and its watermark moved.", _NONE),
    "poll.failed": LogEvent(
        "error",
        "A source fails; logged once, tried again until poll.recovered. Its window is kept: nothing is lost.",
        f"{_DOCTOR}; the vendor's status page.",
    ),
    "poll.recovered": LogEvent(
        "info", "A failed source answers again and reads on from its watermark.", _NONE
    ),
    "poll.row_quarantined": LogEvent(
        "warning",
        "A row could not be understood and was set aside; the others go on.",
        "Report the line: the vendor's API may have changed.",
    ),
    "poll.field_left_out": LogEvent(
        "warning",
        "A field could not be read and counts as not sent; its rows are decided without it. Each field once an hour.",
        "One row: odd mail, nothing. Many (`worker_fields_left_out_total`): report it, the API may have changed.",
    ),
    "poll.cursor_loop": LogEvent(
        "warning",
        "The vendor repeated a cursor or a page, or sent one empty page after the other; the rows are kept and the "
        "window counts as read, unless it reaches further back than the hourly sweep: then it is read anew, a few times.",
        "If it repeats: report it to the vendor; the hourly sweep reads the window again.",
    ),
    "poll.page_retried": LogEvent(
        "warning",
        "One page failed and is asked for again from its cursor. Not told again while the source as a whole fails.",
        _NONE,
    ),
    "poll.search_failed": LogEvent(
        "warning",
        "A search for the messages of reports or submissions failed; they wait and are searched for again for 1 h.",
        f"If it repeats: {_DOCTOR}; the report's times in the dashboard.",
    ),
    "sweep.completed": LogEvent(
        "info", "The hourly sweep over 24 h looked for late rows and changed verdicts.", _NONE
    ),
    "report.waiting": LogEvent(
        "info", "A report's message is not listed yet; it is looked for again for 1 h.", _NONE
    ),
    "report.unmatched": LogEvent(
        "warning",
        "A report's message was not found; its playbooks decide without it.",
        "The report in the dashboard.",
    ),
    "submission.waiting": LogEvent(
        "info", "A submission's message is not found yet; it is searched for again for 1 h.", _NONE
    ),
    "submission.unmatched": LogEvent(
        "info", "A submission's message was not found; its playbooks decide without it.", _NONE
    ),
    "plan.closed": LogEvent(
        "info", "A poll's plan for one playbook is complete; its actions may start.", _NONE
    ),
    "plan.held": LogEvent(
        "warning",
        "A plan is held before its first action; `event.reason` says why: cap, contradiction, approval.",
        "`worker actions list --state held`, then `worker actions approve ID...` or `reject ID...`",
    ),
    "action.finished": LogEvent(
        "info/warning",
        "An action ended: its one canonical line; `worker.state` and `event.outcome` say how.",
        f"Nothing for `succeeded`, `skipped`, `shadowed`. For others: {_SHOW}",
    ),
    "action.held": LogEvent(
        "info/warning",
        "One action waits for a person; `event.reason` says why.",
        f"{_SHOW}, then `worker actions approve ID` or `reject ID`",
    ),
    "action.waiting": LogEvent(
        "warning",
        "Late actions wait for room in a cap; `event.reason` names it. What was let through over an hour ago"
        " counts anew when it is sent; it is judged again every five minutes.",
        "Nothing: they go out as the cap has room. If that is too late: raise that cap.",
    ),
    "action.expired": LogEvent(
        "warning",
        "Nobody approved an action in time, or it was approved but could not be sent in time.",
        f"{_SHOW}; move the message by hand if it still matters.",
    ),
    "action.refused": LogEvent(
        "warning",
        "A playbook wanted an entry of the settings that covers too much: `event.reason`. Nothing is sent.",
        "The playbook's owner names a narrower sender, or the operator mends WORKER_PROTECTED_DOMAINS.",
    ),
    "entry.due": LogEvent(
        "info", "The time of an allowance is over: its removal is planned and goes out as an action.", _NONE
    ),
    "entry.taken_back": LogEvent("info", "An entry that the worker made is deleted again.", _NONE),
    "entry.twice": LogEvent(
        "error",
        "Two entries bear one action's id: a request had its effect after it had been given up.",
        "Nothing: an undo, or its date, takes back all of them that nobody has changed.",
    ),
    "entry.left": LogEvent(
        "warning",
        "An entry that the worker made was deleted or changed by somebody, or its removal rejected: it is left as it is.",
        "Look at it in the dashboard: from here on it is nobody's but yours.",
    ),
    "entry.overdue": LogEvent(
        "warning",
        "So many allowances have been over for minutes, and their entries still stand: mail passes that should not.",
        f"{_STATUS} names them and why. No removal: start the worker with WORKER_MODE approve or enforce. `failed`,"
        " `dead`: mend what `worker actions show ID` tells, then `worker actions retry ID`."
        " `held`: approve it. Paused: resume. Or delete the entry in the dashboard: the worker notices.",
    ),
    "campaign.frozen": LogEvent(
        "info",
        "The siblings of a confirmed message were found, and their list is frozen: how many, and what becomes of them.",
        "If some are held: `worker campaigns show ID` (`worker.campaign`), then approve or reject its plan.",
    ),
    "campaign.waiting": LogEvent(
        "warning",
        "The siblings of a confirmed message cannot be searched for now; it is tried again.",
        "Nothing, if the campaign is frozen later. Else the line's reason: the vendor's words, or the playbook is gone.",
    ),
    "campaign.failed": LogEvent(
        "error",
        "The siblings of a confirmed message cannot be searched for at all; nothing was done.",
        "Tell the playbook's owner the line's reason; until then search and move by hand.",
    ),
    "campaign.ended": LogEvent(
        "info", "No late sibling of a campaign is caught any more; the line says how many there were.", _NONE
    ),
    "job.settled": LogEvent(
        "info",
        "A bulk job of the vendor's is over, or was never created; its messages are settled by what it tells.",
        "If some are ready again: they go out by their ids.",
    ),
    "job.cancelled": LogEvent(
        "error",
        "A bulk job found more than the list that was frozen: it is cancelled, and the list goes out by its ids.",
        "`worker campaigns show ID`; what the job moved meanwhile is in the next `job.beyond`.",
    ),
    "job.not_cancelled": LogEvent(
        "error",
        "A bulk job found more than the list that was frozen, and its cancel failed; it is sent again, each time later.",
        "Where it goes on: cancel the job in the dashboard. What it moves meanwhile is in the next `job.beyond`.",
    ),
    "job.given_up": LogEvent(
        "error",
        "For hours a bulk job was not over, or nobody could read what became of it: its moves wait for a person.",
        "`worker actions list --state unknown`, and the job in the dashboard. Cancel it there if it still runs, and "
        "look where its messages are; then `worker actions retry ID --i-checked` or `reject ID`.",
    ),
    "job.others_unreadable": LogEvent(
        "warning",
        "The vendor's list of bulk jobs has rows that cannot be read and are none of ours; they are passed over.",
        "Nothing.",
    ),
    "job.beyond": LogEvent(
        "error",
        "A bulk job moved messages that were not on the frozen list, before it was stopped; named by postfix id.",
        "If they should not have been moved, move them back in the dashboard. `worker undo` cannot.",
    ),
    "job.unseen": LogEvent(
        "warning",
        "What has become of a bulk job cannot be seen now; it is looked at again, each time later.",
        "Nothing, if it is settled later. Else the line's error.",
    ),
    "approval.void": LogEvent(
        "error",
        "What a person approved was altered in the database afterwards; nothing more is sent under that approval.",
        "`worker audit verify`; find out who edits the database. Then `worker actions list --state held`",
    ),
    "call.submitted": LogEvent(
        "debug/info", "The intent is recorded and one request with these actions goes out.", _NONE
    ),
    "call.answered": LogEvent(
        "debug/info", "The vendor answered a request; each action settles by its own row.", _NONE
    ),
    "call.lost": LogEvent(
        "warning",
        "A write got no usable answer: its actions are `unknown` until they are read back.",
        "Nothing: the read-back follows after WORKER_READ_BACK_DELAY.",
    ),
    "call.refused": LogEvent(
        "warning",
        "A request was refused, or never got through; nothing of it was accepted. `error.message` has the words.",
        "Nothing after 401, 429 or no connection: it goes out again. Else `worker audit show --call ID`"
        " (`worker.call_id`), `worker actions list --state failed`",
    ),
    "call.split": LogEvent(
        "warning", "A refused bulk request is halved until the action at fault stands alone.", _NONE
    ),
    "call.not_sent": LogEvent(
        "warning",
        "A claimed request waited too long, or a 429 came first: it was not sent; its actions are `ready` again.",
        "If it repeats without rate.limited: CPU and disk of the host, clock (`worker doctor`).",
    ),
    "call.not_needed": LogEvent(
        "info",
        "There is nobody to ask: its actions are `skipped`, with the reason.",
        "As `notify.nobody` says.",
    ),
    "notify.nobody": LogEvent(
        "warning",
        "Playbooks that may act want people told, and WORKER_NOTIFY_URL is not set: their notifications are `skipped`.",
        "Set WORKER_NOTIFY_URL (docs/notifications.md), or leave it: mail is not concerned.",
    ),
    "reclassify.confirmed": LogEvent(
        "info", "The team's submissions show a reclassification that was taken.", _NONE
    ),
    "reclassify.unconfirmed": LogEvent(
        "warning",
        "A reclassification was taken (202), but the team's submissions do not show it. It is not sent again.",
        "Look for it in the dashboard's submissions; ask Cloudflare with the call's `ray` (`worker actions show ID`).",
    ),
    "reclassify.lookup_failed": LogEvent(
        "warning", "The team's submissions could not be read; they are read again later.", _NONE
    ),
    "readback.confirmed": LogEvent("info", "A read-back found the effect: the action succeeded.", _NONE),
    "readback.partly": LogEvent(
        "warning",
        "A read-back found the effect for some recipients only: the action is `failed`.",
        f"{_SHOW}; the rest by hand in the dashboard. `worker undo` takes back what was done.",
    ),
    "readback.no_effect": LogEvent(
        "warning",
        "A read-back found no effect.",
        "Nothing: the action's kind decides whether it is sent again.",
    ),
    "readback.parked": LogEvent(
        "error",
        "Nobody can tell whether an action took effect: it stays `unknown`, never sent again by itself.",
        "Look in the dashboard; without effect: `worker actions retry --i-checked ID`, else `reject ID`",
    ),
    "readback.waiting": LogEvent(
        "warning",
        "At start: so many actions are `unknown` and wait for a person, from an earlier run.",
        "`worker actions list --state unknown` says what was sent and what is known of it.",
    ),
    "readback.unknown_kind": LogEvent(
        "error",
        "The answer to an action was lost, and this version cannot look for its effect: a newer version has sent it.",
        "Go back to the newer version, or look yourself: `worker actions list --state unknown`.",
    ),
    "readback.failed": LogEvent(
        "warning", "A read-back got no usable answer and is tried again.", f"If it repeats: {_DOCTOR}"
    ),
    "state.refreshed": LogEvent(
        "debug/info", "Messages read a while ago were read again before acting on them.", _NONE
    ),
    "state.refresh_failed": LogEvent(
        "warning",
        "Messages could not be read again before acting on them; their actions wait and are tried again.",
        f"If it repeats: {_DOCTOR}",
    ),
    "state.unreadable": LogEvent(
        "warning",
        "The vendor answers, but the data of one message or entry cannot be read. Its action waits, and the wait doubles"
        " each time.",
        f"Look at it in the dashboard and act there; `worker actions reject ID` ends it. {_DOCTOR}",
    ),
    "state.too_slow": LogEvent(
        "warning",
        "The vendor took so long to show mail or entries that these were too old to act on. Their actions"
        " wait, longer each time.",
        f"If it repeats: {_DOCTOR}",
    ),
    "state.superseded": LogEvent(
        "info/warning",
        "Someone else acted first, or the verdict changed: the action is `skipped` or `held`.",
        f"If held: {_SHOW}",
    ),
    "auth.refused": LogEvent(
        "error",
        "The vendor refuses the token (401, 403); logged once. All actions wait, nothing is lost.",
        f"{_DOCTOR}; put a valid token into CLOUDFLARE_API_TOKEN_FILE: it is read again without a restart.",
    ),
    "auth.recovered": LogEvent("info", "The token is accepted again; work resumes.", _NONE),
    "rate.limited": LogEvent(
        "warning",
        "The vendor answered 429: every request waits for the time that the line gives.",
        "If it repeats: lower WORKER_REQUEST_BUDGET, find who else uses the account's limit.",
    ),
    "rate.resumed": LogEvent("info", "The wait after a 429 is over.", _NONE),
    "budget.exhausted": LogEvent(
        "warning",
        "Requests wait: WORKER_REQUEST_BUDGET, or the share of it that polls may use, is used up.",
        "It goes on by itself. If it repeats: raise WORKER_REQUEST_BUDGET, if others leave the account room.",
    ),
    "budget.low": LogEvent(
        "warning", "Most of WORKER_REQUEST_BUDGET is used; polls become rarer, actions go first.", _STATUS
    ),
    "breaker.opened": LogEvent(
        "error",
        "Five calls in a row of one kind were refused or got no answer: only a probe is sent now and then.",
        "`worker status` has the vendor's words. Actions stay `ready`; it closes by itself when a probe is taken.",
    ),
    "breaker.closed": LogEvent("info", "A probe was taken: calls of this kind are made again.", _NONE),
    "pause.on": LogEvent(
        "warning",
        "Paused by `worker pause`, SIGUSR1 or the file PAUSE: no new mutating request starts; polling goes on.",
        "`worker status` says by whom and why; `worker resume`, or remove the file, when ready.",
    ),
    "pause.off": LogEvent("info/warning", "Resumed: actions start again.", _NONE),
    "ledger.recovered": LogEvent(
        "warning",
        "Requests without an answer were found at start, after a crash; they are read back before all else.",
        "Nothing; later `worker actions list --state unknown`",
    ),
    "ledger.restored": LogEvent(
        "warning",
        "The database is an older copy, or from elsewhere: what it knows nothing of may have been done already.",
        "Nothing: it looks before it acts. `worker actions list --state held`: what only a person can tell.",
    ),
    "retention.pruned": LogEvent("info", "Rows older than WORKER_RETENTION_DAYS were removed.", _NONE),
    "retention.waiting": LogEvent(
        "warning",
        "No answer has told the vendor's time for a day, so nothing old is removed.",
        f"{_DOCTOR}; look whether a proxy takes the `Date` header out of answers. Until then the database only grows.",
    ),
    "health.listening": LogEvent("info", "Health and metrics are served at this address.", _NONE),
    "health.check_failed": LogEvent(
        "warning",
        "The readiness checks themselves failed or hung; /readyz answers 503.",
        "The line's `error.*` fields; usually the database: `worker doctor`",
    ),
    "library.warning": LogEvent(
        "warning/error",
        "A library's own warning or error, in its own words.",
        "If it repeats: report the line.",
    ),
}

EVENTS: Final[Mapping[str, LogEvent]] = MappingProxyType(_TABLE)
"""Every `event.action`. A published name is never given another meaning."""
MESSAGES: Final[Mapping[str, str]] = MappingProxyType(
    {name: re.split(r"[.:;] |\.$", event.meaning)[0] for name, event in _TABLE.items()}
)
"""The `message` of a JSON line whose call gives none: the meaning up to its first stop."""


def main() -> None:
    """Prints the runbook."""
    from worker.ops.runbook import runbook  # noqa: PLC0415 - the running worker never needs it

    sys.stdout.write(runbook())


if __name__ == "__main__":
    main()
