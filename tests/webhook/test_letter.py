from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.builders import item
from worker.webhook.letter import letter


def sent(**params: Any) -> dict[str, Any]:
    """What a receiver reads."""
    told = {"text": "hello", "key": "n_1", "about": "message m1", **params}
    body: dict[str, Any] = msgspec.json.decode(
        letter(item(params=told, playbook="tell", playbook_version="v1"))
    )
    return body


@pytest.mark.parametrize(
    "text, shown",
    [
        ("two\nlines", "two\nlines"),
        (
            "<!channel> <https://evil.example|Invoice> & co",
            "&lt;!channel&gt; &lt;https://evil.example|Invoice&gt; &amp; co",
        ),
        ("a\x1b[31mb\u202ec\u200bd", r"a\x1b[31mb\u202ec\u200bd"),
    ],
)
def test_text_from_mail_means_nothing(text: str, shown: str) -> None:
    """No mention, no link behind a word, no character that acts or hides."""
    assert sent(text=text)["text"] == shown


def test_a_program_learns_what_it_is_about() -> None:
    """And a chat where to show it, if the playbook says so."""
    body = sent(channel="#soc")
    assert body["channel"] == "#soc"
    assert body["notification"] == {
        "key": "n_1",
        "about": "message m1",
        "message_id": "m1",
        "playbook": "tell",
        "playbook_version": "v1",
    }
    assert (body["mrkdwn"], body["unfurl_links"], body["link_names"]) == (False, False, False)
    assert "channel" not in sent()


def test_the_same_is_sent_in_the_same_bytes() -> None:
    """However often it is tried."""
    params = {"text": "hello", "key": "n_1", "about": "message m1"}
    assert letter(item(params=params, attempts=1)) == letter(item(params=params, attempts=4))
