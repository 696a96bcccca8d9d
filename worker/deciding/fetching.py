"""One need of one message: the request that answers it, and what its refusal or failure means."""

from __future__ import annotations

import asyncio
from collections.abc import Set as AbstractSet

import msgspec

from worker.errors import BadAnswer, RateLimited, Refused, TooLarge, Transient, VendorError
from worker.model import mail
from worker.model.enrichment import Details, LogEntry, Raw, Trace
from worker.model.known import (
    GONE,
    REFUSED,
    TOO_LARGE,
    UNREADABLE,
    Known,
    Late,
    lacking_for_attachments,
    settle_attachments,
)
from worker.ports import Lane, Messages
from worker.retry import fetch_delay

MAX_VALUE = 2 * 2**20
"""Bytes of one need's value as JSON: it is held in memory for its page, and stored with each decision."""
BELIEVED = 10
"""Answers in a row that cannot be believed, after which the message is decided without: a quarter of an hour, usually."""
DOUBTED = 5
"""Refusals in a row that are believed where the list shows a detection: its verdict may be away for half a minute."""
_OF_DETECTIONS = frozenset({"details", "raw"})
"""What the vendor gives of detections alone (API reference, Investigate)."""
_INLINE = 2**16
"""Characters of a message that are read on the spot; a longer one is read in a thread."""
_NOT_FOUND = 404


async def fetch(messages: Messages, message_id: str, need: str) -> tuple[object, int]:
    """The value and its size as JSON.

    Raises:
        VendorError: refused, lost, not to be believed.
        TooLargeError: more than is kept of one message.
        ValueError: no id that can be asked for.
    """
    value = await _READS[need](messages, message_id)
    size = len(msgspec.json.encode(value))
    if size > MAX_VALUE:
        raise mail.TooLargeError(f"{size} bytes, at most {MAX_VALUE} are kept")
    return value, size


async def fetch_all(messages: Messages, message_id: str, needs: AbstractSet[str]) -> Known:
    """All of these needs at once, each tried once; what fails for now is left out.

    Raises:
        ValueError: no id that can be asked for.
    """
    known = Known()
    for need in sorted(needs - {"attachments"}):
        await _add(messages, message_id, need, known)
    if "attachments" in needs:
        while (source := lacking_for_attachments(known)) is not None:
            await _add(messages, message_id, source, known)
            if not known.has(source):
                return known
        settle_attachments(known)
    return known


async def _add(messages: Messages, message_id: str, need: str, known: Known) -> None:
    try:
        value, _ = await fetch(messages, message_id, need)
    except (VendorError, mail.TooLargeError) as error:
        if isinstance(said := verdict(error, need, known.tries, detected=False), str):
            known.miss(need, said)
    else:
        known.add(need, value)


def verdict(error: Exception, need: str, tries: int, *, detected: bool) -> str | Late:
    """Why it will never be there; or that it is late, where it has failed `tries` times before.

    `detected`: the message's row says that the filter has something against it.
    """
    if isinstance(error, Refused) and not error.unrouted:
        if not detected or need not in _OF_DETECTIONS or tries + 1 >= DOUBTED:
            return f"{GONE if error.status == _NOT_FOUND else REFUSED}: {error}"
        error = Transient(f"refused, though it is listed as a detection: {error}")
    if isinstance(error, mail.TooLargeError | TooLarge):
        return f"{TOO_LARGE}: {error}"
    if isinstance(error, RateLimited):
        return Late(str(error), 0.0, tries)  # the budget waits it out
    if isinstance(error, VendorError) and not isinstance(error, BadAnswer):
        return Late(str(error), fetch_delay(tries + 1), tries + 1)
    # Of an error of ours nothing but its type: its text may quote mail.
    why = str(error) if isinstance(error, BadAnswer) else f"cannot be read: {type(error).__name__}"
    if tries + 1 >= BELIEVED:
        return f"{UNREADABLE}: {why}"
    return Late(why, fetch_delay(tries + 1), tries + 1)


async def _details(messages: Messages, message_id: str) -> Details:
    return await messages.detections(message_id, lane=Lane.ENRICH)


async def _action_log(messages: Messages, message_id: str) -> tuple[LogEntry, ...]:
    return await messages.action_log(message_id, lane=Lane.ENRICH)


async def _trace(messages: Messages, message_id: str) -> Trace:
    return await messages.trace(message_id, lane=Lane.ENRICH)


async def _raw(messages: Messages, message_id: str) -> Raw:
    text = (await messages.raw(message_id, lane=Lane.ENRICH)).raw
    # A large one takes tenths of a second: others go on meanwhile.
    return mail.read(text) if len(text) <= _INLINE else await asyncio.to_thread(mail.read, text)


_READS = {"details": _details, "action_log": _action_log, "trace": _trace, "raw": _raw}
