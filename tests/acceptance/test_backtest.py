"""`worker backtest` as its users meet it: against a tenant, beside a daemon, from the store, from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench, Result
from tests.acceptance.tenants import Tenant
from tests.repositories import committed

pytestmark = pytest.mark.acceptance

NO_TOKEN: dict[str, str | None] = {"CLOUDFLARE_API_TOKEN": None, "CLOUDFLARE_ACCOUNT_ID": None}
UNMOVED = rules.rule(
    'message.final_disposition == "MALICIOUS" and message.is_delivered and not message.has_moved',
    rules.to("JunkEmail"),
    name="junk",
    mode="shadow",
)
REPORTED = rules.rule(
    "message.message", 'Reclassify(message.message, to="SPAM")', name="reported", on="PhishReport"
)


async def result(bench: Bench, *arguments: str, **env: str | None) -> Any:
    """The JSON of a backtest that succeeds."""
    done = await (await bench.start("backtest", "--json", *arguments, **env)).wait(60)
    assert (done.code, done.err) == (0, ""), done
    return json.loads(done.out)


def of(report: Any, playbook: str) -> Any:
    """One playbook's part."""
    (one,) = [one for one in report["playbooks"] if one["playbook"] == playbook]
    return one


async def test_history_is_compared_with_what_people_did_and_nothing_is_sent(
    worker: Bench, tenant: Tenant
) -> None:
    """Agreed, other, extra and missed by the vendor's own log, on mail as it was delivered; every request is a GET."""
    worker.rule("junk", UNMOVED)
    worker.rule("reported", REPORTED)
    agreed, other, extra = await tenant.mail("MALICIOUS", "MALICIOUS", "MALICIOUS")
    (missed,) = await tenant.mail("NONE")
    await tenant.analyst_moves(agreed, "JunkEmail")
    await tenant.analyst_moves(other, "DeletedItems")
    await tenant.analyst_moves(missed, "JunkEmail")
    await tenant.report(extra)
    before = await tenant.journal()
    asked = len(await tenant.requests())
    report = await result(worker, "--since", "1d")
    requests = (await tenant.requests())[asked:]
    assert {one["method"] for one in requests} == {"GET"}
    assert await tenant.journal() == before
    junk = of(report, "junk")
    assert (junk["matches"], junk["would_act"], junk["people"]) == (
        3,
        3,
        {"agreed": 1, "other": 1, "extra": 1},
    )
    assert of(report, "reported")["matches"] == 1
    assert report["missed"]["counts"] == {"move": 1}
    (example,) = report["missed"]["examples"]
    assert (example["event"], example["action"]) == (missed, "move to JunkEmail by analyst@corp.example")
    assert {row["event"]: row["people"].partition(":")[0] for row in report["rows"] if row["source"] == "detections"} == {
        agreed: "agreed", other: "other", extra: "extra",
    }  # fmt: skip
    # Three messages were acted on: their logs were asked for, and nobody else's.
    assert sum(one["path"].endswith("/action_log") for one in requests) == 3
    assert not worker.database.exists()


async def test_the_worker_is_not_taken_for_people_and_its_store_needs_no_token(
    worker: Bench, tenant: Tenant
) -> None:
    """What the daemon did is no agreement, while it runs on the same database; from its store nothing is asked at all."""
    worker.rule("junk", UNMOVED.replace('mode="shadow"', 'mode="enforce"'))
    ours = await tenant.mail("MALICIOUS", "MALICIOUS")
    (theirs,) = await tenant.mail("MALICIOUS")
    await tenant.analyst_moves(theirs, "JunkEmail")
    daemon = await worker.daemon()
    await daemon.until("action.finished", times=2, state="succeeded")
    seen = of(await result(worker, "--since", "1d"), "junk")
    assert (seen["matches"], seen["people"]) == (3, {"agreed": 1, "other": 0, "extra": 2})
    asked = len([one for one in await tenant.requests() if one["method"] != "GET"])
    stored = await result(worker, "--from", "store", **NO_TOKEN)
    assert not daemon.ended
    assert (of(stored, "junk")["matches"], stored["span"]["events"], stored["missed"]) == (2, 2, None)
    assert {row["message_id"] for row in stored["rows"]} == set(ours)
    assert "WORKER_KEEP_EVENTS" in stored["span"]["notes"][0]
    assert len([one for one in await tenant.requests() if one["method"] != "GET"]) == asked
    await daemon.stop()


async def test_needs_are_fetched_within_an_allowance(worker: Bench, tenant: Tenant) -> None:
    """What a playbook reads beyond the row is fetched for so many messages; of the others it is undecided."""
    reads = rules.rule("message.trace is not None", rules.to("JunkEmail"), name="reads").replace(
        'id="reads"', 'id="reads", needs=["trace"]'
    )
    worker.rule("reads", reads)
    await tenant.mail(*["SPAM"] * 5)
    one = of(await result(worker, "--since", "1d", "--fetch", "2"), "reads")
    assert (one["matches"], one["undecided"]) == (2, 3)
    assert one["undecided_because"] == [{"name": "needs trace, which is not there", "count": 3}]
    traces = [one for one in await tenant.requests() if one["path"].endswith("/trace")]
    assert len(traces) == 2


async def test_a_file_of_events_is_decided_and_compared_with_a_revision(bench: Bench, tmp_path: Path) -> None:
    """Without a token and a database; --compare shows what the change does, and text of mail stays plain."""
    bench.rule("junk", rules.on_verdict("SPAM", rules.to("JunkEmail"), name="junk"))
    committed(bench.folder)
    bench.rule("junk", rules.on_verdict("BULK", rules.to("JunkEmail"), name="junk"))
    events = tmp_path / "events.jsonl"
    lines = [
        {
            "id": f"m{n}",
            "final_disposition": verdict,
            "subject": "\x1b[31mred\u202e",
            "scanned_at": f"2026-11-20T1{n}:00:00Z",
        }
        for n, verdict in enumerate(("SPAM", "BULK", "BULK"))
    ]
    events.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    done: Result = await bench.run(
        "backtest", "--from", str(events), "--compare", "HEAD", "--html", "r.html", **NO_TOKEN
    )
    assert (done.code, done.err) == (0, "")
    assert (
        "junk (changed): matches: 1 before, 2 now; 2 newly hit, 1 no longer hit, 0 with another action"
        in done.out
    )
    assert "no longer hit: m0: move JunkEmail -> nothing; '\\x1b[31mred\\u202e'" in done.out
    assert not {"\x1b", "\u202e"} & set(done.out)
    assert "page: r.html" in done.out
    page = bench.folder / "r.html"
    assert page.stat().st_mode & 0o077 == 0
    assert "Against HEAD" in page.read_text(encoding="utf-8")
    assert not bench.database.exists()


@pytest.mark.parametrize(
    "arguments,code,said",
    [
        (["--since", "tomorrow"], 2, "--since: 'tomorrow' is no time"),
        (["--since", "40d"], 2, "--since: the vendor's history has 30 days"),
        (["--since", "1h", "--until", "2h"], 2, "--since: is not before --until"),
        (["--from", "nowhere.jsonl"], 2, "--from: cannot read nowhere.jsonl"),
        (["--from", "bad.jsonl"], 2, "bad.jsonl: line 2: is no JSON"),
        (["--playbook", "jnk", "--from", "bad.jsonl"], 2, "has no 'jnk' (did you mean `junk`?)"),
        (["--since", "1d"], 2, "CLOUDFLARE_ACCOUNT_ID: is required"),
    ],
)
async def test_what_cannot_be_done_is_told_in_a_line(
    bench: Bench, arguments: list[str], code: int, said: str
) -> None:
    """What, where, and how to mend it."""
    bench.rule("junk", UNMOVED)
    (bench.folder / "bad.jsonl").write_text('{"id": "m1"}\n{"id": \n', encoding="utf-8")
    done = await bench.run("backtest", *arguments, **NO_TOKEN)
    assert (done.code, done.err.count("\n")) == (code, 1), done
    assert said in done.err


async def test_a_history_that_breaks_off_is_told_with_what_there_was(worker: Bench, tenant: Tenant) -> None:
    """Exit code 1, and the report of what could be read."""
    worker.rule("junk", UNMOVED)
    await tenant.mail("MALICIOUS")
    await tenant.token("another")
    done = await (await worker.start("backtest", "--since", "1h", "--json")).wait(60)
    assert done.code == 1
    report = json.loads(done.out)
    assert report["span"]["stopped"].startswith("Unauthorized")


async def test_stored_events_are_decided_again_and_saved_for_examples(worker: Bench, tenant: Tenant) -> None:
    """By the message's id, without a token, beside the daemon; the saved file has pseudonyms and is decided alike."""
    worker.rule("junk", rules.on_verdict("MALICIOUS", rules.to("JunkEmail"), name="junk"))
    (message,) = await tenant.mail("MALICIOUS", subject="A secret matter", **{"from": "mallory@evil.example"})
    daemon = await worker.daemon()
    await daemon.until("action.finished", state="succeeded")
    told = await worker.run("replay", message, **NO_TOKEN)
    assert (told.code, told.err) == (0, "")
    assert "junk wants move JunkEmail: test" in told.out
    saved = await worker.run("replay", message, "--record", "saved.jsonl", "--json", **NO_TOKEN)
    assert (saved.code, saved.err) == (0, "1 events in saved.jsonl, with pseudonyms\n")
    file = (worker.folder / "saved.jsonl").read_text(encoding="utf-8")
    assert not [one for one in ("secret", "mallory", "evil", message) if one in file]
    (before,), (after,) = saved.json, (await worker.run("replay", "saved.jsonl", "--json", **NO_TOKEN)).json
    assert (before["wants"], before["undecided"]) == (after["wants"], [])
    assert (before["message_id"], after["message_id"]) == (message, "id-00000001")
    again = await worker.run("replay", message, "--record", "saved.jsonl", **NO_TOKEN)
    assert (again.code, "is there already" in again.err) == (2, True)
    pasted = await worker.run("replay", "saved.jsonl", "--examples", **NO_TOKEN)
    assert pasted.out == '# junk\nhit(final_disposition="MALICIOUS", expect=[("move", "JunkEmail")]),\n'
    gone = await worker.run("replay", "nothing", **NO_TOKEN)
    assert (gone.code, "the store keeps no such event" in gone.err) == (2, True)
    assert not daemon.ended
    await daemon.stop()
