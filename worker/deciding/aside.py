"""Says in the log and in the metrics what is not sent as it was wanted: superseded, held, waiting for a cap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from worker.model.ledger import Aside
from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics

log = get_logger()

_SAME = ("message_id", "playbook", "playbook_version", "kind", "target", "state")


def tell_aside(metrics: Metrics, aside: Aside) -> None:
    """What came back without effect and does not go out again by itself, and what waits for a cap."""
    tell_superseded(metrics, aside.superseded)
    for row in aside.held:
        metrics.action(row["kind"], row["state"])
    log.each("warning", "action.held", map(told, aside.held))
    for full, count in aside.waiting.items():
        log.warning("action.waiting", kind=aside.kind, count=count, reason=f"the cap of {full} is full")


def tell_superseded(metrics: Metrics, rows: Iterable[Mapping[str, Any]]) -> None:
    """Unsent actions whose event has changed."""
    for row in rows:
        metrics.action(row["kind"], row["state"])
        log.info("state.superseded", action_id=row["id"], message_id=row["message_id"], reason=row["reason"])


def told(row: Mapping[str, Any]) -> dict[str, object]:
    """The fields of an action that is set aside, and why."""
    return {
        "action_id": row["id"],
        **{name: row[name] for name in _SAME},
        "reason": row["why"] or row["reason"],
    }
