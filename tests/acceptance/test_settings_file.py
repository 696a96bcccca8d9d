"""The tenant's settings as code, by real commands: plan, question, calls, audit, lost answers, kills, pauses."""

from __future__ import annotations

import asyncio
import os
import time
from random import Random
from typing import Any

import pytest
from aiohttp import web

from tests.acceptance import rules
from tests.acceptance.bench import PATIENCE, Bench, Result, until
from tests.acceptance.conftest import MakeBench, connect
from tests.acceptance.intruder import Forward, Intruder, Reply
from tests.acceptance.tenants import Tenant, open_tenant

pytestmark = pytest.mark.acceptance

WANTED = """\
complete: [trusted_domains]
allow_policies:
  - {pattern: billing@partner.example, pattern_type: EMAIL, comments: Paid again}
block_senders:
  - {pattern: evil.example, pattern_type: DOMAIN, comments: Phishing}
  - {pattern: lottery-club.example, pattern_type: DOMAIN, comments: Still spam}
trusted_domains: []
impersonation_registry:
  - {name: Ivo Berg, email: ivo.berg@corp.example}
  - {name: Lea Kern, email: lea.kern@corp.example}
url_ignore_patterns:
  - {pattern: "https://safe.example/*"}
domains:
  - {domain: corp.example, require_tls_outbound: true}
"""
HAPPENED = [
    ("patch", "allow_policies"),
    ("patch", "block_senders"),
    ("post", "block_senders"),
    ("delete", "trusted_domains"),
    ("post", "impersonation_registry"),
    ("post", "impersonation_registry"),
    ("post", "url_ignore_patterns"),
    ("patch", "domains"),
]
"""Each change once, section by section, deletions first."""
BLOCKS = "block_senders:\n" + "".join(
    f"  - {{pattern: evil-{number}.example, pattern_type: DOMAIN}}\n" for number in range(3)
)


def write(worker: Bench, text: str = BLOCKS) -> str:
    """Puts a settings file where the commands are run."""
    (worker.folder / "settings.yaml").write_text(text, encoding="utf-8")
    return "settings.yaml"


async def apply(worker: Bench, *options: str, **env: str) -> Result:
    """Applies it, without a question."""
    return await worker.run("settings", "apply", "settings.yaml", "--yes", *options, **env)


async def mutations(tenant: Tenant) -> int:
    """How many requests came that might change something."""
    return len([one for one in await tenant.requests() if one["method"] != "GET"])


async def happened(tenant: Tenant) -> list[tuple[str, str]]:
    """What truly became of settings, in order."""
    return [(one["operation"], one["resource"]) for one in await tenant.changes()]


async def kinds(worker: Bench) -> list[str]:
    """What an audit log that verifies tells, in order."""
    return [one["kind"] for one in await worker.audit()]


async def test_a_file_is_applied_once(worker: Bench, tenant: Tenant) -> None:
    """Shown, asked for, carried out by one request a section where the vendor takes that, and then nothing differs."""
    file = write(worker, WANTED)
    shown = await worker.run("settings", "diff", file)
    assert shown.code == 1
    assert "  ~ lottery-club.example DOMAIN  (settings.yaml:6)" in shown.out.splitlines()
    assert '      comments: "Spam" -> "Still spam"' in shown.out.splitlines()
    assert shown.out.splitlines()[-1] == "plan: 4 to add, 3 to edit, 1 to delete"
    for missing, options in (("--delete", ["--yes"]), ("--yes", ["--delete"])):
        refused = await worker.run("settings", "apply", file, *options)
        assert (refused.code, missing in refused.err) == (2, True)
    assert await happened(tenant) == []
    applied = await apply(worker, "--delete", "--json", WORKER_MODE="shadow")
    assert (applied.code, "not what you order yourself" in applied.err) == (0, True)
    assert (applied.json["applied"], applied.json["requests"], applied.json["stopped"]) == (8, 7, None)
    assert await happened(tenant) == HAPPENED
    assert await kinds(worker) == ["settings_intent", "settings_outcome"] * 7
    again = await apply(worker, "--delete")
    assert (again.code, again.out) == (0, "nothing differs\n")
    assert await mutations(tenant) == 7
    assert (await worker.run("settings", "diff", file)).code == 0


async def test_an_export_is_no_difference(worker: Bench, tenant: Tenant) -> None:
    """What is written is what is there; a file that is there is replaced only where that is said."""
    exported = await worker.run("settings", "export", "settings.yaml")
    assert (exported.code, exported.out) == (0, "")
    assert (await worker.run("settings", "diff", "settings.yaml")).out == "nothing differs\n"
    assert (await worker.run("settings", "export", "settings.yaml")).code == 2
    one = await worker.run("settings", "export", "--section", "url_ignore_patterns")
    assert one.out == "url_ignore_patterns:\n  - pattern: https://unsubscribe.example/*\n"
    assert not worker.database.exists()
    assert await mutations(tenant) == 0


async def test_what_is_wrong_with_the_file_is_told_line_by_line(worker: Bench, tenant: Tenant) -> None:
    """Exit code 2, and nothing is sent."""
    wrong = [f"  - {{pattern: {one}, pattern_type: DOMAIN}}\n" for one in ("corp.example", "gmail.com")]
    file = write(worker, "block_senders:\n" + "".join(wrong))
    for command in (["diff", file], ["apply", file, "--yes"]):
        result = await worker.run("settings", *command)
        assert result.code == 2
        lines = result.err.splitlines()
        assert [line.split(": ")[0] for line in lines] == ["settings.yaml:2", "settings.yaml:3"]
    assert await mutations(tenant) == 0


@pytest.mark.parametrize("after", [True, False], ids=["with its effect", "without effect"])
async def test_a_lost_answer_is_looked_into_and_nothing_is_sent_again(
    worker: Bench, tenant: Tenant, after: bool
) -> None:
    """The plan is made anew, and says what happened; a further apply does what is left, once."""
    write(worker)
    await tenant.faults({"on": "settings_batch", "kind": "drop", "after": after, "count": 1})
    result = await apply(worker)
    assert await mutations(tenant) == 1
    assert await kinds(worker) == ["settings_intent", "settings_outcome", "settings_read_back"]
    assert result.code == (0 if after else 1)
    assert "the tenant shows 0 of the 3 changes" in result.err or after
    assert (await apply(worker)).code == 0
    assert await happened(tenant) == [("post", "block_senders")] * 3


async def test_a_killed_apply_is_looked_into_by_the_next(
    bench: Bench, tenant: Tenant, intruder: Intruder
) -> None:
    """It waits until the cut-off call can do nothing more, and adds nothing twice; nobody else may meanwhile."""
    write(bench)
    came = asyncio.Event()

    async def hang(_: web.Request, forward: Forward) -> Reply:
        reply = await forward()
        came.set()
        await asyncio.sleep(30)
        return reply

    intruder.lie("POST", "/settings/block_senders/batch", hang)
    first = await bench.start("settings", "apply", "settings.yaml", "--yes")
    await asyncio.wait_for(came.wait(), PATIENCE)
    second = await apply(bench)
    assert (second.code, f"process {first.pid}" in second.err) == (2, True)
    await first.kill()
    third = await apply(bench, WORKER_READ_BACK_DELAY="0.6")
    assert (third.code, "was cut off" in third.err) == (0, True)
    assert await kinds(bench) == ["settings_intent", "settings_read_back"]
    assert await happened(tenant) == [("post", "block_senders")] * 3


async def test_a_pause_holds_for_people_too(worker: Bench, tenant: Tenant) -> None:
    """By command or by file: nothing is sent, and the way out is told."""
    write(worker)
    assert (await worker.run("pause", "--reason", "odd mail")).code == 0
    result = await apply(worker)
    assert (result.code, "paused by" in result.err, "odd mail" in result.err) == (1, True, True)
    assert (await worker.run("resume")).code == 0
    (worker.folder / "PAUSE").touch()
    assert (await apply(worker)).code == 1
    assert await mutations(tenant) == 0
    (worker.folder / "PAUSE").unlink()
    assert (await apply(worker)).code == 0


async def test_a_tenant_that_changes_meanwhile_stops_it(
    bench: Bench, tenant: Tenant, intruder: Intruder
) -> None:
    """What was agreed to is done, or nothing: the list is read again right before the first request."""
    write(bench)
    reads = 0

    async def meddle(_: web.Request, forward: Forward) -> Reply:
        nonlocal reads
        reads += 1
        if reads == 2:
            entry = {"pattern": "evil-1.example", "pattern_type": "DOMAIN", "is_regex": False}
            await tenant.person("POST", "settings/block_senders", entry)
        return await forward()

    intruder.lie("GET", "/settings/block_senders", meddle)
    result = await apply(bench)
    assert (result.code, "has changed since the plan" in result.err) == (1, True)
    assert [method for _, method, _ in intruder.seen if method != "GET"] == []
    intruder.honest()
    assert (await apply(bench, "--json")).json["applied"] == 2


async def test_a_refusal_reaches_who_wrote_the_line(worker: Bench, tenant: Tenant) -> None:
    """With the API's code and message, and the line at which it points; a batch is all or nothing."""
    write(worker, BLOCKS + "  - {pattern: 10.1.0.0/24, pattern_type: IP}\n")
    result = await apply(worker)
    assert result.code == 1
    assert "1004 pattern covers private" in result.err
    assert "(line 5)" in result.err
    assert await happened(tenant) == []
    assert (await worker.audit())[-1]["body"]["result"] == "refused"


async def test_what_the_vendor_says_is_not_what_counts(
    bench: Bench, tenant: Tenant, intruder: Intruder
) -> None:
    """An answer of success without an effect is no success."""
    write(bench)

    async def lie(_: web.Request, forward: Forward) -> Reply:
        return Reply(200, b'{"success":true,"errors":[],"messages":[],"result":null}')

    intruder.lie("POST", "/settings/block_senders/batch", lie)
    result = await apply(bench)
    assert (result.code, "does not show 3 of the changes" in result.err) == (1, True)


async def test_it_draws_on_the_budget_of_the_worker(worker: Bench, tenant: Tenant) -> None:
    """Each of its requests counts, beside a daemon; where none is left, it waits like everybody."""
    write(worker)
    worker.rule("junk", rules.JUNK)
    daemon = await worker.daemon(WORKER_POLL_INTERVAL="60")
    assert (await apply(worker)).code == 0
    used: dict[str, Any] = (await worker.status())["budget"]
    assert used["used"] == len(await tenant.requests())
    await daemon.stop()
    waiting = await worker.start("settings", "diff", "settings.yaml", WORKER_REQUEST_BUDGET=str(used["used"]))
    told = worker.folder.glob
    await until(lambda: any("budget.exhausted" in one.read_text() for one in told("*.err")))
    assert not waiting.ended
    await waiting.kill()


@pytest.mark.soak
@pytest.mark.timeout(0)
async def test_killed_anywhere_each_change_happens_once(make_bench: MakeBench) -> None:
    """Killed at random moments, a quarter of the answers lost: in the end all is as the file says, and happened once."""
    seed, trials = int(time.time()), int(os.environ.get("KILLS", "100"))
    random, killed, applies = Random(seed), 0, 0
    for number in range(trials):
        worker = make_bench()
        write(worker, WANTED)
        async with open_tenant(latency=0.02) as tenant:
            connect(worker, tenant)
            losses = {"kind": "drop", "probability": 0.25}
            await tenant.faults(
                *(
                    {"on": on, "after": random.random() < 0.5} | losses
                    for on in ("settings_write", "settings_batch")
                )
            )
            code = -1
            while code != 0:
                apply_ = await worker.start("settings", "apply", "settings.yaml", "--yes", "--delete")
                if random.random() < 0.7:
                    await apply_.wait_at_most(random.uniform(0.2, 1.5))
                    killed += not apply_.ended
                    code = (await apply_.kill()).code
                else:
                    code = (await apply_.wait(300)).code
                applies += 1
            assert sorted(await happened(tenant)) == sorted(HAPPENED), f"seed {seed}, trial {number}"
            told = await kinds(worker)
            assert told.count("settings_intent") >= len(HAPPENED) - 1
    print(f"{trials} trials, {applies} applies, {killed} killed, seed {seed}")  # noqa: T201 - the soak's result
