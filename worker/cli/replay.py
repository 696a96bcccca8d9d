"""`worker audit replay`: recorded decisions, made again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from worker import settings as settings_module
from worker.cli.common import database
from worker.cli.printing import Json, print_json, say
from worker.model.replay import WRONG, Judgement, Replayed
from worker.store.trail.verification import require_whole
from worker.store.views.replays import past_decisions

if TYPE_CHECKING:
    from worker.playbooks.loader import Catalogue

LISTED = 1000
"""The most differences that the JSON lists; all are counted."""


def replay(
    directory: Annotated[Path | None, typer.Argument(help="Rules folder; default WORKER_RULES_DIR.")] = None,
    json_: Json = False,
) -> None:
    """Decides the stored evidence again: the same version of the playbook must decide the same.

    It sees the time, the lists and the history of then. Exit code 1 names each record that is decided differently now, or
    whose evidence was changed. What cannot be decided as it was then is counted with its reason: the playbook has another
    version now, its lists have changed, the evidence is not kept any more. Needs no token, changes nothing.
    """
    from worker.deciding.replay import judge  # noqa: PLC0415

    counts = Counter[Replayed]()
    wrong: list[Judgement] = []
    rules = directory or settings_module.load().worker_rules_dir
    with playbooks(rules) as catalogue, database() as db, db.stream() as conn:
        require_whole(conn, db.account_id)
        for past in past_decisions(conn, db.account_id):
            for one in judge(past, catalogue):
                counts[one.result] += 1
                if one.result not in WRONG:
                    continue
                if not json_:
                    say(_told(one))
                elif len(wrong) < LISTED:
                    wrong.append(one)
    ok = not any(counts[result] for result in WRONG)
    if json_:
        named = {str(result): counts[result] for result in Replayed}
        print_json(
            {"ok": ok, "decisions": counts.total(), **named, "first": [one._asdict() for one in wrong]}
        )
    else:
        say(_summary(counts))
    raise typer.Exit(0 if ok else 1)


@contextmanager
def playbooks(directory: Path) -> Iterator[Catalogue]:
    """The folder's playbooks, held to their bounds."""
    from worker.playbooks.loader import load  # noqa: PLC0415
    from worker.watchdog import Memory, Watchdog  # noqa: PLC0415

    with TemporaryDirectory(prefix="worker-replay-") as folder, closing(Memory(Path(folder))) as memory:
        watchdog = Watchdog(memory)
        yield watchdog.ward(load(directory, watchdog))


def _told(one: Judgement) -> str:
    what = (
        "is decided differently" if one.result is Replayed.DIFFERENT else "has other evidence than was seen"
    )
    return f"record {one.seq} (action {one.action_id}) {what}{f': {one.detail}' if one.detail else ''}"


def _summary(counts: Counter[Replayed]) -> str:
    words = {
        Replayed.DIFFERENT: "different",
        Replayed.EVIDENCE_CHANGED: "with changed evidence",
        Replayed.VERSION_GONE: "by a playbook that is not there in that version any more",
        Replayed.LISTS_CHANGED: "with lists that have changed",
        Replayed.EVIDENCE_GONE: "whose evidence is not kept any more",
        Replayed.SEEN_AGAIN: "whose message was seen again since",
    }
    rest = [f"{counts[result]} {text}" for result, text in words.items() if counts[result]]
    return "; ".join([f"{counts.total()} decisions, {counts[Replayed.SAME]} the same again", *rest])
