from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from typer.testing import CliRunner

from tests.simulator.api import Clock
from worker.cli import command_line
from worker.model import mail
from worker.model.enrichment import Details
from worker.model.events import Detection, Event, PhishReport, Submission
from worker.model.known import Known, settle_attachments, view
from worker.playbooks import Context
from worker.playbooks.examples import EXAMPLE_NOW
from worker.playbooks.loader import load
from worker.simulator import SimulatorConfig, content
from worker.simulator.__main__ import parse_arguments
from worker.simulator.tenant import Tenant

E = TypeVar("E", Detection, PhishReport, Submission)

CATALOGUE = load(Path(__file__).parents[2] / "rules")


def tenant(**settings: Any) -> Tenant:
    """As it is at its start."""
    made = Tenant(SimulatorConfig(clock=Clock(), **settings))
    made.advance()
    return made


def event(row: msgspec.Struct, kind: type[E], **more: Any) -> E:
    """What the worker makes of a row on the wire."""
    told = {name: value for name, value in msgspec.to_builtins(row).items() if value is not None}
    return msgspec.convert({**told, **more}, kind)


def known(there: Tenant, name: str) -> Known:
    """All that there is to fetch of a detection."""
    row = there.messages[name].row
    inside = content.content_of(there.config.seed, row)
    details = msgspec.convert(content.detections(row, inside), Details, strict=False)
    found = Known({"details": details, "raw": mail.read(content.raw(row, inside))})
    settle_attachments(found)
    return found


def events(there: Tenant) -> Iterator[tuple[Event, str]]:
    """Every message, report and submission, each with its message and that one's id."""
    messages = {one.row.postfix_id: event(one.row, Detection) for one in there.messages.values()}
    yield from ((message, message.id) for message in messages.values())
    for _, report in there.reports:
        about = messages[report.fields.postfix_id or ""]
        yield event(report, PhishReport, message=about), about.id
    for _, submission in there.submissions:
        about = messages[submission.original_postfix_id]
        yield event(submission, Submission, message=about), about.id


def matches(there: Tenant) -> Counter[str]:
    """How many events each shipped playbook wants something done about."""
    context = Context(EXAMPLE_NOW, CATALOGUE.lists)
    found: Counter[str] = Counter()
    for one, name in events(there):
        for playbook in CATALOGUE.by_type[type(one)]:
            shown = view(one, known(there, name), playbook.needs) if playbook.needs else one
            found[playbook.id] += bool(playbook.decide(shown, context))
    return +found


@pytest.mark.parametrize("seed", [1, 2])
def test_every_shipped_playbook_matches_something(seed: int) -> None:
    """With scenes no line of the demo's table is empty, of a small demo and any seed; without them many are."""
    ids = {playbook.id for playbook in CATALOGUE.playbooks}
    assert matches(tenant(seed=seed, messages=400, scenes=True)).keys() == ids
    assert len(ids - matches(tenant(seed=seed, messages=400)).keys()) >= 8


def test_all_other_mail_is_the_same() -> None:
    """Scenes only add, a few per cent: every row, report and submission of the plain tenant is there, byte for byte."""
    plain, more = tenant(messages=1000), tenant(messages=1000, scenes=True)
    rows, others = (
        {name: there.wire(one) for name, one in there.messages.items()} for there in (plain, more)
    )
    assert rows.items() < others.items()
    assert len(others) - len(rows) <= 0.03 * len(rows)
    assert len(more.reports) > len(plain.reports)
    assert [one for one in more.reports if one in plain.reports] == plain.reports
    assert more.submissions[: len(plain.submissions)] == plain.submissions


def test_the_same_seed_plays_the_same_scenes() -> None:
    """Rows, reports and submissions come out alike; another seed has others."""
    one, same, other = (
        msgspec.json.encode(
            ([message.row for message in there.messages.values()], there.reports, there.submissions)
        )
        for there in (tenant(seed=seed, messages=10, scenes=True) for seed in (7, 7, 8))
    )
    assert one == same != other


def test_a_scene_keeps_its_outcome_and_leaves_the_open_request_to_time() -> None:
    """Four are cleared and one is refused from the start; the user's is answered when its time has come."""
    clock = Clock()
    there = Tenant(SimulatorConfig(messages=0, scenes=True, clock=clock))
    before = [one.outcome for _, one in there.submissions]
    assert Counter(before) == {"accepted": 4, "refused": 1, None: 1}
    clock.advance(there.config.outcome_delay + 1)
    there.advance()
    for old, (_, one) in zip(before, there.submissions, strict=True):
        assert one.outcome == old if old else one.outcome is not None


def test_the_command_lines_turn_them_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--scenes` is off unless asked for, of the simulator's own command as of the worker's."""
    assert [parse_arguments(flags).scenes for flags in ([], ["--scenes"])] == [False, True]
    served: list[bool] = []

    async def serve(config: SimulatorConfig) -> None:
        served.append(config.scenes)

    monkeypatch.setattr("worker.simulator.serve", serve, raising=False)
    for flags in ([], ["--scenes"]):
        assert CliRunner().invoke(command_line(), ["simulator", *flags]).exit_code == 0
    assert served == [False, True]
