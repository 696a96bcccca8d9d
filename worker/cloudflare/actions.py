"""What is done to messages: moves, releases, other verdicts (API reference, Email Security, Investigate)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import UNSET, UnsetType

from worker.cloudflare import rows, shapes
from worker.cloudflare.operations import CLAIMED, MAX_ID, Operation, is_id
from worker.cloudflare.transport import Answer, Transport
from worker.cloudflare.wire import MoveAnswer, Receipt, ReleaseAnswer
from worker.model.actions import DESTINATIONS
from worker.model.events import DISPOSITIONS
from worker.ports import Lane

MAX_IDS = 1000
"""Ids of one move (API reference, Investigate move). Release states no limit; the same one is ours."""

MOVE = Operation("POST", "investigate/move")
MOVE_ONE = Operation("POST", "investigate/{id}/move")
RELEASE = Operation("POST", "investigate/release")
RECLASSIFY = Operation("POST", "investigate/{id}/reclassify", accepts=frozenset({202}))

ReleaseBody = Literal["object", "array"]


class MailActions:
    """The part of `investigate` that changes something. Every call is one request."""

    def __init__(self, transport: Transport, release_body: ReleaseBody) -> None:
        self._transport = transport
        self._release_body = release_body

    async def move(self, ids: Sequence[str], destination: str, *, lane: Lane | None = CLAIMED) -> MoveAnswer:
        """Moves 1 to 1,000 messages in every recipient's mailbox. HTTP 200 may carry rows without success.

        Raises:
            ValueError: not an explicit, bounded list of ids, or no such destination; nothing has been sent.
        """
        _check_choice("destination", destination, DESTINATIONS)
        body = {"destination": destination, "ids": check_ids(ids)}
        return _moved(await self._transport.request(MOVE, lane=lane, body=body))

    async def move_one(
        self, investigate_id: str, destination: str, *, lane: Lane | None = CLAIMED
    ) -> MoveAnswer:
        """Moves one message: every row of the answer is about this one, which those of `move` do not tell."""
        _check_choice("destination", destination, DESTINATIONS)
        body, ids = {"destination": destination}, {"id": investigate_id}
        return _moved(await self._transport.request(MOVE_ONE, lane=lane, ids=ids, body=body))

    async def release(self, ids: Sequence[str], *, lane: Lane | None = CLAIMED) -> ReleaseAnswer:
        """Releases quarantined messages to their recipients; may deliver twice when it is sent twice.

        Raises:
            ValueError: not an explicit, bounded list of ids; nothing has been sent.
        """
        chosen = check_ids(ids)
        body = {"ids": chosen} if self._release_body == "object" else chosen
        answer = await self._transport.request(RELEASE, lane=lane, body=body)
        decoded = rows.read_list(answer, shapes.RELEASE_ROW)
        return ReleaseAnswer(decoded.rows, len(decoded.bad), answer.ray)

    async def reclassify(
        self,
        investigate_id: str,
        disposition: str,
        *,
        eml_content: bytes | UnsetType = UNSET,
        escalated_submission_id: str | UnsetType = UNSET,
        lane: Lane | None = CLAIMED,
    ) -> Receipt:
        """Asks for another verdict; it comes later, and twice when it is sent twice.

        The API has deprecated it, without a date, in favour of `submissions.create`. Another success than 202, and
        a 202 with an empty body or with errors, is `AnswerLost`: the contract promises 202 and an envelope, and a
        read-back costs less than a lost request.

        Raises:
            ValueError: no usable id, or no such disposition; nothing has been sent.
        """
        _check_choice("disposition", disposition, DISPOSITIONS)
        optional = {"eml_content": eml_content, "escalated_submission_id": escalated_submission_id}
        body = {"expected_disposition": disposition, **{k: v for k, v in optional.items() if v is not UNSET}}
        answer = await self._transport.request(RECLASSIFY, lane=lane, ids={"id": investigate_id}, body=body)
        rows.read_receipt(answer)
        return Receipt(answer.status, answer.ray)


def _moved(answer: Answer) -> MoveAnswer:
    decoded = rows.read_moves(answer)
    return MoveAnswer(decoded.rows, len(decoded.bad), answer.ray)


def check_ids(ids: object) -> tuple[str, ...]:
    """An explicit selection: 1 to 1,000 distinct ids. An empty one may mean everything to a server."""
    if not isinstance(ids, Sequence) or isinstance(ids, str | bytes) or not 1 <= len(ids) <= MAX_IDS:
        raise ValueError(f"an action needs a list of 1 to {MAX_IDS} ids")
    chosen = tuple(one for one in ids if is_id(one))
    if len(chosen) < len(ids):
        raise ValueError(f"each id must be a text of 1 to {MAX_ID} characters, no dots alone")
    if len(set(chosen)) < len(chosen):
        raise ValueError("an id stands in the list twice")
    return chosen


def _check_choice(noun: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"unknown {noun} {value!r}; choose one of {', '.join(choices)}")
