"""`worker settings apply`: plan, question, calls, what came of them."""

from __future__ import annotations

import sys

import typer

from worker.cli import plans
from worker.cli.common import Database, person
from worker.cli.printing import say
from worker.cli.vendor import Vendor, sharing
from worker.declared.applying import Applier, Report, settle_left
from worker.declared.comparing import Comparer
from worker.declared.document import Document
from worker.declared.planning import Op, Plan
from worker.errors import UsageError
from worker.model.actions import Mode


async def carry_out(
    db: Database, document: Document, comparer: Comparer, *, yes: bool, delete: bool, as_json: bool
) -> bool:
    """Whether the tenant is as the file says now."""
    delay = db.settings.worker_read_back_delay
    async with sharing(db) as vendor:
        await settle_left(vendor.edits, vendor.clock, delay, lambda text: say(text, sys.stderr))
        plan = await comparer.plan(vendor.cloudflare)
        if not as_json:
            plans.print_plan(plan, document.name)
        report = Report()
        if plan.changes:
            if db.settings.worker_mode == Mode.SHADOW:
                say(
                    "WORKER_MODE is shadow: that holds playbooks back, and not what you order yourself",
                    sys.stderr,
                )
            _check(plan, document, yes=yes, delete=delete, shown=not as_json)
            report = await _applier(db, vendor, document, comparer).run(plan)
    if as_json:
        plans.as_json(
            plan,
            applied=len(report.done),
            requests=report.calls,
            stopped=report.stopped or None,
        )
    elif plan.changes:
        say(f"done: {len(report.done)} of {len(plan.changes)} changes, {report.calls} requests")
    if report.stopped:
        say(f"worker: stopped: {report.stopped}", sys.stderr)
    return not report.stopped


def _check(plan: Plan, document: Document, *, yes: bool, delete: bool, shown: bool) -> None:
    """Stops here where nobody has agreed to what the plan says. Who is asked is shown it, if it was not `shown`."""
    gone = [one for one in plan.changes if one.op is Op.DELETE and not one.made_by]
    if gone and not delete:
        names = ", ".join(sorted({one.section.name for one in gone}))
        raise UsageError(
            f"{document.name}: {len(gone)} entries would be deleted, because it says that {names} is complete: "
            "add --delete if they are to go, or take the section out of `complete`; nothing was sent"
        )
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("apply: nobody can be asked here; look at `worker settings diff`, then add --yes")
    if not shown:
        plans.print_plan(plan, document.name, sys.stderr)
    if not typer.confirm(f"Apply this to the tenant ({plans.summary(plan)})?", err=True):
        say("nothing was sent", sys.stderr)
        raise typer.Exit(1)


def _applier(db: Database, vendor: Vendor, document: Document, comparer: Comparer) -> Applier:
    return Applier(
        vendor.cloudflare,
        vendor.edits,
        vendor.gate,
        vendor.clock,
        db.settings.worker_read_back_delay,
        lambda name: comparer.section(vendor.cloudflare, name),
        {"by": person(), "file": document.name, "sha256": document.sha256},
    )
