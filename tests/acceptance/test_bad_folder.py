"""A rules folder in which nearly everything is wrong: the daemon names each file once, and does its work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.bench import Bench
from tests.acceptance.rules import JUNK
from tests.acceptance.tenants import Tenant
from tests.authoring.test_bad_input import BAD

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

RUNS = frozenset(
    {"loop_in_example", "memory_in_example", "recursion", "exit", "interrupt", "wrong_type"}
    | {"raises_iter", "raises_len", "raises_eq", "raises_bool", "raises_class"}
)
"""What goes wrong when it decides only: no example is run while the daemon loads."""
EXAMPLES = frozenset({"raises_field", "raises_expect"})
"""Nothing but their examples is wrong, for which the daemon has no use."""


@pytest.mark.timeout(180)
async def test_the_daemon_is_unharmed(worker: Bench, tenant: Tenant) -> None:
    """The good playbook moves all mail; what raises, loops or eats memory is stopped, told and parked."""
    folder = worker.rule("good", JUNK).parent
    for name, (source, _) in BAD.items():
        (folder / f"{name}.py").write_bytes(source if isinstance(source, bytes) else source.encode())
    mail = await tenant.mail(*["MALICIOUS"] * 5)
    await tenant.mail("MALICIOUS", to=["ceo@corp.example"], client_recipients=["ceo@corp.example"])
    (folder / "lists").mkdir()
    (folder / "lists" / "partners.txt").write_text("# reviewed: 2020-01-01\npartner.example\n")
    (folder / "lists" / "_protected.txt").write_text("ceo@corp.example\n")
    process = await worker.daemon(WORKER_HTTP_BIND="127.0.0.1:0")
    await process.until("playbook.failed", times=len(RUNS), patience=90)
    await process.until("action.finished", times=len(mail))
    assert (await tenant.effects("move")).keys() == {("move", one, "JunkEmail") for one in mail}
    refused = {Path(one["worker.file"]).stem for one in process.events("playbook.refused")}
    assert refused == BAD.keys() - RUNS - EXAMPLES
    failed = {one["rule.id"].replace("-", "_") for one in process.events("playbook.failed")}
    assert failed == RUNS
    assert {(one["worker.count"], *one["worker.lists"]) for one in process.events("event.excluded")} == {
        (1, "_protected")
    }
    reminded = {one["worker.file"] for one in process.events("lists.review_due")}
    assert reminded == {"partners.txt", "_protected.txt"}
    assert "true" in (await process.page("/readyz"))
    assert (await process.stop()).code == 0
