from __future__ import annotations

import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.playbooks.folder import IMPORTS, Folder, playbook_source
from worker.model.actions import Move, Reclassify, Release, Submit
from worker.model.entries import BlockSender, ProtectIdentity
from worker.model.events import Detection, PhishReport
from worker.model.telling import Notify
from worker.playbooks import Context
from worker.playbooks.deciding import REASON_LIMIT, Playbook, PlaybookFailure
from worker.playbooks.declaration import playbook
from worker.playbooks.examples import EXAMPLE_NOW
from worker.playbooks.validation import playbook_of

MESSAGE = Detection(id="m1", subject="TOP SECRET", sender="ceo@corp.example")
OTHER = Detection(id="m2")
CONTEXT = Context(now=EXAMPLE_NOW)


def returning(value: Callable[[Any], object], on: Any = Detection) -> Playbook:
    """A playbook that returns what `value` makes of its event."""

    @playbook(on=on, id="mine")
    def mine(event):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - as authors may write it
        return value(event)

    return playbook_of(mine)


def failure_of(value: Callable[[Any], object], event: Any = MESSAGE, on: Any = Detection) -> PlaybookFailure:
    """How a playbook that returns `value` of its event fails."""
    with pytest.raises(PlaybookFailure) as caught:
        returning(value, on).decide(event, CONTEXT)
    return caught.value


def moves(message: Detection) -> Iterator[Move]:
    """A generator of two equal wishes."""
    yield Move(message, to="JunkEmail")
    yield Move(message, to="JunkEmail", reason="again")


@pytest.mark.parametrize(
    "value, kinds",
    [
        (lambda _: None, []),
        (lambda _: [], []),
        (lambda m: Move(m, to="JunkEmail"), ["move"]),
        (lambda m: [Release(m), Reclassify(m, to="NONE")], ["release", "reclassify"]),
        (lambda m: (Release(m),), ["release"]),
        (lambda m: {Release(m)}, ["release"]),
        (moves, ["move"]),
    ],
)
def test_a_decision_is_a_tuple_of_distinct_actions(value: Callable[[Any], object], kinds: list[str]) -> None:
    """None, one action, and every iterable of actions are understood; a wish stated twice counts once."""
    assert [action.kind for action in returning(value).decide(MESSAGE, CONTEXT)] == kinds


@pytest.mark.parametrize(
    "value, message",
    [
        (lambda _: True, "returned a bool; expected None, an action (Move, "),
        (lambda _: "JunkEmail", "returned a str"),
        (lambda _: {"move": "JunkEmail"}, "returned a dict"),
        (lambda m: m, "returned a Detection"),
        (lambda _: Move, "returned the class Move;"),
        (lambda _: [None], "returned None among its actions"),
        (lambda m: [Release(m), 7], "returned an int among its actions"),
        (lambda m: [Release(m)] * 51, "more than 50 actions"),
        (lambda _: Release(OTHER), "a Release of another message than the event's own"),
        (lambda m: Move(m, to="JunkEmail", reason=None), "a Move whose reason is None; expected text"),  # type: ignore[arg-type]
        (lambda m: [Release(m), Move(m, to="JunkEmail")], "returned release and move to JunkEmail for one"),
        (lambda m: [Move(m, to="Inbox"), Move(m, to="JunkEmail")], "they contradict each other"),
    ],
)
def test_what_is_no_action_on_the_message_is_a_failure(value: Callable[[Any], object], message: str) -> None:
    """The failure says what was returned, and by which playbook."""
    failure = failure_of(value)
    assert message in str(failure)
    assert failure.playbook == "mine"
    assert failure.__cause__ is None


class Odd(str):
    """Text of a class of its own, as parsers of HTML give it."""

    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [
        lambda m: BlockSender(m, sender="a\udc80@x.example"),
        lambda m: ProtectIdentity(m, email="a@x.example", name="\ud83d"),
        lambda m: Submit(m, to="SPAM", escalates="\udc80"),
        lambda m: Move(m, to=Odd("JunkEmail")),
        lambda m: Move(msgspec.structs.replace(m, sender="\udc80"), to="JunkEmail"),
    ],
)
def test_what_cannot_be_stored_is_a_failure_of_its_playbook(value: Callable[[Any], object]) -> None:
    """Else the page could not be recorded, at no poll, and the source would stand still."""
    assert "cannot be stored: a text in it" in str(failure_of(value))


@pytest.mark.parametrize("text", ["half \udc80", Odd("odd"), Odd("\udc80")])
def test_texts_for_people_are_made_plain(text: str) -> None:
    """A reason and a note say less where something of them is lost, and do nothing else."""
    decided = returning(lambda m: [Release(m, reason=text), Notify(m, text=text)]).decide(MESSAGE, CONTEXT)
    plain = [str(one) for one in (decided[0].reason, decided[1].params["text"])]
    assert plain == [text.replace("\udc80", "?")] * 2
    msgspec.json.encode([(one.reason, one.params) for one in decided])


def test_a_failure_names_any_path_in_text_that_can_be_stored() -> None:
    """A folder's name may have bytes that are no UTF-8."""
    odd = Path("\udce4/a.py")
    failure = PlaybookFailure(f"playbook a: ValueError at {odd}:1", playbook="a", path=odd, line=1)
    assert str(failure) == "playbook a: ValueError at ?/a.py:1"


def test_an_endless_generator_is_stopped() -> None:
    """A playbook cannot fill the memory with actions."""

    def forever(message: Detection) -> Iterator[Move]:
        while True:
            yield Move(message, to="JunkEmail")

    assert "more than 50 actions" in str(failure_of(forever))


def test_a_coroutine_is_refused_and_closed() -> None:
    """A lambda around an async function slips past the loader, and leaves no warning behind here."""

    async def later() -> None: ...

    assert "returned a coroutine" in str(failure_of(lambda _: later()))


@pytest.mark.parametrize("error", [ValueError, SystemExit, GeneratorExit, RecursionError, BaseException])
def test_every_exception_of_the_author_becomes_a_failure(error: type[BaseException]) -> None:
    """Also those that would end the worker; the cause is kept, file and line are the author's."""

    def fail(_: object) -> None:
        raise error(MESSAGE.subject)

    failure = failure_of(fail)
    assert isinstance(failure.__cause__, error)
    assert (failure.path, failure.line) == (Path(__file__), fail.__code__.co_firstlineno + 1)
    assert str(failure) == f"playbook mine: {error.__name__} at {__file__}:{failure.line}"


def test_an_interrupt_is_not_an_authors_mistake() -> None:
    """Ctrl-C still ends the program."""

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    # A suite that runs in the background is started deaf to it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            returning(interrupt).decide(MESSAGE, CONTEXT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_where_nobody_can_interrupt_an_interrupt_is_an_authors_mistake() -> None:
    """The daemon listens to Ctrl-C itself: what raises it is a playbook, which must not be able to end the worker."""

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        assert isinstance(failure_of(interrupt).__cause__, KeyboardInterrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        assert isinstance(failure_of(interrupt).__cause__, KeyboardInterrupt)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def test_a_generator_that_raises_is_a_failure() -> None:
    """Its body runs only when the actions are collected."""

    def fail(message: Detection) -> Iterator[Move]:
        yield Move(message, to="JunkEmail")
        raise LookupError(message.subject)

    assert "LookupError at" in str(failure_of(fail))


@pytest.mark.parametrize(
    "value",
    [
        lambda m: int(m.subject),
        lambda m: {}[m.subject],
        lambda m: Move(m, to=m.subject),
        lambda m: getattr(m, m.subject),
        lambda m: CONTEXT.lists[m.subject],
        lambda m: [m.subject],
        lambda m: m.subject,
    ],
)
def test_a_failure_never_quotes_mail(value: Callable[[Any], object]) -> None:
    """Failures go to the log; exceptions like to quote the value that they choked on."""
    assert "SECRET" not in str(failure_of(value))


@pytest.mark.parametrize(
    "value, hint",
    [
        (lambda m: m.subjct, "(Detection has no `subjct` (did you mean `subject`?))"),
        (lambda m: m.from_name.upper(), "(None has no `upper`)"),
        (lambda _: CONTEXT.lists["vips"], "(no such list; known lists: none)"),
    ],
)
def test_a_failure_hints_at_the_cause_where_that_is_safe(value: Callable[[Any], object], hint: str) -> None:
    """Names that stand in the author's code may be shown."""
    assert str(failure_of(value)).endswith(hint)


def test_a_report_acts_on_its_message() -> None:
    """An action of a playbook on reports names the message, never the report."""
    report = PhishReport(id=1, message=MESSAGE)
    (action,) = returning(lambda r: Release(r.message), PhishReport).decide(report, CONTEXT)
    assert action.message is MESSAGE


@pytest.mark.parametrize("message", [None, OTHER])
def test_a_report_cannot_act_on_another_message(message: Detection | None) -> None:
    """Also where no message was found."""
    report = PhishReport(id=1, message=message)
    assert "of another message" in str(failure_of(lambda _: Release(MESSAGE), report, PhishReport))


def test_a_report_without_message_names_the_authors_line() -> None:
    """The commonest mistake on reports: `report.message` is None."""
    failure = failure_of(lambda r: Release(r.message), PhishReport(id=1), PhishReport)
    assert f"TypeError at {__file__}:" in str(failure)
    assert "which is None where no message was found" in str(failure.__cause__)


def test_a_long_reason_is_cut() -> None:
    """A reason may quote mail of any length; the ledger does not grow with it."""
    (action,) = returning(lambda m: Move(m, to="JunkEmail", reason="x" * 10_000)).decide(MESSAGE, CONTEXT)
    assert len(action.reason) == REASON_LIMIT


def test_the_context_is_passed_where_it_is_asked_for(folder: Folder) -> None:
    """Lists, time and history reach a playbook with a second parameter."""
    folder.write("lists/vips.txt", "ceo@corp.example")
    wish = "Release(message, reason=str(context.now))"
    body = f'    return {wish} if message.sender in context.lists["vips"] else None\n'
    folder.playbook(head="(message, context)", body=body)
    playbook = folder.only_playbook()
    (action,) = playbook.decide(MESSAGE, Context(now=EXAMPLE_NOW, lists=folder.load().lists))
    assert action.reason == str(EXAMPLE_NOW)


def test_the_line_of_a_failure_is_found_in_shared_modules(folder: Folder) -> None:
    """The innermost frame of the rules folder is the one to mend."""
    shared = folder.write("_shared.py", "def boom(message):\n    return message.nothing\n")
    body = "    return boom(message)\n"
    folder.write("a.py", f"{IMPORTS}from ._shared import boom\n{playbook_source(body=body)}")
    with pytest.raises(PlaybookFailure) as caught:
        folder.only_playbook().decide(MESSAGE, CONTEXT)
    assert (caught.value.path, caught.value.line) == (shared, 2)
    assert f"{shared}:2" in str(caught.value)
    assert traceback.format_exception(caught.value)


def test_a_decorated_function_stays_a_plain_function() -> None:
    """It can be called without the worker, as any test would."""

    @playbook(on=Detection)
    def junk(message: Detection) -> Move:
        return Move(message, to="JunkEmail")

    assert junk(MESSAGE).to == "JunkEmail"


@pytest.mark.parametrize("function", [len, lambda _: None])
def test_playbook_of_wants_a_playbook(function: Callable[..., Any]) -> None:
    """An undecorated function is named as what it is."""
    with pytest.raises(ValueError, match="not decorated"):
        playbook_of(function)


def test_playbook_of_lists_every_problem() -> None:
    """All that is wrong with a declaration comes in one error."""

    @playbook(on=Detection, mode="off", owner=1)  # type: ignore[arg-type]
    def junk(first: int, second: int) -> None: ...

    with pytest.raises(ValueError, match="no such mode") as caught:
        playbook_of(junk)
    assert len(str(caught.value).splitlines()) == 3
