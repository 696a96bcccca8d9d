"""Several connections at once, as several processes have them: the database lets only one have an action."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

from sqlalchemy import Connection

from tests.builders import ACCOUNT, ENFORCE, NOW, decided, detection, junk, poll, report
from tests.desk import Desk, messages
from worker.model.actions import Mode, Move, State
from worker.model.calls import Call
from worker.model.ledger import Limits
from worker.model.plans import Poll
from worker.store.calls import claims
from worker.store.engine import sqlite_engine, transact
from worker.store.people import reviews
from worker.store.plans import closing

HANDS = 4
MANY = 200
LIMITS = Limits(ENFORCE, 10_000, 120.0)
Transact = Callable[[Callable[[Connection], Any]], Any]


async def at_once(desk: Desk, work: Callable[[Transact, int], Any]) -> list[Any]:
    """Does the work in as many threads as there are hands, each on a connection of its own."""
    file = Path(desk.store.engine.url.database or "")
    start = Barrier(HANDS)

    def hand(number: int) -> Any:
        engine = sqlite_engine(file)
        try:
            start.wait(10)
            return work(lambda function: transact(engine, function), number)
        finally:
            engine.dispose()

    with ThreadPoolExecutor(HANDS) as pool:
        return await asyncio.gather(
            *(asyncio.get_running_loop().run_in_executor(pool, hand, number) for number in range(HANDS))
        )


async def test_no_action_is_claimed_by_two(desk: Desk) -> None:
    """Each is in one call and one intent, however many connections claim at the same moment."""
    await desk.take_in(*(junk(f"m{n}") for n in range(MANY)))
    (lane,) = await desk.ledger.lanes(Mode.ENFORCE)

    def claim_all(run: Transact, _number: int) -> list[Call]:
        calls: list[Call] = []
        while mine := run(lambda conn: claims.claim(conn, ACCOUNT, lane, NOW, LIMITS, most=3, calls=2)).calls:
            calls += mine
        return calls

    hands = await at_once(desk, claim_all)
    claimed = Counter(name for calls in hands for call in calls for name in messages(call))
    assert claimed == {f"m{n}": 1 for n in range(MANY)}
    assert len(await desk.audit("intent")) == sum(map(len, hands))
    assert await desk.intact()


async def test_the_same_wish_of_several_polls_becomes_one_action(desk: Desk) -> None:
    """Polls that close at the same moment and want the same thing leave one live action for each message."""
    names = [f"m{n}" for n in range(20)]
    polls = [poll(f"poll{number}", source=f"source{number}") for number in range(HANDS)]
    for number, one in enumerate(polls):
        wishes = [
            decided(
                report(number * 100 + index, message=detection(name)), Move(detection(name), to="JunkEmail")
            )
            for index, name in enumerate(names)
        ]
        await desk.record(one, *wishes)

    def close(run: Transact, number: int) -> Poll:
        run(lambda conn: closing.close(conn, ACCOUNT, polls[number], NOW, ENFORCE, None))
        return polls[number]

    assert await at_once(desk, close) == polls
    ready = Counter(row["message_id"] for row in await desk.rows(state=State.READY))
    assert ready == dict.fromkeys(names, 1)


async def test_two_people_who_have_checked_send_it_once(desk: Desk) -> None:
    """`retry --i-checked` twice at the same moment: one is heard, the other is told that it is not unknown any more."""
    (row,) = await desk.bring(State.UNKNOWN, junk())

    def retry(run: Transact, number: int) -> bool:
        by = f"person {number}"
        review = run(lambda conn: reviews.retry(conn, ACCOUNT, [row["id"]], by, NOW, checked=True))
        return bool(review.verdicts[0].ok)

    assert sorted(await at_once(desk, retry)) == [False] * (HANDS - 1) + [True]
    assert len(await desk.audit("retried")) == 1
    assert len(await desk.claim()) == 0, "it has to be looked at first"
    assert (await desk.row())["state"] == State.READY
