"""Entries of the tenant's settings over real HTTP: many share a request, and one that is refused is found by halving."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import ClientSession

from tests.builders import ACCOUNT, ENFORCE, NOW, call, detection, item
from tests.desk import Desk
from tests.fakes import OpenBudget
from worker.cloudflare import Cloudflare
from worker.cloudflare.settings.block_senders import BlockSender as BlockedSender
from worker.dispatcher import Dispatcher, DispatchOptions
from worker.errors import Refused, VendorError
from worker.executors import executors
from worker.executors.base import POSTPONED_SECONDS, Effect, from_error
from worker.executors.entries import RemoveEntry, Unblock
from worker.executors.shelves import Shelf
from worker.model.actions import OnMessage, State
from worker.model.calls import Item
from worker.model.caps import DAY
from worker.model.entries import MARK, AllowSender, BlockSender, ProtectIdentity, UnblockSender
from worker.model.events import Detection
from worker.model.ledger import Look
from worker.ops.metrics import Metrics
from worker.ports import Lane
from worker.reconciler import Reconciler
from worker.simulator import Simulator, SimulatorConfig, start_simulator
from worker.store.people import reviews, undoable
from worker.store.people.undo import Order, Wanted, undo
from worker.store.views import queries

DELAY = 30.0
SENDERS = [f"mallory@evil{number}.example" for number in range(8)]
PRIVATE = "10.0.0.1"
"""What the vendor refuses as a sender."""


@dataclass
class Office:
    """A ledger, a dispatcher and a simulated tenant that it really talks to."""

    desk: Desk
    simulator: Simulator
    dispatcher: Dispatcher
    reconciler: Reconciler

    async def want(self, *actions: OnMessage) -> None:
        """Wanted, approved where that is needed, and looked at in this second."""
        await self.desk.want(*actions)
        if held := [row["message_id"] for row in await self.desk.rows(state=State.HELD)]:
            await self.desk.approve(*held)
        await self.looked()

    async def looked(self) -> None:
        """Whatever waits counts as looked at."""
        for row in await self.desk.rows(state=State.READY):
            await self.desk.edit(row["id"], verified_at=self.desk.clock.now())

    async def work(self) -> int:
        """Whatever is due goes out, halves too; how many writes that took."""
        before = len(self.writes())
        for _ in range(12):
            await self.dispatcher.step()
            await self.dispatcher.settled()
        return len(self.writes()) - before

    def writes(self) -> list[str]:
        """The endpoints of all writes so far."""
        return [one.endpoint for one in self.simulator.journal.requests if one.method != "GET"]

    async def take_back(self) -> None:
        """A person undoes everything."""
        wanted = Wanted(tuple(row["id"] for row in await self.desk.rows()))
        order = Order("ann", None, ENFORCE, 250)
        await self.desk.run(undo, ACCOUNT, wanted, order, self.desk.clock.now(), dry=False)

    def entries(self, collection: str = "block_senders") -> dict[str, str]:
        """The worker's own entries: whom they name, by their ids."""
        found = self.simulator.tenant.settings[collection].entries
        ours = {
            name: one for name, one in found.items() if "email-security-worker" in (one["comments"] or "")
        }
        return {name: one.get("pattern") or one["name"] for name, one in ours.items()}

    def spoil(self, name: str, **fields: object) -> None:
        """The vendor shows this entry so that it cannot be believed."""
        entries = self.simulator.tenant.settings["block_senders"].entries
        entries[name] = {**entries[name], **fields}

    async def somebody_blocks(self, sender: str, comments: str | None) -> str:
        """An entry beside the worker's; its id."""
        url = f"{self.simulator.base_url}/accounts/{ACCOUNT}/email-security/settings/block_senders"
        body = {"pattern": sender, "pattern_type": "EMAIL", "is_regex": False, "comments": comments}
        headers = {"Authorization": f"Bearer {self.simulator.token}"}
        async with ClientSession(headers=headers) as session, session.post(url, json=body) as answer:
            return str((await answer.json())["result"]["id"])

    async def break_next_batch(self) -> None:
        """The next batch takes effect, and its answer is lost."""
        await self.fault(on="settings_batch", kind="drop", after=True, count=1)

    async def fault(self, **fault: object) -> None:
        """From now on this goes wrong."""
        url = f"{self.simulator.origin}/_simulator/faults"
        async with ClientSession() as session, session.post(url, json=[fault]) as answer:
            assert answer.status == 200

    async def states(self, kind: str) -> list[str]:
        """What became of all actions of a kind."""
        return sorted(row["state"] for row in await self.desk.rows(kind=kind))


@pytest.fixture
async def office(desk: Desk, budget: OpenBudget, metrics: Metrics) -> AsyncIterator[Office]:
    """Everything on one clock."""
    config = SimulatorConfig(messages=0, clock=desk.clock.now, account_id=ACCOUNT)
    async with (
        start_simulator(config) as simulator,
        Cloudflare(
            base_url=simulator.base_url, account_id=ACCOUNT, token=lambda: simulator.token, gate=budget
        ) as client,
    ):
        known = executors(client, desk.ledger, DELAY, 250)
        dispatcher = Dispatcher(
            desk.ledger,
            client,
            known,
            budget,
            desk.clock,
            metrics,
            DispatchOptions(ENFORCE, 600, DELAY, 30.0),
            _nothing,
            lambda: simulator.token,
        )
        reconciler = Reconciler(desk.ledger, known, desk.clock, metrics, DELAY)
        yield Office(desk, simulator, dispatcher, reconciler)


async def _nothing(rows: Sequence[Detection], _: float) -> Sequence[Detection]:
    return rows


def blocks(senders: Sequence[str] = SENDERS) -> list[OnMessage]:
    """One of each, from a message of its own."""
    return [BlockSender(detection(f"m{number}"), sender=one) for number, one in enumerate(senders)]


async def test_one_block_that_is_refused_spoils_it_for_no_other(office: Office) -> None:
    """The batch is all or nothing: its halves find the one, in a request or two a halving, and it alone fails."""
    await office.want(*blocks([*SENDERS, PRIVATE]))
    assert await office.work() <= 8
    assert sorted(office.entries().values()) == SENDERS
    assert await office.states("block_sender") == ["failed", *["succeeded"] * 8]


async def test_one_allowance_that_is_refused_spoils_it_for_no_other(office: Office) -> None:
    """Nor does halving lose the approval."""
    wanted = [
        AllowSender(detection(f"m{n}"), sender=one, days=3) for n, one in enumerate([*SENDERS, PRIVATE])
    ]
    await office.want(*wanted)
    assert await office.work() <= 8
    assert sorted(office.entries("allow_policies").values()) == SENDERS
    assert await office.states("allow_sender") == ["failed", *["succeeded"] * 8]


async def test_what_no_entry_can_be_made_of_fails_and_asks_nobody(office: Office) -> None:
    """A name that the API would not take: nothing left, so there is no answer to be lost."""
    await office.want(ProtectIdentity(detection(), email="boss@corp.example", name="A" * 1500))
    assert await office.work() == 0
    assert await office.states("protect_identity") == ["failed"]


async def test_many_entries_are_taken_back_by_one_request(office: Office) -> None:
    """What they cost does not grow with their number; the registry, which has no batch, takes them one by one."""
    people = [
        ProtectIdentity(detection(f"p{n}"), email=f"p{n}@corp.example", name=f"P {n}") for n in range(2)
    ]
    await office.want(*blocks(), *people)
    assert await office.work() == 3
    await office.take_back()
    await office.looked()
    assert await office.work() == 3
    assert office.entries() == office.entries("impersonation_registry") == {}
    assert await office.states("remove_entry") == ["succeeded"] * 10


async def test_one_entry_that_is_gone_keeps_no_other(office: Office) -> None:
    """Somebody deletes it in the moment between the look and the request."""
    await office.want(*blocks())
    await office.work()
    await office.take_back()
    await office.looked()
    del office.simulator.tenant.settings["block_senders"].entries[next(iter(office.entries()))]
    assert await office.work() <= 8
    assert office.entries() == {}
    assert await office.states("remove_entry") == ["skipped", *["succeeded"] * 7]


async def test_many_senders_are_unblocked_by_one_request(office: Office) -> None:
    """After one list for the look; a person's block among them stays."""
    await office.want(*blocks())
    await office.work()
    (mine, *_) = office.entries()
    office.simulator.tenant.settings["block_senders"].entries[mine]["comments"] = "Ann, by hand"
    for number, sender in enumerate(SENDERS):
        await office.desk.want(UnblockSender(detection(f"u{number}"), sender=sender))
    office.simulator.journal.requests.clear()
    assert await office.work() == 1
    reads = [one.endpoint for one in office.simulator.journal.requests if one.method == "GET"]
    assert len(reads) == 1
    assert office.entries() == {}
    assert mine in office.simulator.tenant.settings["block_senders"].entries
    assert await office.states("unblock_sender") == ["skipped", *["succeeded"] * 7]


async def test_a_lost_answer_to_a_shared_delete_is_read_back_for_each(office: Office) -> None:
    """All are gone: none is sent again."""
    await office.want(*blocks())
    await office.work()
    await office.take_back()
    await office.looked()
    await office.break_next_batch()
    assert await office.work() == 1
    assert await office.states("remove_entry") == ["unknown"] * 8
    office.desk.clock.pass_time(DELAY)
    await office.reconciler.step()
    assert await office.states("remove_entry") == ["succeeded"] * 8
    assert await office.work() == 0


@pytest.mark.parametrize("count", [2, len(SENDERS)])
@pytest.mark.parametrize("shown", [{"id": "another"}, {"is_regex": "who knows"}])
async def test_one_entry_that_cannot_be_believed_keeps_no_other(
    office: Office, count: int, shown: dict[str, object]
) -> None:
    """Neither by its id nor in the list of all: it waits alone, and says why."""
    await office.want(*blocks(SENDERS[:count]))
    await office.work()
    await office.take_back()
    (first, *_) = office.entries()
    office.spoil(first, **shown)
    await office.work()
    assert list(office.entries()) == [first]
    assert await office.states("remove_entry") == ["ready", *["succeeded"] * (count - 1)]
    (waiting,) = await office.desk.rows(kind="remove_entry", state=State.READY)
    assert waiting["error"].startswith("cannot be looked up before acting: ")


@pytest.mark.parametrize("count", [2, len(SENDERS)])
@pytest.mark.parametrize("kind", [BlockSender, UnblockSender])
async def test_one_sender_who_cannot_be_looked_up_keeps_no_other(
    office: Office, count: int, kind: type[BlockSender | UnblockSender]
) -> None:
    """Where the list cannot be read because of one row, the others are asked for one by one."""
    await office.want(*blocks(["somebody@evil.example"] if kind is BlockSender else SENDERS[:count]))
    await office.work()
    ((first, sender), *_) = office.entries().items()
    office.spoil(first, pattern=SENDERS[0] if kind is BlockSender else sender, is_regex="who knows")
    await office.desk.want(*(kind(detection(f"n{n}"), sender=one) for n, one in enumerate(SENDERS[:count])))
    await office.work()
    mine = [row["state"] for row in await office.desk.rows(kind=kind.kind) if row["message_id"][0] == "n"]
    assert sorted(mine) == ["ready", *["succeeded"] * (count - 1)]


async def test_what_concerns_every_request_is_held_against_no_entry(office: Office) -> None:
    """A token that it does not take, say: none of them is postponed."""
    await office.want(*blocks(SENDERS[:2]))
    await office.work()
    await office.take_back()
    await office.fault(on="any", kind="401")
    await office.work()
    assert [row["error"] for row in await office.desk.rows(kind="remove_entry")] == [None, None]


class OddShelf:
    """A vendor that answers 404 to what is asked by its id, while the collection itself is as the test says."""

    def __init__(self, *rows: BlockedSender, error: VendorError | None = None) -> None:
        self.rows = rows
        self.error = error
        self.there: dict[str, BlockedSender] = {}
        self.codes: tuple[int, ...] = ()

    @property
    def client(self) -> Cloudflare:
        """The client whose every collection it is."""
        return cast("Cloudflare", SimpleNamespace(settings=SimpleNamespace(block_senders=self)))

    async def get(self, entry_id: str, *, lane: Lane) -> BlockedSender:
        del lane
        if entry_id in self.there:
            return self.there[entry_id]
        raise Refused("404", status=404, codes=self.codes)

    async def delete(self, entry_id: str, *, lane: Lane | None) -> None:
        del entry_id, lane
        raise Refused("404", status=404, codes=self.codes)

    async def list(self, **_: object) -> AsyncIterator[BlockedSender]:
        if self.error is not None:
            raise self.error
        for one in self.rows:
            yield one


MADE = {
    "pattern": SENDERS[0],
    "pattern_type": "EMAIL",
    "is_regex": False,
    "comments": "email-security-worker maker",
}
REMOVAL = item(
    kind="remove_entry",
    cause="maker",
    params={"collection": "block_senders", "entry_id": "e1", "made": MADE, "pattern": SENDERS[0]},
)
ENTRY = BlockedSender(
    id="e1", pattern=SENDERS[0], pattern_type="EMAIL", is_regex=False, comments="email-security-worker maker"
)
STORM = Refused("404", status=404)


async def test_no_entry_is_gone_while_its_collection_is_not_there_either() -> None:
    """Or an allowance that has run out would stay for ever: neither looked at, deleted nor read back as gone."""
    executor = RemoveEntry(OddShelf(error=STORM).client, DELAY)
    (seen,) = await executor.survey([REMOVAL], NOW)
    assert (seen.state, seen.unread) == (State.READY, True)
    (outcome,) = (await executor.execute(call(REMOVAL))).outcomes
    assert (outcome.state, outcome.due_in) == (State.READY, POSTPONED_SECONDS)
    with pytest.raises(Refused):
        await executor.read_back(REMOVAL, NOW)


async def test_an_entry_is_gone_where_its_collection_is_found_without_it() -> None:
    """At once, as before."""
    executor = RemoveEntry(OddShelf().client, DELAY)
    (seen,) = await executor.survey([REMOVAL], NOW)
    assert (seen.state, seen.why) == (State.SKIPPED, "entry e1 is gone: it has been deleted meanwhile")
    (outcome,) = (await executor.execute(call(REMOVAL))).outcomes
    assert (outcome.state, outcome.error) == (State.SKIPPED, "the entry was gone already")
    assert (await executor.read_back(REMOVAL, NOW)).effect is Effect.DONE


async def test_an_entry_that_its_collection_shows_is_not_gone() -> None:
    """Whatever its own address says."""
    executor = RemoveEntry(OddShelf(ENTRY).client, DELAY)
    (seen,) = await executor.survey([REMOVAL], NOW)
    assert seen.state is State.READY
    (outcome,) = (await executor.execute(call(REMOVAL))).outcomes
    assert (outcome.state, outcome.error) == (State.READY, "404, but e1 is there")
    assert (await executor.read_back(REMOVAL, NOW)).effect is Effect.NOT_DONE


async def test_a_deletion_that_found_no_route_is_asked_for_again() -> None:
    """That says nothing of the entry, also where the collection does not show it."""
    shelf = OddShelf()
    shelf.codes = (7003,)
    executor = RemoveEntry(shelf.client, DELAY)
    with pytest.raises(Refused) as raised:
        await executor.execute(call(REMOVAL))
    assert from_error(call(REMOVAL), raised.value, DELAY).outcomes[0].state is State.READY
    (seen,) = await executor.survey([REMOVAL], NOW)
    assert (seen.state, seen.unread) == (State.READY, True)


async def test_a_sender_is_unblocked_when_no_entry_is_there_by_its_id(desk: Desk) -> None:
    """The vendor's filter may leave out what is there: the sender would stay blocked, and count as unblocked."""
    shelf = OddShelf()
    shelf.there = {"e2": ENTRY}
    lost = item(kind="unblock_sender", params=MADE, origin='[{"id": "e1"}, {"id": "e2"}]')
    executor = Unblock(shelf.client, desk.ledger, DELAY)
    seen = await executor.read_back(lost, NOW)
    assert (seen.effect, seen.seen["left"]) == (Effect.NOT_DONE, ["e2"])
    shelf.there.clear()
    assert (await executor.read_back(lost, NOW)).effect is Effect.DONE


async def test_a_mistake_over_one_entry_keeps_no_other(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits alone; before, none of its lane went."""
    await office.want(*blocks(SENDERS[:2]))
    await office.work()
    await office.take_back()
    (first, *_) = office.entries()
    right = RemoveEntry._judge

    async def judge(self: RemoveEntry, one: Item, listed: list[Any] | None) -> Look:
        if one.params["entry_id"] == first:
            raise ZeroDivisionError
        return await right(self, one, listed)

    monkeypatch.setattr(RemoveEntry, "_judge", judge)
    await office.work()
    assert list(office.entries()) == [first]


async def test_a_collection_that_takes_too_long_to_list_is_not_listed_again_and_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the first time its lane is looked at in small parts: all go out, and the budget is not spent on lists."""
    listed: list[float] = []
    everything = Shelf.everything

    async def slow(self: Shelf, cloudflare: Cloudflare, lane: Lane) -> list[Any]:
        listed.append(office.desk.clock.now())
        office.desk.clock.pass_time(61.0)
        return await everything(self, cloudflare, lane)

    monkeypatch.setattr(Shelf, "everything", slow)
    await office.desk.want(*blocks())
    office.desk.clock.pass_time(61.0)
    await office.work()
    assert await office.states("block_sender") == ["succeeded"] * len(SENDERS)
    assert len(listed) == 1


async def lost_without_effect(office: Office) -> None:
    """A block whose request was lost before it had any effect."""
    await office.want(BlockSender(detection("m1"), sender=SENDERS[0]))
    await office.fault(on="settings_write", kind="drop", after=False, count=1)
    await office.work()
    assert await office.states("block_sender") == ["unknown"]


async def test_an_entry_without_a_word_is_nobody_s_to_take_over(office: Office) -> None:
    """A person made the same one meanwhile: theirs stands for it, and no undo deletes it."""
    await lost_without_effect(office)
    entry_id = await office.somebody_blocks(SENDERS[0], None)
    for _ in range(2):
        office.desk.clock.pass_time(DELAY)
        await office.reconciler.step()
    await office.work()
    (row,) = await office.desk.rows(kind="block_sender")
    assert (row["state"], row["error"]) == ("skipped", f"already there: entry {entry_id} of somebody else")
    await office.take_back()
    await office.work()
    assert entry_id in office.simulator.tenant.settings["block_senders"].entries
    assert office.entries() == {}


EDITS: dict[str, tuple[Callable[[str], str | None], bool]] = {
    "nothing": (lambda word: word, True),
    "cut off by the vendor": (lambda word: word[:60], True),
    "spaces": (lambda word: f"{word} ", True),
    "appended": (lambda word: f"{word} | Ann: keep it, ticket 4711", False),
    "cleared": (lambda _: None, False),
    "replaced": (lambda _: "Ann", False),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("way", ["undo", "unblock"])
async def test_who_edits_the_comment_takes_the_entry_over(office: Office, edit: str, way: str) -> None:
    """Whatever they write: from then on it is theirs, for an undo and for an unblock."""
    change, taken_back = EDITS[edit]
    await office.want(BlockSender(detection("m1"), sender=SENDERS[0], reason="a long reason " * 5))
    await office.work()
    (entry_id,) = office.entries()
    entry = office.simulator.tenant.settings["block_senders"].entries[entry_id]
    office.spoil(entry_id, comments=change(entry["comments"]))
    if way == "undo":
        await office.take_back()
    else:
        await office.desk.want(UnblockSender(detection("u1"), sender=SENDERS[0]))
    await office.work()
    there = office.simulator.tenant.settings["block_senders"].entries
    assert (entry_id not in there) is taken_back


async def test_what_an_undo_left_to_a_person_no_unblock_takes(office: Office) -> None:
    """They edited it: the log has said that from then on it is nobody's but theirs."""
    await office.want(BlockSender(detection("m1"), sender=SENDERS[0], reason="why"))
    await office.work()
    (entry_id,) = office.entries()
    office.spoil(entry_id, comments=f"{MARK}{(await office.desk.row())['id']} (junk): why | Ann: keep it")
    await office.take_back()
    await office.work()
    (ended,) = (await office.desk.ledger.take_back(ENFORCE)).ended
    assert ended.state == "skipped"
    assert set((await office.desk.run(undoable.in_short, ACCOUNT)).values()) == {"-"}
    await office.desk.want(UnblockSender(detection("u1"), sender=SENDERS[0]))
    await office.work()
    assert await office.states("unblock_sender") == ["skipped"]
    assert entry_id in office.entries()


@pytest.mark.parametrize("lost", [False, True])
async def test_what_was_unblocked_stands_no_more(office: Office, lost: bool) -> None:
    """Its block says so, and there is nothing to undo; whether the answer came or was read back."""
    await office.want(
        BlockSender(detection("m1"), sender=SENDERS[0]), BlockSender(detection("m2"), sender=SENDERS[1])
    )
    await office.work()
    await office.desk.want(UnblockSender(detection("u1"), sender=SENDERS[0]))
    if lost:
        await office.fault(on="settings_write", kind="drop", after=True, count=1)
    await office.work()
    office.desk.clock.pass_time(DELAY)
    await office.reconciler.step()
    (unblock,) = await office.desk.rows(kind="unblock_sender")
    assert unblock["state"] == "succeeded"
    blocks = {row["target"]: row["id"] for row in await office.desk.rows(kind="block_sender")}
    told = await office.desk.run(queries.action_detail, ACCOUNT, blocks[SENDERS[0]])
    assert told is not None
    assert told["undo"] == {
        "possible": False,
        "why": f"its entry stands no more: unblocked by {unblock['id']}",
    }
    assert await office.desk.run(undoable.in_short, ACCOUNT) == {blocks[SENDERS[0]]: "-"}


async def test_an_entry_whose_sender_a_person_has_changed_is_theirs(office: Office) -> None:
    """The comment still says the worker's name; it is not what the worker made."""
    await office.want(BlockSender(detection("m1"), sender=SENDERS[0]))
    await office.work()
    (entry_id,) = office.entries()
    office.spoil(entry_id, pattern=SENDERS[1])
    await office.desk.want(UnblockSender(detection("u1"), sender=SENDERS[1]))
    await office.work()
    assert await office.states("unblock_sender") == ["skipped"]
    assert entry_id in office.entries()


async def test_who_edits_the_comment_before_the_read_back_takes_the_entry_over(office: Office) -> None:
    """Hours may lie between a lost answer and the look that finds its entry: what was sent is what was made."""
    await office.fault(on="settings_write", kind="drop", after=True, count=1)
    await office.want(BlockSender(detection("m1"), sender=SENDERS[0], reason="why"))
    await office.work()
    (entry_id,) = office.entries()
    entry = office.simulator.tenant.settings["block_senders"].entries[entry_id]
    office.spoil(entry_id, comments=f"{entry['comments']} | Ann: keep it")
    office.desk.clock.pass_time(DELAY)
    await office.reconciler.step()
    assert await office.states("block_sender") == ["succeeded"]
    await office.take_back()
    await office.work()
    assert entry_id in office.entries()


async def test_an_allowance_that_is_retried_after_its_date_is_taken_over_and_taken_back(
    office: Office,
) -> None:
    """The person did as the log says; were it skipped as too late, its entry would let mail past for ever."""
    await office.fault(on="settings_write", kind="drop", after=True, count=1)
    await office.want(AllowSender(detection("m1"), sender=SENDERS[0], days=1))
    await office.work()
    row = await office.desk.row()
    await office.desk.edit(row["id"], due_at=None)
    office.desk.clock.pass_time(2 * DAY)
    found = await office.desk.ledger.take_back(ENFORCE)
    assert (found.planned, found.overdue) == ((), 1)
    now = office.desk.clock.now()
    await office.desk.run(reviews.retry, ACCOUNT, [row["id"]], "ann", now, checked=True)
    await office.work()
    await office.reconciler.step()
    assert await office.states("allow_sender") == ["succeeded"]
    assert len((await office.desk.ledger.take_back(ENFORCE)).planned) == 1
    await office.work()
    assert office.entries("allow_policies") == {}


async def test_every_entry_of_an_action_is_taken_back(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first request had its effect after the second one was answered: its date ends both, and it is told."""
    await office.fault(on="settings_write", kind="drop", after=True, count=1)
    await office.want(AllowSender(detection("m1"), sender=SENDERS[0], days=1))
    await office.work()
    policies = office.simulator.tenant.settings["allow_policies"]
    late, policies.entries = policies.entries, {}
    for _ in range(2):
        office.desk.clock.pass_time(DELAY)
        await office.reconciler.step()
    await office.work()
    policies.entries = {**policies.entries, **late}
    assert (await office.states("allow_sender"), len(office.entries("allow_policies"))) == (["succeeded"], 2)
    office.desk.clock.pass_time(2 * DAY)
    await office.desk.ledger.take_back(ENFORCE)
    await office.work()
    assert await office.states("remove_entry") == ["succeeded"]
    assert office.entries("allow_policies") == {}
    assert "".join(capsys.readouterr()).count("entry.twice") == 1


async def test_a_second_entry_that_a_person_has_changed_stays(office: Office) -> None:
    """Of the two the one that is as it was made goes; where the first is gone, the second goes alone."""
    await office.want(BlockSender(detection("m1"), sender=SENDERS[0]))
    await office.work()
    (first,) = office.entries()
    comments = office.simulator.tenant.settings["block_senders"].entries[first]["comments"]
    second = await office.somebody_blocks(SENDERS[0], comments)
    third = await office.somebody_blocks(SENDERS[0], f"{comments} | Ann")
    del office.simulator.tenant.settings["block_senders"].entries[first]
    await office.take_back()
    await office.work()
    assert await office.states("remove_entry") == ["succeeded"]
    assert second not in office.entries()
    assert third in office.entries()


async def test_two_entries_of_one_action_are_told(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    """The vendor let the first request have its effect after all looks: nobody else would find the second."""
    await lost_without_effect(office)
    (row,) = await office.desk.rows(kind="block_sender")
    for _ in range(2):
        await office.somebody_blocks(SENDERS[0], f"email-security-worker {row['id']} (junk)")
    office.desk.clock.pass_time(DELAY)
    await office.reconciler.step()
    assert await office.states("block_sender") == ["succeeded"]
    assert "".join(capsys.readouterr()).count("entry.twice") == 1
