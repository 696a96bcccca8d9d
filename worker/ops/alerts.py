"""The alerts worth having: the runbook's table and deploy/alerts.yaml are both made from these.

`python -m worker.ops.alerts > deploy/alerts.yaml` writes the rules for Prometheus.
"""

from __future__ import annotations

import json
import sys
from typing import Final, NamedTuple


class Alert(NamedTuple):
    """An expression that has to hold for so long, and what to do then. `then` says `below` of what the runbook has."""

    name: str
    expr: str
    lasting: str
    then: str


ALERTS: Final = (
    Alert(
        "WorkerAbsent",
        "absent(worker_ready)",
        "2m",
        "Nothing is scraped: process, host or network. Several workers: add `up == 0` for their job.",
    ),
    Alert(
        "WorkerNotReady",
        "worker_ready == 0",
        "5m",
        "Database, playbooks or recovery: `curl` /readyz names the check.",
    ),
    Alert(
        "WorkerPollLag",
        "worker_poll_lag_seconds > 900",
        "",
        "A source is not read: poll.failed, auth.refused, rate.limited below.",
    ),
    Alert(
        "WorkerActionsHeld",
        'worker_actions{state="held"} > 0',
        "1h",
        "Someone has to decide: `worker actions list --state held`",
    ),
    Alert(
        "WorkerAllowanceOverdue",
        "worker_allowances_overdue > 0",
        "",
        "Mail passes that should not any more: `worker status` names the entries. entry.overdue below has the remedies.",
    ),
    Alert(
        "WorkerActionsParked",
        "worker_actions_parked > 0",
        "",
        "Nobody can tell whether they took effect: `worker actions list --state unknown` has the evidence.",
    ),
    Alert(
        "WorkerActionsStuck",
        'worker_actions{state="unknown"} > 0 or worker_actions{state="dead"} > 0',
        "30m",
        "As the table of states below says.",
    ),
    Alert(
        "WorkerPlaybookFailed",
        "increase(worker_playbook_failures_total[1h]) > 0",
        "",
        "playbook.failed below.",
    ),
    Alert(
        "WorkerPlaybookQuarantined",
        "worker_playbook_quarantined == 1",
        "",
        "playbook.quarantined below: this playbook protects nobody now.",
    ),
    Alert(
        "WorkerPlaybooksRefused",
        "worker_playbooks_reload_ok == 0",
        "10m",
        "The rules folder is not in force as it is now: playbook.refused below names file and line.",
    ),
    Alert(
        "WorkerBreakerOpen",
        "worker_breaker_open == 1",
        "10m",
        "breaker.opened below; `worker status` has the vendor's words.",
    ),
    Alert(
        "WorkerRowsQuarantined",
        "increase(worker_rows_quarantined_total[1h]) > 0",
        "",
        "poll.row_quarantined below.",
    ),
    Alert("WorkerPaused", "worker_paused == 1", "8h", "Forgotten? `worker status` says who paused and why."),
)
"""No expression holds a bar: in a table of Markdown it would have to be escaped, and be wrong where it is copied from."""

_HEAD = """\
# Alerts for Prometheus: name this file in `rule_files`. docs/runbook.md has what to do.
# Generated: python -m worker.ops.alerts > deploy/alerts.yaml
groups:
  - name: email-security-worker
    rules:
"""


def rules() -> str:
    """The whole of deploy/alerts.yaml."""
    return _HEAD + "".join(map(_rule, ALERTS))


def _rule(alert: Alert) -> str:
    """One rule; a string of JSON is one of YAML."""
    then = alert.then.replace(" below", " in docs/runbook.md")
    lines = [f"      - alert: {alert.name}", f"        expr: {json.dumps(alert.expr)}"]
    if alert.lasting:
        lines.append(f"        for: {alert.lasting}")
    lines += ["        annotations:", f"          description: {json.dumps(then)}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(rules())
