"""Attempts to change mail as OCSF events of the class Remediation Activity, for a SIEM.

Names, numbers and required attributes are those of the published schema, version 1.6.0.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from worker.model.actions import State
from worker.store.trail.attempts import Told

VERSION = "1.6.0"
CATEGORY, CLASS = 7, 7001
ISOLATE, EVICT, RESTORE, OTHER = 1, 2, 3, 99
ACTIVITIES = {ISOLATE: "Isolate", EVICT: "Evict", RESTORE: "Restore"}
STATUSES = {
    0: "Unknown",
    1: "Success",
    2: "Failure",
    3: "Does Not Exist",
    4: "Partial",
    6: "Error",
    99: "Other",
}
# What the vendor did not take is tried again; what was lost is read back; what is skipped is gone, or was there before.
OF_STATE = {
    State.SUCCEEDED: 1,
    State.FAILED: 2,
    State.DEAD: 2,
    State.SKIPPED: 3,
    State.READY: 6,
    State.UNKNOWN: 0,
}
SEVERITIES = {1: "Informational", 2: "Low", 3: "Medium"}
TECHNIQUES = {EVICT: ("D3-ER", "Email Removal"), RESTORE: ("D3-RE", "Restore Email")}
"""MITRE D3FEND's names for it."""


def event(told: Told, account_id: str, version: str) -> dict[str, Any]:
    """The event; `version` is that of the worker."""
    activity = _activity(told.kind, told.target)
    status = _status(told)
    severity = {1: 1, 3: 1, 6: 2}.get(status, 3)
    name = ACTIVITIES.get(activity, told.kind.capitalize())
    what = f"{told.kind} to {told.target}" if told.target else told.kind
    found: dict[str, Any] = {
        "activity_id": activity,
        "activity_name": name,
        "category_uid": CATEGORY,
        "category_name": "Remediation",
        "class_uid": CLASS,
        "class_name": "Remediation Activity",
        "type_uid": CLASS * 100 + activity,
        "type_name": f"Remediation Activity: {name if activity != OTHER else 'Other'}",
        "time": int(datetime.fromisoformat(told.at).timestamp() * 1000),
        "timezone_offset": 0,
        "severity_id": severity,
        "severity": SEVERITIES[severity],
        "status_id": status,
        "status": STATUSES[status],
        "command_uid": told.action_id,
        "message": f"{what}: {told.state}",
        "remediation": {"desc": told.decision.get("reason") or what},
        "metadata": _metadata(told, account_id, version),
        "unmapped": _unmapped(told),
    }
    if activity in ACTIVITIES:
        found["countermeasures"] = [_countermeasure(activity)]
    if told.status is not None:
        found["status_code"] = str(told.status)
    if told.error:
        found["status_detail"] = told.error
    return found


def _activity(kind: str, target: str) -> int:
    """Junk is a wall, other folders are out of sight; back to the inbox or out of quarantine restores."""
    if kind == "release" or (kind == "move" and target == "Inbox"):
        return RESTORE
    if kind == "move":
        return ISOLATE if target == "JunkEmail" else EVICT
    return OTHER


def _status(told: Told) -> int:
    if told.state == State.FAILED and "some recipients only" in (told.error or ""):
        return 4
    return OF_STATE.get(State(told.state), 99)


def _metadata(told: Told, account_id: str, version: str) -> dict[str, Any]:
    return {
        "version": VERSION,
        "product": {
            "name": "email-security-worker",
            "vendor_name": "email-security-worker",
            "version": version,
        },
        "uid": f"{told.record_hash}:{told.action_id}",
        "sequence": told.seq,
        "event_code": told.source,
        "correlation_uid": told.call_id,
        "tenant_uid": account_id,
        "log_name": "audit",
        "original_time": told.at,
    }


def _countermeasure(activity: int) -> dict[str, Any]:
    found: dict[str, Any] = {"d3f_tactic": {"name": ACTIVITIES[activity]}}
    if activity in TECHNIQUES:
        uid, name = TECHNIQUES[activity]
        found["d3f_technique"] = {"uid": uid, "name": name}
    return found


def _unmapped(told: Told) -> dict[str, Any]:
    """What OCSF has no name for, under ours; nothing that is not there."""
    decision = told.decision
    values = {
        "message_id": told.message_id,
        "kind": told.kind,
        "target": told.target,
        "state": told.state,
        "cf_ray": told.ray,
        "plan_id": decision.get("plan_id"),
        "playbooks": [[name, version] for name, version, _ in decision.get("playbooks", ())],
        "evidence_sha256": decision.get("evidence_sha256"),
    }
    return {name: value for name, value in values.items() if value not in (None, "", [])}
