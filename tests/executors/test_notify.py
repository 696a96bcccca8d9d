from __future__ import annotations

import msgspec
import pytest

from tests.builders import NOW, call, detection, item, report, submission
from worker.errors import AnswerLost, RateLimited, Refused, Transient, VendorError
from worker.executors.base import Effect, Elsewhere
from worker.executors.notify import MOST_TRIES, NotifyExecutor
from worker.model.actions import State
from worker.model.events import Event
from worker.model.telling import MAX_NOTE, Notify

WISH = item(kind="notify", target="#soc", params=Notify(detection(), text="hello", channel="#soc").params)


class Post:
    """Somebody's webhook, which does what the test says."""

    def __init__(self, *errors: VendorError) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self._errors = list(errors)

    async def post(self, key: str, body: bytes) -> int:
        if self._errors:
            raise self._errors.pop(0)
        self.sent.append((key, body))
        return 200


async def test_what_is_told_bears_the_actions_key() -> None:
    """The one that is the same for the same text, event and channel."""
    post = Post()
    answered = await NotifyExecutor(post).execute(call(WISH))
    assert [one.state for one in answered.outcomes] == [State.SUCCEEDED]
    ((key, body),) = post.sent
    assert key == WISH.params["key"]
    assert msgspec.json.decode(body)["text"] == "hello"


async def test_where_nobody_is_to_be_told_there_is_nothing_to_do() -> None:
    """The operator's choice is no failure of the playbook's: skipped, with what to set."""
    answered = await NotifyExecutor(None).execute(call(WISH))
    (outcome,) = answered.outcomes
    assert (outcome.state, answered.event) == (State.SKIPPED, "call.not_needed")
    assert "WORKER_NOTIFY_URL" in (outcome.error or "")


@pytest.mark.parametrize("error", [Transient("no connection"), RateLimited("429", retry_after=1)])
async def test_what_nobody_took_is_given_up_in_the_end(error: VendorError) -> None:
    """After an hour of tries nobody needs it any more."""
    executor = NotifyExecutor(Post(error, error))
    with pytest.raises(type(error)):
        await executor.execute(call(msgspec.structs.replace(WISH, refusals=MOST_TRIES - 2)))
    (outcome,) = (
        await executor.execute(call(msgspec.structs.replace(WISH, refusals=MOST_TRIES - 1)))
    ).outcomes
    assert outcome.state is State.DEAD
    assert f"{MOST_TRIES} tries" in (outcome.error or "")


@pytest.mark.parametrize("again", [None, 0.1, 1.0])
async def test_a_receiver_that_says_at_once_is_asked_less_and_less(again: float | None) -> None:
    """About an hour, as those are that cannot be reached, and not twelve seconds."""
    waits = []
    for tries in range(MOST_TRIES - 1):
        executor = NotifyExecutor(Post(RateLimited("429", retry_after=again)))
        with pytest.raises(RateLimited) as caught:
            await executor.execute(call(msgspec.structs.replace(WISH, refusals=tries)))
        waits.append(caught.value.retry_after or 0.0)
    assert sum(waits) > 1800


async def test_a_receivers_own_pause_is_kept() -> None:
    """It knows best how long it needs."""
    with pytest.raises(RateLimited) as caught:
        await NotifyExecutor(Post(RateLimited("429", retry_after=200.0))).execute(call(WISH))
    assert caught.value.retry_after == 200


@pytest.mark.parametrize("error", [Refused("410"), AnswerLost("no answer")])
async def test_other_errors_are_everybodys(error: VendorError) -> None:
    """A refusal fails it, a lost answer is sent again: as for every kind."""
    with pytest.raises(type(error)):
        await NotifyExecutor(Post(error)).execute(call(msgspec.structs.replace(WISH, refusals=MOST_TRIES)))


async def test_nobody_can_be_asked_and_nothing_is_looked_at() -> None:
    """A lost answer is sent again at its first read-back; the message's state does not matter."""
    executor = NotifyExecutor(None)
    assert isinstance(executor, Elsewhere)
    assert (await executor.read_back(WISH, NOW)).effect is Effect.NOT_DONE
    assert executor.proofs == 1
    assert [one.state for one in await executor.survey([WISH], NOW)] == [State.READY]


EVENTS: list[Event] = [detection(), report(), submission()]


@pytest.mark.parametrize("event", EVENTS, ids=lambda one: type(one).__name__)
def test_people_can_be_told_of_every_event(event: Event) -> None:
    """Also of one whose message was not found."""
    action = Notify(event, text="hello")
    assert action.concerns(event)
    assert not action.concerns(detection("another"))
    assert (action.message is None) == (not isinstance(event, type(detection())))


def test_the_same_is_told_once() -> None:
    """Another event, text or channel is another; another revision of the event is not."""
    first = Notify(submission(), text="hello", channel="#soc")
    assert first.subject == Notify(submission(status="completed"), text="hello", channel="#soc").subject
    others = [
        Notify(submission("s2"), text="hello", channel="#soc"),
        Notify(submission(), text="hello!", channel="#soc"),
        Notify(submission(), text="hello", channel="#oncall"),
        Notify(detection("s1"), text="hello", channel="#soc"),
    ]
    assert len({one.subject for one in [first, *others]}) == 5


def test_text_is_cut_and_can_be_stored() -> None:
    """A subject that is quoted may be as long as an attacker likes."""
    assert len(Notify(detection(), text="x" * 10_000).text) == MAX_NOTE
    assert Notify(detection(), text="a\ud800b").text == "a?b"


@pytest.mark.parametrize("wrong", [{"text": ""}, {"text": " "}, {"text": "x", "channel": "<!here>"}])
def test_what_tells_nothing_or_nobody_is_refused(wrong: dict[str, str]) -> None:
    """When it is made, so that an example finds it."""
    with pytest.raises(ValueError, match="expected"):
        Notify(detection(), **wrong)
