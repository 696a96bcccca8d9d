"""The vendor's own SDK drives the simulator: what it can use, a customer's program can."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from cloudflare import AsyncCloudflare, NotFoundError

from tests.simulator.api import START, Api


@pytest.fixture
async def sdk(api: Api) -> AsyncIterator[AsyncCloudflare]:
    """The official client, pointed at the simulator."""
    client = AsyncCloudflare(api_token=api.simulator.token, base_url=api.simulator.base_url, max_retries=0)
    async with client:
        yield client


async def test_lists_messages_by_cursor(api: Api, sdk: AsyncCloudflare) -> None:
    """The pages of a search, followed by `result_info.next`, hold every message once, newest first."""
    investigate, account = sdk.email_security.investigate, api.simulator.account_id
    page = await investigate.list(account_id=account, detections_only=False, per_page=40)
    rows = list(page.result)
    while cursor := (page.result_info.model_extra or {})["next"]:  # type: ignore[union-attr]
        page = await investigate.list(account_id=account, detections_only=False, per_page=40, cursor=cursor)
        rows += page.result
    assert {row.id for row in rows} == api.tenant.messages.keys()
    times = [row.scanned_at for row in rows if row.scanned_at]
    assert times == sorted(times, reverse=True)


async def test_gets_a_message(api: Api, sdk: AsyncCloudflare) -> None:
    """A message read alone is the message listed; an unknown one is the SDK's NotFoundError."""
    account = api.simulator.account_id
    name = await api.given(subject="hello")
    message = await sdk.email_security.investigate.get(name, account_id=account)
    assert (message.id, message.subject) == (name, "hello")
    with pytest.raises(NotFoundError):
        await sdk.email_security.investigate.get(name, account_id=account, submission=True)


async def test_moves_and_reads_the_action_log(api: Api, sdk: AsyncCloudflare) -> None:
    """Single and bulk moves give one row a recipient, and the log, which the SDK lacks, names the folders."""
    account = api.simulator.account_id
    name = await api.given(client_recipients=["a@corp.example", "b@corp.example"])
    moves = sdk.email_security.investigate.move
    one = await moves.create(name, account_id=account, destination="JunkEmail")
    many = await moves.bulk(account_id=account, destination="Inbox", ids=[name])
    assert [(row.recipient, row.success) for row in one.result] == [
        ("a@corp.example", True),
        ("b@corp.example", True),
    ]
    assert [row.destination for row in many.result] == ["Inbox", "Inbox"]
    log = await sdk.get(f"{api.root}/investigate/{name}/action_log", cast_to=object)
    assert isinstance(log, dict)
    assert [entry["properties"]["folder"] for entry in log["result"]] == ["JunkEmail", "Inbox"]


async def test_releases_from_quarantine(api: Api, sdk: AsyncCloudflare) -> None:
    """A release names the recipients that got the mail."""
    name = await api.given(is_quarantined=True, client_recipients=["a@corp.example"])
    page = await sdk.email_security.investigate.release.bulk(account_id=api.simulator.account_id, ids=[name])
    assert [(row.id, row.delivered) for row in page.result] == [(name, ["a@corp.example"])]


async def test_reclassifies_and_finds_the_submission(api: Api, sdk: AsyncCloudflare) -> None:
    """A reclassify answers nothing useful; the submission is found by its postfix id."""
    account = api.simulator.account_id
    name = await api.given(final_disposition="SPAM")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        answer = await sdk.email_security.investigate.reclassify.create(
            name, account_id=account, expected_disposition="NONE"
        )
    assert answer == {}
    page = await sdk.email_security.submissions.list(account_id=account, type="TEAM")
    postfix_id = api.tenant.messages[name].row.postfix_id
    assert [(row.original_postfix_id, row.requested_disposition) for row in page.result] == [
        (postfix_id, "NONE")
    ]


async def test_lists_phishguard_reports(api: Api, sdk: AsyncCloudflare) -> None:
    """Reports come with the postfix id of their message."""
    name = await api.given()
    await api.admin(f"messages/{name}/report", {"title": "Look at this"})
    page = await sdk.email_security.phishguard.reports.list(
        account_id=api.simulator.account_id, start=datetime.fromtimestamp(START - 1, UTC)
    )
    (report,) = (row for row in page.result if row.title == "Look at this")
    assert report.fields.postfix_id == api.tenant.messages[name].row.postfix_id


async def test_verifies_the_token(api: Api, sdk: AsyncCloudflare) -> None:
    """A user's and an account's token are both active."""
    user = await sdk.user.tokens.verify()
    account = await sdk.accounts.tokens.verify(account_id=api.simulator.account_id)
    assert user is not None
    assert account is not None
    assert user.status == account.status == "active"
