"""`worker replay`: stored or saved events, decided again; and saved, without what is private, for examples and tests."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, NamedTuple

import typer
from msgspec import to_builtins

from worker import settings as settings_module
from worker.cli.common import database
from worker.cli.histories import saved_lines
from worker.cli.printing import Json, print_json_array, say
from worker.cli.replay import playbooks
from worker.errors import UsageError
from worker.model.events import Detection
from worker.playbooks.saved import Saved, write

if TYPE_CHECKING:
    from worker.backtest.again import Again
    from worker.backtest.redacting import Redactor
    from worker.playbooks.loader import Catalogue


class Asked(NamedTuple):
    """What a person wants to be told of each event."""

    playbooks: tuple[str, ...]
    examples: bool


def replay(
    what: Annotated[
        str,
        typer.Argument(
            metavar="FILE|EVENT_ID", help="A file of saved events (JSON Lines), or an event of the store."
        ),
    ],
    rules: Annotated[Path | None, typer.Option(help="Rules folder; default WORKER_RULES_DIR.")] = None,
    playbook: Annotated[list[str] | None, typer.Option(help="Only this playbook; repeatable.")] = None,
    record: Annotated[
        Path | None, typer.Option(help="Save the events to this file, with pseudonyms for what is private.")
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="With --record and --examples: leave this field as it is; repeatable."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file of --record where there is one.")
    ] = False,
    examples: Annotated[
        bool,
        typer.Option(
            "--examples", help="Print each as `hit(...)` or `miss(...)`, ready to be pasted, redacted too."
        ),
    ] = False,
    json_: Json = False,
) -> None:
    """Decides saved or stored events again and tells what each playbook wants of them; changes nothing, needs no token.

    An event is decided at the time, with the histories and with what was fetched, as far as these were kept. An EVENT_ID
    is a message's id, a report's number or a submission's id.
    """
    folder = rules or settings_module.load().worker_rules_dir
    with ExitStack() as stack:
        catalogue = stack.enter_context(playbooks(folder))
        _require(catalogue, playbook, folder)
        events = _events(what, stack)
        asked = Asked(tuple(playbook or ()), examples)
        redactor = _redactor(folder, catalogue, keep) if record is not None or examples else None
        if record is not None and redactor is not None:
            events = _recorded(
                events, stack.enter_context(_new(record, force=force)), redactor, catalogue, record
            )
        if json_:
            print_json_array(to_builtins(one) for _, one in _decided(events, catalogue, asked))
        else:
            _tell(events, catalogue, asked, redactor)


def _require(catalogue: Catalogue, named: list[str] | None, folder: Path) -> None:
    from worker.playbooks.problems import nearest  # noqa: PLC0415

    known = {one.id for one in catalogue.playbooks}
    for name in named or ():
        if name not in known:
            raise UsageError(f"--playbook: {folder} has no {name!r}{nearest(name, known)}")


def _events(what: str, stack: ExitStack) -> Iterator[Saved]:
    path = Path(what)
    if path.is_file():
        return saved_lines(stack.enter_context(path.open("rb")), what)
    if path.suffix in (".json", ".jsonl"):
        raise UsageError(f"{what}: there is no such file")
    from worker.backtest.recorded import saved_from_store  # noqa: PLC0415
    from worker.store.views.past_events import past_event  # noqa: PLC0415

    db = stack.enter_context(database())
    found = db.run(past_event, what)
    if not found:
        raise UsageError(
            f"{what}: is no file, and the store keeps no such event; `worker actions list` names messages, and with "
            "WORKER_KEEP_EVENTS=all every message is kept"
        )
    return map(saved_from_store, found)


def _redactor(folder: Path, catalogue: Catalogue, keep: list[str] | None) -> Redactor:
    from worker.backtest.redacting import FIELDS, Redactor, vocabulary  # noqa: PLC0415
    from worker.playbooks.problems import nearest  # noqa: PLC0415

    if unknown := set(keep or ()) - FIELDS:
        name = min(unknown)
        raise UsageError(f"--keep: no event has a field {name!r}{nearest(name, FIELDS)}")
    sources = (file.read_text("utf-8", "replace") for file in sorted(folder.glob("*.py")))
    return Redactor(vocabulary(sources, catalogue.lists.values()), keep or ())


@contextmanager
def _new(file: Path, *, force: bool) -> Iterator[BinaryIO]:
    try:
        saved = file.open("wb" if force else "xb")
    except FileExistsError:
        raise UsageError(
            f"{file}: is there already; name another file, or add --force to replace it"
        ) from None
    except OSError as error:
        raise UsageError(f"--record: {file}: {error.strerror}; name a place that can be written") from None
    try:
        yield saved
    finally:
        with suppress(OSError):
            saved.close()


@contextmanager
def _saving(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"--record: {path}: {error.strerror}; what stands there is not whole: name a place with room"
        ) from None


def _recorded(
    events: Iterator[Saved], file: BinaryIO, redactor: Redactor, catalogue: Catalogue, path: Path
) -> Iterator[Saved]:
    """The same events, each written down; in the end, what is decided differently without what is private."""
    from worker.backtest.again import decide_again  # noqa: PLC0415

    written, different = 0, Counter[str]()
    for one in events:
        redacted = redactor.saved(one)
        with _saving(path):
            file.write(write(redacted))
        written += 1
        then, now = decide_again(one, catalogue), decide_again(redacted, catalogue)
        different.update(known.id for known in catalogue.playbooks if then.of(known.id) != now.of(known.id))
        yield one
    with _saving(path):
        file.flush()
    say(f"{written} events in {path}, with pseudonyms", sys.stderr)
    for playbook, count in different.most_common():
        say(
            f"decided differently so: {count} by {playbook}; --keep FIELD leaves a field that it reads",
            sys.stderr,
        )


def _decided(events: Iterator[Saved], catalogue: Catalogue, asked: Asked) -> Iterator[tuple[Saved, Again]]:
    from worker.backtest.again import decide_again  # noqa: PLC0415
    from worker.playbooks.loader import catalogue_of  # noqa: PLC0415

    chosen = [one for one in catalogue.playbooks if not asked.playbooks or one.id in asked.playbooks]
    narrowed = catalogue_of(catalogue, chosen)
    for one in events:
        yield one, decide_again(one, narrowed)


def _tell(events: Iterator[Saved], catalogue: Catalogue, asked: Asked, redactor: Redactor | None) -> None:
    for saved, one in _decided(events, catalogue, asked):
        if asked.examples and redactor is not None:
            _tell_examples(redactor.saved(saved), one, catalogue, asked)
            continue
        message = saved.sighting.message
        row = message or Detection(id="")
        say(f"{one.source} {one.event}: {row.final_disposition or 'no verdict'}, {row.subject or ''!r}")
        for want in one.wants:
            aim = f"{want.kind} {want.target}".strip()
            told = "; ".join(filter(None, (want.reason, want.refused)))
            say(f"  {want.playbook} wants {aim}{f': {told}' if told else ''}")
        for failed in one.undecided:
            say(f"  {failed.playbook} is undecided: {failed.why}")
        if not one.wants and not one.undecided:
            say("  nobody wants anything")


def _tell_examples(redacted: Saved, one: Again, catalogue: Catalogue, asked: Asked) -> None:
    """For the named playbooks; else for those that want something."""
    from worker.backtest.again import example  # noqa: PLC0415

    names = asked.playbooks or tuple(dict.fromkeys(want.playbook for want in one.wants))
    for playbook in catalogue.playbooks:
        if playbook.id in names and (text := example(redacted, playbook, catalogue)):
            if len(names) > 1 or not asked.playbooks:
                say(f"# {playbook.id}")
            for line in text.splitlines():
                say(line)
