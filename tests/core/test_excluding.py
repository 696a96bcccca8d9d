from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.builders import ENFORCE, detection
from tests.desk import Desk
from tests.playbooks.folder import Folder
from tests.taking_in import page, take
from worker.bootstrap import load_playbooks, open_memory
from worker.errors import UsageError
from worker.intake import Intake
from worker.model.actions import Mode
from worker.model.events import PhishReport, Validation
from worker.model.plans import Sighting, detection_sighting
from worker.model.sweeps import Campaign
from worker.ops.metrics import Metrics
from worker.pipeline import decide, decide_siblings
from worker.playbooks.excluding import Exclusions
from worker.settings import Settings

NOW = datetime(2026, 11, 20, tzinfo=UTC)
LISTS = {"_protected": {"ceo@corp.example"}, "_simulations": {"training.example", "drill@other.example"}}
EXCLUSIONS = Exclusions.of_lists(LISTS)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty rules folder."""
    return Folder(tmp_path)


@pytest.mark.parametrize("field", ["client_recipients", "envelope_to"])
def test_one_protected_recipient_is_enough(field: str) -> None:
    """A move acts on every mailbox of a message; case and brackets are nobody's disguise."""
    fields: dict[str, Any] = {field: ["bob@corp.example", "<CEO@Corp.example>"]}
    message = detection(**fields)
    assert str(EXCLUSIONS.of(message)) == "excluded by _protected: ceo@corp.example"


def test_a_header_protects_nobody() -> None:
    """Everybody can write the address of a protected mailbox there."""
    assert EXCLUSIONS.of(detection(to=["ceo@corp.example"], client_recipients=["bob@corp.example"])) is None


@pytest.mark.parametrize(
    "sender, envelope, dmarc, spf, excluded",
    [
        ("x@Training.example", "y@evil.example", "pass", "fail", True),
        ("x@evil.example", "x@training.example", "fail", "pass", True),
        ("drill@other.example", None, "pass", None, True),
        ("someone@other.example", None, "pass", None, False),
        # SPF proves the envelope alone, DMARC the shown address alone.
        ("x@training.example", "y@evil.example", "fail", "pass", False),
        ("x@evil.example", "x@training.example", "pass", "fail", False),
        ("x@training.example", "x@training.example", "none", None, False),
        ("x@sub.training.example", None, "pass", None, False),
    ],
)
def test_a_simulation_has_to_prove_where_it_comes_from(
    sender: str, envelope: str | None, dmarc: str | None, spf: str | None, *, excluded: bool
) -> None:
    """A forger cannot hide behind its name."""
    proof = Validation(dmarc=dmarc, spf=spf)
    message = detection(sender=sender, envelope_from=envelope, validation=proof)
    assert bool(EXCLUSIONS.of(message)) is excluded


def test_about_excluded_mail_no_playbook_is_asked(folder: Folder) -> None:
    """Not even one that would fail, nor about a report of it; other mail goes on as before."""
    folder.playbook(body='    """Fails."""\n    raise ValueError\n')
    folder.playbook(
        "b.py", name="on_reports", declared="on=PhishReport", body='    """Fails."""\n    raise ValueError\n'
    )
    folder.write("lists/_protected.txt", "CEO@corp.example  # asked for by the board\n")
    catalogue = folder.load()
    assert catalogue.problems == ()
    left, asked = detection("a", client_recipients=["ceo@corp.example"]), detection("b")
    report = Sighting("phishguard", "1", "", PhishReport(id=1, message=left), None)
    pages = [detection_sighting(left), detection_sighting(asked), report]
    decided = decide(pages, catalogue, Mode.ENFORCE, NOW, only={"junk", "on-reports"})
    assert [(one.excluded, len(one.failures)) for one in decided] == [
        ("_protected", 0),
        ("", 1),
        ("_protected", 0),
    ]
    assert not any(one.keeps_evidence for one in decided if one.excluded)


def test_a_sweep_leaves_its_excluded_siblings_out(folder: Folder) -> None:
    """Whatever was found, and whoever else got the same mail."""
    folder.playbook()
    folder.write("lists/_protected.txt", "ceo@corp.example\n")
    rows = [detection(name, client_recipients=[f"{name}@corp.example"]) for name in ("bob", "ceo")]
    campaign = Campaign(
        id="c1",
        seed="m1",
        verdict="MALICIOUS",
        shared={"sender": "x"},
        to="JunkEmail",
        reason="",
        playbooks=("junk",),
        since=0.0,
        until=1.0,
        searching=False,
    )
    decided = decide_siblings(campaign, rows, folder.load(), Mode.ENFORCE)
    assert [one.sighting.key for one in decided] == ["bob"]


async def test_a_page_counts_what_it_left_alone(folder: Folder, desk: Desk, metrics: Metrics) -> None:
    """A counter, and nothing of it in the ledger."""
    folder.playbook(declared='on=Detection, mode="enforce"')
    folder.write("lists/_protected.txt", "ceo@corp.example\n")
    intake = Intake(desk.ledger, folder.load(), ENFORCE, desk.clock, metrics, lambda: None, keep_all=False)
    mail = [detection(name, client_recipients=["ceo@corp.example"]) for name in ("a", "b")]
    await take(intake, page(*mail, detection("c")))
    assert await desk.states() == {"c": ["ready"]}
    assert 'worker_events_excluded_total{list="_protected"} 2.0' in metrics.render()[0].decode()


@pytest.mark.parametrize(
    "name, text, place",
    [
        ("_protected.txt", b"ceo@corp.example\ncorp.example\n", "_protected.txt:2"),
        ("_protected.txt", b"ceo@corp.example\n\xff\n", "_protected.txt:2"),
        ("_protected.csv", b"address,why\nceo@corp.example\n", "_protected.csv:2"),
        ("_simulations.yaml", b"- training.example\n- gmail.com\n", "_simulations.yaml:2"),
        ("_simulations.txt", b"co.uk\n", "_simulations.txt:1"),
        ("_protcted.txt", b"ceo@corp.example\n", "did you mean `_protected`?"),
        ("_protected.yml", b"- ceo@corp.example\n", "_protected.yml"),
    ],
)
def test_a_worker_does_not_start_without_its_exclusions(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, name: str, text: bytes, place: str
) -> None:
    """A broken playbook does too little; a broken exclusion would let others do too much."""
    folder.playbook()
    folder.write(f"lists/{name}", text)
    monkeypatch.setenv("WORKER_DATABASE_URL", f"sqlite:///{folder.path.parent}/worker.db")
    memory = open_memory(Settings())
    try:
        with pytest.raises(UsageError) as caught:
            load_playbooks(folder.path, memory)
    finally:
        memory.close()
    assert place in str(caught.value)
    assert "Remedy" in str(caught.value)
