"""What people are told: text about an event, once for each text and channel. Pure."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any, ClassVar

from msgspec.structs import force_setattr

from worker.model.actions import Action
from worker.model.events import EVENT_TYPES, Detection, Event, PhishReport, message_of
from worker.model.storable import storable

MAX_NOTE = 3000
"""Characters of one notification; what goes beyond is cut off."""
_CHANNEL = re.compile(r"[#@]?[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class Notify(Action, frozen=True):
    """Tells people about the event, by the operator's webhook; `channel` where the webhook serves several.

    The same text about the same event is told once on each channel, also where the event changes meanwhile. It does
    nothing to mail and cannot be taken back. The text may quote mail: it is shown as it is, without a meaning.
    """

    event: Event
    """The playbook's own event, also one without a message."""
    text: str = ""
    """What is said, at most 3,000 characters; it may quote mail, and is shown without a meaning."""
    channel: str = ""
    """Where the webhook serves several: its name, such as `#soc`."""
    kind: ClassVar[str] = "notify"

    def __post_init__(self) -> None:
        # msgspec checks types only where it decodes.
        event: object = self.event
        text: object = self.text
        channel: object = self.channel
        if not isinstance(event, EVENT_TYPES):
            raise TypeError(f"Notify(event): expected the playbook's own event, got {type(event).__name__}")
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f'Notify(text={text!r:.50}): expected text: Notify(event, text="...")')
        if channel != "" and not (isinstance(channel, str) and _CHANNEL.fullmatch(channel)):
            raise ValueError(f'Notify(channel={channel!r:.50}): expected a name: channel="#soc"')
        force_setattr(self, "text", storable(self.text[:MAX_NOTE]))

    @property
    def message(self) -> Detection | None:
        return message_of(self.event)

    def concerns(self, event: Event) -> bool:
        return _name(self.event) == _name(event)

    @property
    def target(self) -> str:
        return self.channel

    @property
    def subject(self) -> str:
        told = "\0".join((_name(self.event), self.channel, self.text))
        return f"n_{sha256(told.encode()).hexdigest()[:32]}"

    @property
    def params(self) -> dict[str, Any]:
        told = {"text": self.text, "about": _name(self.event), "key": self.subject}
        return told | ({"channel": self.channel} if self.channel else {})


def _name(event: Event) -> str:
    if isinstance(event, Detection):
        return f"message {event.id}"
    return f"report {event.id}" if isinstance(event, PhishReport) else f"submission {event.submission_id}"
