"""What is sent: text that a chat shows as it is, and what a program needs to know of it. Pure."""

from __future__ import annotations

import msgspec

from worker.model.calls import Item
from worker.ops.text import safe

_encode = msgspec.json.Encoder(order="deterministic").encode
_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
"""What Slack gives a meaning: links, mentions of people and of everybody."""


def letter(item: Item) -> bytes:
    """The body; the same bytes however often it is sent."""
    params = item.params
    body = {
        "text": shown(params["text"]),
        # Slack's: nothing in the text is markup, and no address in it is fetched or shown.
        "mrkdwn": False,
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "notification": {
            "key": params["key"],
            "about": params["about"],
            "message_id": item.message_id or None,
            "playbook": item.playbook,
            "playbook_version": item.playbook_version,
        },
    }
    if params.get("channel"):
        body["channel"] = params["channel"]
    return _encode(body)


def shown(text: str) -> str:
    """Lines of harmless characters: the text may quote mail."""
    lines = (safe(line, None) for line in text.split("\n"))
    return "\n".join(lines).translate(_MARKUP)
