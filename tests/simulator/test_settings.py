from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.api import START, Api, Clock, Simulate
from tests.simulator.entries import EXAMPLES
from worker.simulator.settings import RESOURCES

BATCHED = [resource.name for resource in RESOURCES if resource.batch == "all"]
ATOMIC = [resource.name for resource in RESOURCES if resource.batch == "all" and resource.atomic]
UNKNOWN = "00000000-0000-4000-8000-000000000000"
BLOCK = EXAMPLES["block_senders"].new


async def ids(api: Api, name: str, /, **params: Any) -> list[str]:
    """The ids of a list, in its order."""
    return [entry["id"] for entry in (await api.get(f"settings/{name}", **params)).result]


@pytest.mark.parametrize("name", EXAMPLES)
async def test_an_entry_lives_from_post_to_delete(api: Api, clock: Clock, name: str) -> None:
    """What is created is listed and got, a PATCH changes only what it names, and a DELETE ends it."""
    example, path = EXAMPLES[name], f"settings/{name}"
    before = await ids(api, name)
    made = await api.post(path, example.new)
    one = f"{path}/{made.result['id']}"
    assert made.status == 201
    assert made.result.items() >= example.new.items()
    assert await ids(api, name) == [*before, made.result["id"]]
    clock.advance(1)
    changed = (await api.patch(one, example.change)).result
    assert changed == (await api.get(one)).result
    assert changed["modified_at"] > changed["created_at"] == made.result["created_at"]
    differing = {key for key in changed if changed[key] != made.result[key]}
    assert differing == {*example.change, "modified_at", "last_modified"}
    assert (await api.delete(one)).result == {"id": made.result["id"]}
    assert await ids(api, name) == before
    for again in (await api.get(one), await api.patch(one, example.change), await api.delete(one)):
        assert again.error == (404, 1005)


@pytest.mark.parametrize("name", [resource.name for resource in RESOURCES if resource.replaceable])
async def test_put_replaces_the_whole_entry(api: Api, name: str) -> None:
    """What a PUT leaves out is empty afterwards; a domain keeps its name, which cannot be sent."""
    example = EXAMPLES[name]
    made = (
        await api.post(f"settings/{name}", example.new | {"comments": "gone soon", "transport": "x"})
    ).result
    put = (await api.put(f"settings/{name}/{made['id']}", example.new | {"domain": "other.example"})).result
    assert (put.get("comments"), put.get("transport")) == (None, None)
    assert (put["created_at"], put.get("domain")) == (made["created_at"], made.get("domain"))
    assert (await api.put(f"settings/{name}/{UNKNOWN}", example.new)).error == (404, 1005)


@pytest.mark.parametrize("name", BATCHED)
async def test_batch_runs_deletes_patches_puts_posts(api: Api, name: str) -> None:
    """One request does all four, and answers with what each became."""
    example, path = EXAMPLES[name], f"settings/{name}"
    first, second, third = [(await api.post(path, example.new)).result["id"] for _ in "123"]
    whole = {key: value for key, value in example.new.items() if key != "domain"}
    answer = await api.post(
        f"{path}/batch",
        {
            "posts": [example.new, example.new],
            "puts": [{"id": third, **whole}],
            "patches": [{"id": second, **example.change}],
            "deletes": [{"id": first}],
        },
    )
    done = answer.result
    assert list(done) == ["deletes", "patches", "puts", "posts"]
    assert done["deletes"] == [{"id": first}]
    assert done["patches"][0].items() >= example.change.items()
    assert done["puts"][0]["id"] == third
    assert (await ids(api, name))[-4:] == [second, third, *(entry["id"] for entry in done["posts"])]
    operations = [change["operation"] for change in await api.admin("changes")]
    assert operations == ["post"] * 3 + ["delete", "patch", "put", "post", "post"]


@pytest.mark.parametrize("name", ATOMIC)
@pytest.mark.parametrize("part", ["deletes", "patches", "puts", "posts"])
async def test_batch_does_all_or_nothing(api: Api, name: str, part: str) -> None:
    """One bad entry, wherever it stands: the error points at it, and nothing was done."""
    example, path = EXAMPLES[name], f"settings/{name}"
    first, second = [(await api.post(path, example.new)).result["id"] for _ in "12"]
    good: dict[str, Any] = {
        "deletes": [{"id": first}],
        "patches": [{"id": second, **example.change}],
        "puts": [],
        "posts": [example.new],
    }
    bad = {} if part == "posts" else {"id": first if part != "deletes" else UNKNOWN, **example.new}
    before, changes = (await api.get(path)).result, await api.admin("changes")
    answer = await api.post(f"{path}/batch", good | {part: [*good[part], bad]})
    assert answer.error == ((400, 1004) if part == "posts" else (404, 1005))
    assert answer.json["errors"][0]["source"]["pointer"] == f"/{part}/{len(good[part])}"
    assert (await api.get(path)).result == before
    assert await api.admin("changes") == changes


async def test_domains_keep_half_a_batch(api: Api) -> None:
    """For domains the vendor does not promise atomicity: what stands before the mistake is done."""
    before = await ids(api, "domains")
    deletes = [{"id": before[0]}, {"id": UNKNOWN}, {"id": before[1]}]
    answer = await api.post(
        "settings/domains/batch", {"deletes": deletes, "patches": [], "puts": [], "posts": []}
    )
    assert answer.error == (404, 1005)
    assert await ids(api, "domains") == before[1:]


async def test_restrictions_have_a_batch_of_deletes(api: Api) -> None:
    """Its answer has nothing but deletes; one unknown id and none is done."""
    path = "settings/sending_domain_restrictions"
    (name,) = await ids(api, "sending_domain_restrictions")
    assert (await api.post(f"{path}/batch", {"deletes": [{"id": name}, {"id": UNKNOWN}]})).status == 404
    assert (await api.post(f"{path}/batch", {"deletes": [{"id": name}]})).result == {
        "deletes": [{"id": name}]
    }
    assert await ids(api, "sending_domain_restrictions") == []


async def test_deleting_domains_without_an_id_deletes_all(api: Api) -> None:
    """The deprecated bulk delete names nothing, so it spares nothing."""
    before = await ids(api, "domains")
    assert [gone["id"] for gone in (await api.delete("settings/domains")).result] == before
    assert await ids(api, "domains") == []


@pytest.mark.parametrize(
    "name, fields",
    [
        ("block_senders", {"pattern": None}),
        ("block_senders", {"pattern": "x" * 1025, "is_regex": True}),
        ("block_senders", {"comments": "x" * 1025}),
        ("block_senders", {"pattern_type": "UNKNOWN"}),
        ("block_senders", {"pattern_type": "HOST"}),
        ("block_senders", {"pattern": "foe.example"}),
        ("block_senders", {"pattern": "b@foe.example", "pattern_type": "DOMAIN"}),
        ("block_senders", {"pattern": "foe", "pattern_type": "DOMAIN"}),
        *(
            ("block_senders", {"pattern": address, "pattern_type": "IP"})
            for address in (
                "foe.example", "10.1.2.3", "192.168.0.0/24", "0.0.0.0/0", "127.0.0.1", "169.254.1.1",
                "255.255.255.255", "::1", "fd00::/8", "fe80::1", "::ffff:10.0.0.1", "::",
            )
        ),
        ("allow_policies", {"is_trusted_sender": None}),
        ("allow_policies", {"verify_sender": "yes"}),
        ("content_policies", {"targets": ["HEADER"]}),
        ("trusted_domains", {"is_recent": 1}),
        ("sending_domain_restrictions", {"exclude": "a"}),
        ("impersonation_registry", {"provenance": "ME"}),
        ("domains", {"lookback_hops": 0}),
        ("domains", {"lookback_hops": 21}),
        ("domains", {"drop_dispositions": ["BAD"]}),
        ("domains", {"regions": ["MOON"]}),
    ],
)  # fmt: skip
async def test_wrong_entries_are_refused(api: Api, name: str, fields: dict[str, Any]) -> None:
    """A POST and a PATCH with a value that the vendor does not take are a 400, and change nothing."""
    before = (await api.get(f"settings/{name}")).result
    assert (await api.post(f"settings/{name}", EXAMPLES[name].new | fields)).error == (400, 1004)
    made = (await api.post(f"settings/{name}", EXAMPLES[name].new)).result
    assert (await api.patch(f"settings/{name}/{made['id']}", fields)).error == (400, 1004)
    assert (await api.get(f"settings/{name}")).result == [*before, made]


@pytest.mark.parametrize("name", EXAMPLES)
async def test_required_fields_are_required(api: Api, name: str) -> None:
    """Each field of the smallest entry has to be sent."""
    for field in EXAMPLES[name].new:
        less = {key: value for key, value in EXAMPLES[name].new.items() if key != field}
        assert (await api.post(f"settings/{name}", less)).error == (400, 1004)


@pytest.mark.parametrize(
    "fields",
    [
        {"pattern": "8.8.8.0/24", "pattern_type": "IP"},
        {"pattern": "2606:4700::/32", "pattern_type": "IP"},
        {"pattern": "foe.example", "pattern_type": "DOMAIN"},
        {"pattern": r".*@foe\.example", "is_regex": True},
    ],
)
async def test_patterns_of_every_type_are_taken(api: Api, fields: dict[str, Any]) -> None:
    """Addresses, blocks, domains and regular expressions."""
    assert (await api.post("settings/block_senders", BLOCK | fields)).status == 201


async def test_an_old_pattern_type_stays_until_it_is_touched(api: Api) -> None:
    """An entry of type UNKNOWN may get a comment, but no new pattern."""
    (name,) = await ids(api, "allow_policies", pattern_type="UNKNOWN")
    path = f"settings/allow_policies/{name}"
    assert (await api.patch(path, {"comments": "old"})).result["pattern_type"] == "UNKNOWN"
    assert (await api.patch(path, {"pattern": "x"})).error == (400, 1004)


async def test_directory_entries_cannot_be_updated(api: Api) -> None:
    """Who came from a directory is changed there; deleting is allowed."""
    name = (await ids(api, "impersonation_registry", provenance="SNOOPY-OFFICE_365"))[0]
    path = f"settings/impersonation_registry/{name}"
    assert (await api.patch(path, {"comments": "x"})).error == (400, 1004)
    assert (await api.delete(path)).status == 200


async def test_nothing_is_unique(api: Api) -> None:
    """The vendor promises no key: the same entry sent twice exists twice."""
    for _ in "12":
        await api.post("settings/block_senders", BLOCK)
    assert len(await ids(api, "block_senders", pattern=BLOCK["pattern"])) == 2


async def test_domains_show_their_status_in_either_case(api: Api, clock: Clock) -> None:
    """Documents and SDK differ, so both spellings are there; the filter finds both; a new one is pending first."""
    statuses = [entry["status"] for entry in (await api.get("settings/domains")).result]
    assert statuses == ["ACTIVE", "active", "ACTIVE"]
    assert len(await ids(api, "domains", status="ACTIVE")) == 3
    made = (await api.post("settings/domains", EXAMPLES["domains"].new)).result
    assert made["status"].upper() == "PENDING"
    clock.advance(60)
    assert (await api.get(f"settings/domains/{made['id']}")).result["status"].upper() == "ACTIVE"


@pytest.mark.parametrize(
    "name, params, count",
    [
        ("allow_policies", {"is_acceptable_sender": True}, 1),
        ("allow_policies", {"verify_sender": False, "is_trusted_sender": True}, 1),
        ("block_senders", {"pattern_type": "IP"}, 1),
        ("block_senders", {"search": "LOTTERY"}, 1),
        ("trusted_domains", {"is_recent": False}, 0),
        ("content_policies", {"enabled": True, "name": "Gift cards"}, 1),
        ("domains", {"domain": "corp.example"}, 1),
        ("domains", {"allowed_delivery_mode": "RETRO_SCAN"}, 1),
        ("domains", {"active_delivery_mode": "RETRO_SCAN"}, 0),
        ("url_ignore_patterns", {"search": "nothing like it"}, 0),
    ],
)
async def test_filters(api: Api, name: str, params: dict[str, Any], count: int) -> None:
    """Each filter leaves what equals it; `search` looks into every text."""
    assert len(await ids(api, name, **params)) == count


async def test_lists_are_ordered_and_paged(api: Api) -> None:
    """The oldest first unless asked otherwise; pages by number with a true total."""
    patterns = ["lottery-club.example", r".*@.*\.invalid", "203.0.113.0/28"]
    for params, expected in (
        ({}, patterns),
        ({"direction": "desc"}, patterns[::-1]),
        ({"order": "pattern"}, sorted(patterns)),
        ({"per_page": 2, "page": 2}, patterns[2:]),
    ):
        answer = await api.get("settings/block_senders", **params)
        assert [entry["pattern"] for entry in answer.result] == expected
        assert (answer.info["count"], answer.info["total_count"]) == (len(expected), 3)
    assert (await api.get("settings/block_senders", order="comments")).error == (400, 1004)


async def test_domains_are_found_by_several_names(api: Api) -> None:
    """The parameter `domain` may be repeated."""
    query = [("domain", "corp.example"), ("domain", "eu.corp.example")]
    answer = await api.send("GET", f"{api.root}/settings/domains", params=query)
    assert [entry["domain"] for entry in answer.result] == ["corp.example", "eu.corp.example"]


async def test_changes_tell_what_truly_happened(api: Api) -> None:
    """Each with its request, for tests to compare with what a client believes."""
    made = (await api.post("settings/block_senders", BLOCK)).result
    await api.delete(f"settings/block_senders/{made['id']}")
    await api.delete(f"settings/block_senders/{made['id']}")
    post, delete = await api.admin("changes")
    assert (post["operation"], post["id"], post["entry"]["pattern"]) == ("post", made["id"], BLOCK["pattern"])
    assert delete == {
        "resource": "block_senders", "operation": "delete", "id": made["id"], "entry": None, "at": START,
        "request": 2,
    }  # fmt: skip


async def test_ids_come_from_the_seed(simulate: Simulate) -> None:
    """The same seed gives the same entries and the same ids for new ones."""
    seen = []
    for seed in (3, 3, 4):
        api = await simulate(messages=0, seed=seed)
        made = (await api.post("settings/block_senders", BLOCK)).result["id"]
        seen.append((made, await ids(api, "domains")))
    assert seen[0] == seen[1] != seen[2]


async def test_deprecated_fields_can_be_left_out(simulate: Simulate) -> None:
    """`deprecated=False` answers without the fields whose end of life has passed."""
    old = {"last_modified", "is_sender", "is_recipient", "is_spoof"}
    with_them, without = [await simulate(messages=0, deprecated=value) for value in (True, False)]
    (entry, *_) = (await with_them.get("settings/allow_policies")).result
    assert entry.keys() >= old
    assert entry["is_spoof"] is entry["is_acceptable_sender"] is True
    (entry, *_) = (await without.get("settings/allow_policies", valid=False)).result
    assert not entry.keys() & old


async def test_faults_strike_settings(api: Api) -> None:
    """Reads, writes and batches are classes of their own; after the effect only the answer is lost."""
    await api.admin("faults", [{"on": "settings_batch", "kind": "500", "after": True, "count": 1}])
    nothing: dict[str, Any] = {"deletes": [], "patches": [], "puts": []}
    assert (await api.post("settings/block_senders", BLOCK)).status == 201
    assert (await api.post("settings/block_senders/batch", nothing | {"posts": [BLOCK]})).status == 500
    assert len(await ids(api, "block_senders", pattern=BLOCK["pattern"])) == 2
