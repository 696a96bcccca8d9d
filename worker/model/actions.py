"""What playbooks may ask for, and the words of the ledger. See the API's move, release, reclassify and submissions."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, ClassVar

import msgspec

from worker.model.events import DISPOSITIONS, Detection, Event, message_of

DESTINATIONS = ("Inbox", "JunkEmail", "DeletedItems", "RecoverableItemsDeletions", "RecoverableItemsPurges")
"""Folders that `POST /investigate/move` accepts."""
PURGE = "RecoverableItemsPurges"
"""The one destination from which a user cannot bring a message back: it needs approval in every mode."""

REJECTED_IN_DOUBT = "rejected by a person while its effect was unknown"
"""The error of what nobody looks for any more: there may be something to undo, but only by hand."""
PARTLY = "moved for some recipients only"
"""How the error of a move begins that had its effect in some mailboxes: `failed`, and yet there is something to undo."""
SOME_MOVED = "moved for some recipients, and of others nothing is known"
"""How the error of a move in doubt begins whose answer named some mailboxes: it is never sent again by itself."""
PARTLY_RELEASED = "delivered to some recipients only"
"""How the error of a release begins that reached some: it bars a second one, which would reach them twice."""


class Mode(StrEnum):
    """How far a playbook may go; compare with `lower_mode`."""

    SHADOW = "shadow"
    APPROVE = "approve"
    ENFORCE = "enforce"


_rank = {mode: rank for rank, mode in enumerate(Mode)}.__getitem__


def lower_mode(*modes: Mode) -> Mode:
    """The least permissive of the modes."""
    return min(modes, key=_rank)


def highest_mode(modes: Iterable[Mode]) -> Mode:
    """The most permissive of at least one mode."""
    return max(modes, key=_rank)


class State(StrEnum):
    """States of an action, as `worker actions list` prints them. OPEN is internal: its plan is not closed yet."""

    OPEN = "open"
    SHADOWED = "shadowed"
    HELD = "held"
    READY = "ready"
    SUBMITTED = "submitted"
    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNKNOWN = "unknown"
    DEAD = "dead"
    REJECTED = "rejected"
    EXPIRED = "expired"


LIVE = (State.HELD, State.READY, State.SUBMITTED, State.UNKNOWN, State.SUCCEEDED, State.REJECTED)
"""States in which an action bars a second one of the same identity (partial unique index)."""
UNSENT = (State.HELD, State.READY)
"""States in which nothing has been sent and a newer decision may still replace the action."""


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What a playbook wants done because of one event. `worker.model.kinds` knows the rest of each kind."""

    reason: str = ""
    """Goes to the ledger and the audit log, at most 500 characters of it: say which condition held."""
    kind: ClassVar[str] = ""
    reaches_beyond: ClassVar[bool] = False
    """Whether it concerns mail that its playbook has not seen: then it is looked through before it is planned."""

    @property
    def message(self) -> Detection | None:
        """The message that gave rise to it, where there is one."""
        return None

    def concerns(self, event: Event) -> bool:
        """Whether it is wanted of this event, and of no other."""
        own, mine = message_of(event), self.message
        return own is not None and mine is not None and own.id == mine.id

    @property
    def target(self) -> str:
        """Folder, disposition or pattern; empty where the kind has none. Part of the action's identity."""
        return ""

    @property
    def subject(self) -> str | None:
        """What it acts on where that is not the message: equal wishes of many messages are then one action."""
        return None

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of the request, as `worker actions show` prints them."""
        return {}

    @property
    def lasts(self) -> int | None:
        """Days after which the worker takes it back; None for good."""
        return None


class OnMessage(Action, frozen=True):
    """What is wanted because of a message, and nearly always done to it."""

    message: Detection
    """The event's own: `message` in a playbook on Detection, `report.message`, `submission.message`."""


class Move(OnMessage, frozen=True, kw_only=True):
    """Moves the message to `to`, one of DESTINATIONS, in every recipient's mailbox."""

    to: str
    """The folder."""
    kind: ClassVar[str] = "move"

    def __post_init__(self) -> None:
        check_message(self)
        _check_choice(self, "destination", self.to, DESTINATIONS)

    @property
    def target(self) -> str:
        return self.to

    @property
    def params(self) -> dict[str, Any]:
        return {"destination": self.to}


class Release(OnMessage, frozen=True, kw_only=True):
    """Releases the message from quarantine to its recipients. Cannot be undone."""

    kind: ClassVar[str] = "release"

    def __post_init__(self) -> None:
        check_message(self)


class Reclassify(OnMessage, frozen=True, kw_only=True):
    """Asks the vendor to change the verdict to `to`, one of DISPOSITIONS. Cannot be undone."""

    to: str
    """The verdict that you want."""
    kind: ClassVar[str] = "reclassify"

    def __post_init__(self) -> None:
        check_message(self)
        _check_choice(self, "disposition", self.to, DISPOSITIONS)

    @property
    def target(self) -> str:
        return self.to

    @property
    def params(self) -> dict[str, Any]:
        return {"expected_disposition": self.to, **named(self.message)}


class Submit(OnMessage, frozen=True, kw_only=True):
    """Submits the message to the vendor's analysts as `to`, one of DISPOSITIONS. Cannot be undone.

    `escalates` is the `submission_id` of the user's report that is passed on with it.
    """

    to: str
    """The verdict that you want."""
    escalates: str = ""
    """The `submission_id` of a user's report that is passed on."""
    kind: ClassVar[str] = "submit"

    def __post_init__(self) -> None:
        check_message(self)
        _check_choice(self, "disposition", self.to, DISPOSITIONS)
        if not isinstance(self.escalates, str):
            raise TypeError("Submit(escalates): expected a submission's `submission_id`")

    @property
    def target(self) -> str:
        return self.to

    @property
    def params(self) -> dict[str, Any]:
        escalated = {"escalated_submission_id": self.escalates} if self.escalates else {}
        return {"expected_disposition": self.to, **named(self.message), **escalated}


def named(message: Detection) -> dict[str, Any]:
    """How `POST submissions` names a message: by its alert or, benign mail having none, as one that was missed."""
    if message.alert_id:
        return {"alert_id": message.alert_id}
    return {
        "postfix_id": message.postfix_id,
        "message_id": message.message_id or "",
        "recipient_emails": list(message.client_recipients),
    }


def check_message(action: OnMessage) -> None:
    """TypeError where the action is about no message."""
    message: object = action.message  # msgspec checks types only where it decodes
    if not isinstance(message, Detection):
        name = type(action).__name__
        got = type(message).__name__
        raise TypeError(
            f"{name}(message): expected a Detection, got {got}; an event's message is `event.message`, "
            "which is None where no message was found"
        )


def _check_choice(action: Action, noun: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        name = type(action).__name__
        raise ValueError(f"{name}(to={value!r}): unknown {noun}; choose one of {', '.join(choices)}")
