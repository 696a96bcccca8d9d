"""`worker explain` as its users meet it: what was done, what was not, from the store, from a file, from the API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.bench import Bench
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance

NO_TOKEN: dict[str, str | None] = {"CLOUDFLARE_API_TOKEN": None}
JUNK = """from worker.playbooks import Detection, Move, Release, playbook
from worker.playbooks.conditions import delivered, disposition, sender_in

@playbook(on=Detection, mode="enforce", when=[disposition("SPOOF", "SPAM"), delivered(), ~sender_in("partners")])
def junk(message: Detection) -> Move | None:
    if "quarterly" in (message.subject or "").lower():
        return None
    return Move(message, to="JunkEmail", reason="spoof")

@playbook(on=Detection, mode="approve", when=[disposition("SPOOF")])
def delete(message: Detection) -> Move:
    return Move(message, to="DeletedItems", reason="another opinion")
"""


async def explained(worker: Bench, *arguments: str, **env: str | None) -> Any:
    """The one explanation, as JSON."""
    done = await worker.run("explain", "--json", *arguments, **env)
    assert (done.code, done.err) == (0, ""), done
    (one,) = json.loads(done.out)
    return one


async def test_hits_and_misses_are_explained_and_nothing_is_sent_that_changes_mail(
    worker: Bench, tenant: Tenant, tmp_path: Path
) -> None:
    """From the store with no token, from the API with one: conditions, lines, the others, the ledger."""
    rules = worker.rule("junk", JUNK).parent
    (rules / "lists").mkdir(exist_ok=True)
    (rules / "lists" / "partners.txt").write_text("partner.example\n")
    spoof, spam, benign = await tenant.mail("SPOOF", "SPAM", "NONE")
    await worker.once()
    posts = await tenant.requests("POST")

    done = await explained(worker, "junk", spam, **NO_TOKEN)
    assert (done["called"], done["mode"], done["origin"][:11]) == (True, "enforce", "event store")
    assert [one["holds"] for one in done["when"]] == [True, True, True]
    assert [row["state"] for row in done["actions"]] == ["succeeded"]
    assert done["why"].startswith("move JunkEmail would be skipped: the same action exists")

    assert (await worker.run("demote", "junk", "--to", "approve", "--reason", "test", **NO_TOKEN)).code == 0
    assert (await explained(worker, "junk", spam, **NO_TOKEN))["mode"] == "approve"
    clash = await explained(worker, "junk", spoof, **NO_TOKEN)
    assert clash["others"] == [
        {"kind": "move", "target": "DeletedItems", "playbooks": ["delete"], "contradicts": True}
    ]
    assert {row["state"] for row in clash["actions"]} == {"held"}

    miss = await explained(worker, "junk", benign)
    assert (miss["origin"], miss["called"]) == ("fetched now", False)
    assert miss["when"][0]["saw"] == {"final_disposition": "NONE"}
    assert miss["why"] == 'nothing: disposition("SPOOF", "SPAM") does not hold'
    assert await tenant.requests("POST") == posts

    row = {
        "id": "x",
        "final_disposition": "SPAM",
        "delivery_status": ["delivered"],
        "subject": "Quarterly \x1b[2J",
    }
    file = tmp_path / "saved.jsonl"
    file.write_text(json.dumps(row))
    text = (await worker.run("explain", "junk", str(file), **NO_TOKEN)).out
    assert 'read       message.subject = "Quarterly \\u001b[2J"' in text
    assert "rules/junk.py:7  return None" in text
    assert "so         nothing: its function wants nothing of this event" in text


PATIENT = """from worker.playbooks import Detection, Move, Params, playbook

class Limits(Params):
    most: int = 5

@playbook(on=Detection, needs=["details", "attachments"], params=Limits)
def junk(message: Detection, params: Limits) -> Move | None:
    if message.details is None or len(message.attachments or ()) > params.most:
        return None
    return Move(message, to="JunkEmail", reason="few attachments")
"""


async def test_what_it_needs_is_asked_for_too(worker: Bench, tenant: Tenant) -> None:
    """Of a message that the store does not have: what lies beyond its row, and the parameters in force."""
    folder = worker.rule("junk", PATIENT).parent
    (folder / "params.toml").write_text("[junk]\nmost = 3\n")
    spam, benign = await tenant.mail("SPAM", "NONE")
    hit = await explained(worker, "junk", spam)
    assert (hit["params"], [one["kind"] for one in hit["wants"]]) == ({"most": 3}, ["move"])
    assert "message.attachments" in hit["read"]
    miss = await explained(worker, "junk", benign)
    assert (miss["read"]["message.details"], miss["wants"]) == (None, [])
    text = (await worker.run("explain", "junk", spam)).out
    assert "param      most = 3" in text


@pytest.mark.parametrize(
    "arguments, told",
    [
        (("jnk", "m1"), "no such playbook (did you mean `junk`?)"),
        (("junk", "no-such-message"), "no-such-message: no such message"),
        (("junk", __file__), "line 1: is no JSON"),
    ],
)
async def test_what_is_not_there_is_wrong_usage(
    worker: Bench, tenant: Tenant, arguments: tuple[str, str], told: str
) -> None:
    """Exit code 2, with the nearest name; the ledger need not be there."""
    source = JUNK.replace(', ~sender_in("partners")', "")
    worker.rule("junk", source)
    done = await worker.run("explain", *arguments)
    assert (done.code, told in done.err) == (2, True), done
