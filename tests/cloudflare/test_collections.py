from __future__ import annotations

from typing import Any, assert_type

import pytest
from msgspec import UNSET

from tests.cloudflare.operations import ID, call
from tests.cloudflare.test_contract import ASKED, OPERATIONS
from tests.cloudflare.vendor import OpenGate, Vendor, answer, envelope
from tests.contract.document import success
from worker.cloudflare import CLAIMED, Cloudflare
from worker.cloudflare.collection import BatchAnswer
from worker.cloudflare.settings.block_senders import BlockSender, BlockSenderChange, NewBlockSender
from worker.cloudflare.settings.domains import Domain, DomainChange
from worker.errors import AnswerLost, BadAnswer
from worker.ports import Lane

NEW = NewBlockSender(pattern="evil.example", pattern_type="DOMAIN", is_regex=False)
ROW = {"id": ID, "pattern": "evil.example"}
UNSHOWN = [name for name in OPERATIONS if success(OPERATIONS[name])[2] and "batch" not in name]


@pytest.mark.parametrize("body", [envelope(None), b'{"success": true}'], ids=["null", "none"])
@pytest.mark.parametrize("name", UNSHOWN)
async def test_a_write_may_be_confirmed_without_its_row(
    vendor: Vendor, cloudflare: Cloudflare, name: str, body: bytes
) -> None:
    """The contract allows no result: for a write that is a yes, for a read it is nothing."""
    vendor.will(answer(body))
    if name.startswith("GET"):
        with pytest.raises(BadAnswer):
            await call(cloudflare, name, ASKED[name])
    else:
        assert await call(cloudflare, name, ASKED[name]) is None


@pytest.mark.parametrize("result", [[], [ROW, ROW], {}, {"id": ""}, {"id": 7}, {"id": ".."}, "yes", 7, [7]])
async def test_a_row_that_cannot_be_read_is_no_confirmation(
    vendor: Vendor, cloudflare: Cloudflare, result: Any
) -> None:
    """It may or may not be there: it has to be read back."""
    vendor.will(answer(envelope(result), 201))
    with pytest.raises(AnswerLost):
        await cloudflare.settings.block_senders.create(NEW, lane=CLAIMED)
    assert len(vendor.requests) == 1


async def test_an_array_of_one_row_is_that_row(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """Older documents answer so when a trusted domain is created."""
    vendor.will(answer(envelope([ROW]), 201))
    made = await cloudflare.settings.block_senders.create(NEW, lane=CLAIMED)
    assert_type(made, BlockSender | None)
    assert made == BlockSender(id=ID, pattern="evil.example")


async def test_the_answer_must_be_about_what_was_asked(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """Another row proves nothing of this one."""
    senders = cloudflare.settings.block_senders
    vendor.will(answer(envelope(ROW)))
    assert_type(await senders.get(ID, lane=Lane.ENRICH), BlockSender)
    with pytest.raises(BadAnswer, match="another row"):
        await senders.get("other", lane=Lane.ENRICH)
    with pytest.raises(AnswerLost, match="another row"):
        await senders.edit("other", BlockSenderChange(is_regex=True), lane=CLAIMED)
    with pytest.raises(AnswerLost, match="another row"):
        await senders.delete("other", lane=CLAIMED)
    vendor.will(answer(envelope({"job_id": ID, "status": "CANCELLED", "action_type": "MOVE"})))
    with pytest.raises(AnswerLost, match="another job"):
        await cloudflare.investigate.bulk.cancel("other", lane=CLAIMED)


async def test_who_pays_for_a_write(vendor: Vendor, cloudflare: Cloudflare, gate: OpenGate) -> None:
    """A claim has paid already; a person's command waits for its turn like a read."""
    senders = cloudflare.settings.block_senders
    vendor.will(answer(envelope(None)))
    await senders.delete(ID, lane=CLAIMED)
    assert gate.admitted == []
    await senders.delete(ID, lane=Lane.ACTION)
    await senders.batch(posts=[NEW], lane=Lane.ENRICH)
    assert gate.admitted == [Lane.ACTION, Lane.ENRICH]
    assert len(gate.seen) == 3


async def test_only_what_is_set_is_changed(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """None empties a field; what is left out stays as it is."""
    vendor.will(answer(envelope(ROW)))
    edit = cloudflare.settings.block_senders.edit
    await edit(ID, BlockSenderChange(comments=None), lane=CLAIMED)
    await edit(ID, BlockSenderChange(pattern="a.example", comments=UNSET), lane=CLAIMED)
    assert [request.json for request in vendor.requests] == [{"comments": None}, {"pattern": "a.example"}]


async def test_a_batch_tells_what_it_did(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """Four lists go out, empty ones too; what comes back may lack some."""
    vendor.will(answer(envelope({"deletes": [{"id": "a"}], "posts": [ROW], "puts": None})))
    done = await cloudflare.settings.block_senders.batch(deletes=["a"], posts=[NEW], lane=CLAIMED)
    assert_type(done, BatchAnswer[BlockSender])
    assert done == BatchAnswer(("a",), posts=(BlockSender(id=ID, pattern="evil.example"),))
    post = {"pattern": "evil.example", "pattern_type": "DOMAIN", "is_regex": False}
    assert vendor.requests[0].json == {"deletes": [{"id": "a"}], "patches": [], "puts": [], "posts": [post]}
    vendor.will(answer(envelope({"posts": [{"id": 7}]})))
    with pytest.raises(AnswerLost):
        await cloudflare.settings.block_senders.batch(posts=[NEW], lane=CLAIMED)


@pytest.mark.parametrize("status", ["active", "ACTIVE", "Active"])
async def test_a_domains_status_has_one_casing(vendor: Vendor, cloudflare: Cloudflare, status: str) -> None:
    """Some documents write it in lower case, and so may the API."""
    vendor.will(answer(envelope({"id": ID, "status": status})))
    domain = await cloudflare.settings.domains.get(ID, lane=Lane.ENRICH)
    assert_type(domain, Domain)
    assert domain.status == "ACTIVE"
    edited = await cloudflare.settings.domains.edit(ID, DomainChange(lookback_hops=2), lane=CLAIMED)
    assert edited == domain
