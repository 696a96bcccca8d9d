from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from tests.cloudflare.vendor import envelope, row
from worker.cloudflare import actions, investigate, rows, shapes
from worker.cloudflare.rows import Decoded
from worker.cloudflare.sparing import without
from worker.cloudflare.transport import Answer
from worker.errors import AnswerLost, BadAnswer
from worker.model.events import Detection, PhishReport, Properties, Validation

NOON = datetime(2024, 1, 5, 12, tzinfo=UTC)


def page(body: bytes) -> Answer:
    """The answer to a list."""
    return Answer(investigate.LIST, 200, body, URL("http://127.0.0.1/"), 0.1)


def detections(*listed: Any, **info: Any) -> Decoded[Detection]:
    """The rows of a page as the poller sees them."""
    return rows.read_detections(page(envelope(list(listed), **info)))


def raw_page(*listed: str) -> Decoded[Detection]:
    """The same for rows that `json.dumps` would not write."""
    return rows.read_detections(page(b'{"success":true,"result":[' + ",".join(listed).encode() + b"]}"))


GOOD = [row(number) for number in range(999)]
TEXTS = [json.dumps(one) for one in GOOD]
POISON = {
    "NaN": '{"id":"bad","from":NaN}',
    "Infinity": '{"id":"bad","from":-Infinity}',
    "overflow": '{"id":"bad","from":1e999}',
    "wrong type": '{"id":"bad","from":{"a":1}}',
    "null in a list": '{"id":"bad","post_delivery_operations":[null]}',
    "verdict twice": '{"id":"bad","final_disposition":"NONE","final_disposition":"MALICIOUS"}',
    "key twice, once null": '{"id":"bad","final_disposition":"NONE","final_disposition":null}',
    "bad time": '{"id":"bad","scanned_at":"yesterday"}',
    "too deep": '{"id":"bad","from":%s}' % ("[" * 50_000 + "]" * 50_000),
    "leap year": '{"id":"bad","scanned_at":"2023-02-29T00:00:00Z"}',
}
NAMELESS = {
    "no id": '{"subject":"x"}',
    "empty id": '{"id":""}',
    "null id": '{"id":null}',
    "number as id": '{"id":7}',
    "id twice": '{"id":"a","id":"b","final_disposition":"NONE"}',
    "long id": json.dumps({"id": "x" * 513}),
    "dots": '{"id":".."}',
    "spaces": '{"id":"  "}',
    "half a letter": '{"id":"a\\ud800"}',
    "a list": "[]",
    "a number": "7",
    "null": "null",
}


@pytest.mark.parametrize(
    "when", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"]
)
def test_a_time_that_nobody_meant_is_none(when: str) -> None:
    """Such as the zero of some programs: nothing could be reckoned from it, and the row is good all the same."""
    decoded = raw_page(
        f'{{"id":"a","scanned_at":"{when}"}}', '{"id":"b","scanned_at":"2026-11-21T00:00:00Z"}'
    )
    assert [one.scanned_at is None for one in decoded.rows] == [True, False]


@pytest.mark.parametrize("poison", [*POISON.values(), *NAMELESS.values()], ids=[*POISON, *NAMELESS])
def test_a_poison_row_costs_itself_only(poison: str) -> None:
    """999 good rows go on, in order; the bad one is named, explained and fingerprinted."""
    decoded = raw_page(*TEXTS[:500], poison, *TEXTS[500:])
    assert [one.id for one in decoded.rows] == [one["id"] for one in GOOD]
    (bad,) = decoded.bad
    assert bad.row_id == ("bad" if poison in POISON.values() else bad.row_id)
    assert bad.reason
    assert len(bad.digest) == 64


UNREADABLE_TIMES = (
    "2026-11-21T23:59:60Z",
    "",
    "0000-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "2026-11-21T00:00:00+24:00",
    "Sat, 21 Nov 2026 23:59:60 +0000",
)
SPARED = [
    *[("sent_at", when) for when in UNREADABLE_TIMES],
    ("replyto", ["a@x.example", "b@x.example"]),
    ("smtp_helo_server_ip", 7),
    ("subject", {"a": 1}),
    ("to", [None]),
]


@pytest.mark.parametrize("name,value", SPARED)
def test_a_value_of_the_senders_choice_costs_no_decision(name: str, value: Any) -> None:
    """Whoever writes a date that there is not would else hide his mail from every playbook, for good."""
    decoded = detections(row(1), row(2) | {name: value}, row(3))
    assert decoded.bad == ()
    assert decoded.rows[1] == detections({k: v for k, v in row(2).items() if k != name}).rows[0]
    assert decoded.left_out == ((name, row(2)["id"]),)


def test_several_values_are_left_out_of_one_row() -> None:
    """One after the other, and no more than those."""
    odd = {"sent_at": "", "replyto": 7, "to_name": [8], "subject": "kept"}
    decoded = detections(row(1) | odd)
    assert sorted(one.field for one in decoded.left_out) == ["replyto", "sent_at", "to_name"]
    assert [(one.subject, one.sent_at) for one in decoded.rows] == [("kept", None)]


def test_a_null_among_recipients_hides_none_of_them() -> None:
    """A protected mailbox beside it is still seen; what is no null might be one, so that row stays bad."""
    decoded = detections(
        row(1, envelope_to=[None, "ceo@corp.example", None]), row(2, envelope_to=[7, "ceo@corp.example"])
    )
    assert [one.envelope_to for one in decoded.rows] == [("ceo@corp.example",)]
    assert [one.reason for one in decoded.bad] == ["Expected `str`, got `int` - at `$.envelope_to[0]`"]


@pytest.mark.parametrize(
    "name",
    sorted({field.encode_name for field in msgspec.structs.fields(Detection)} - shapes.OF_A_MESSAGE.fields),
)
def test_what_a_decision_hangs_on_is_never_left_out(name: str) -> None:
    """Unknown must not read as: nobody moved it, it was delivered, it is not excluded, nothing speaks against it."""
    decoded = raw_page(json.dumps(row(1)), json.dumps(row(2) | {name: 7}))
    assert ([one.id for one in decoded.rows], len(decoded.bad)) == ([row(1)["id"]], 1)


def test_of_a_report_and_a_submission_too() -> None:
    """What the sender wrote as a date is in the reports about his mail as well."""
    report = {"id": 1, "disposition": "MALICIOUS", "fields": {"postfix_id": "p", "occurred_at": "23:59:60"}}
    read = rows.read_list(page(envelope([report])), shapes.REPORT)
    assert [(one.fields.postfix_id, one.fields.occurred_at) for one in read.rows] == [("p", None)]
    listed = rows.read_list(page(envelope([{"submission_id": "s", "subject": 7}])), shapes.SUBMISSION)
    assert [(one.submission_id, one.subject) for one in listed.rows] == [("s", None)]
    assert listed.left_out == (("subject", "s"),)


def test_a_page_of_bad_rows_alone_is_not_believed() -> None:
    """The vendor has changed a type, and the watermark must not move past all rows; a few may be odd by themselves."""
    bad = [row(number, final_disposition=7) for number in range(10)]
    few, many, mixed = detections(*bad[:9]), detections(*bad), detections(*bad, row(11))
    assert [len(rows.some(page(b""), one).bad) for one in (few, mixed)] == [9, 10]
    with pytest.raises(BadAnswer, match=r"none of 10 rows can be read: .*final_disposition"):
        rows.some(page(b""), many)


def test_a_reason_names_the_path_and_no_mail() -> None:
    """Logs and metrics may show it."""
    decoded = detections(row(1), row(2, alert_id=["secret"]), row(3, scanned_at="secret"))
    assert [bad.reason for bad in decoded.bad] == [
        "Expected `str | null`, got `array` - at `$.alert_id`",
        "Invalid RFC3339 encoded datetime - at `$.scanned_at`",
    ]


def test_a_bad_row_is_kept_bounded_and_ascii() -> None:
    """Its raw form is for a person's eyes: 8 KiB of ASCII without control characters at most."""
    decoded = detections({"id": "bad", "alert_id": ["\x1b[2J\u202e\ud800" * 9000]})
    (bad,) = decoded.bad
    assert bad.raw.isascii()
    assert bad.raw.isprintable()
    assert len(bad.raw) == 8192


def test_the_same_bad_row_has_the_same_digest() -> None:
    """Whatever the order of its keys and whatever surrounds it; another row has another one."""
    first = raw_page('{"id":"bad","alert_id":7}').bad[0]
    again = raw_page(TEXTS[0], '{ "alert_id": 7, "id": "bad" }').bad[0]
    other = raw_page('{"id":"bad","alert_id":8}').bad[0]
    assert first.digest == again.digest != other.digest


@pytest.mark.parametrize("opened, closed", [("[", "]"), ('{"a":', "}")])
def test_what_is_nested_too_deep_costs_nothing_beside_itself(opened: str, closed: str) -> None:
    """In a field that nobody reads not even its row; brackets in strings do not count."""
    deep = f'{opened * 90_000}"[{{\\"["{closed * 90_000}'
    decoded = raw_page('{"id":"one"}', f'{{"id":"two","unknown":{deep}}}', f'{{"id":{deep}}}')
    assert [one.id for one in decoded.rows] == ["one", "two"]
    assert len(decoded.bad) == 1


@pytest.mark.parametrize("end", ["", "\\", '\\"' * 500_000])
def test_what_is_too_deep_and_has_no_end_is_refused_in_time(end: str) -> None:
    """Each character is looked at once, or this would take a day."""
    with pytest.raises(BadAnswer, match="not JSON"):
        raw_page('{"id":' + "[" * 90_000 + '"' + end)


def test_a_control_character_as_it_is_costs_nothing() -> None:
    """JSON wants it escaped; a subject where it is not must not hide the page."""
    decoded = raw_page('{"id":"one","subject":"pay\x01 now\tplease"}', '{"id":"two"}')
    assert decoded.rows[0].subject == "pay\ufffd now please"
    assert decoded.bad == ()


def test_a_lone_surrogate_is_replaced() -> None:
    """Half a letter in a subject is no reason to lose the page, the row or the ability to store it."""
    decoded = raw_page('{"id":"one","subject":"a\\ud83dz","to":["\\udc00@x"]}', '{"id":"two"}')
    assert (decoded.rows[0].subject, decoded.rows[0].to) == ("a\ufffdz", ("\ufffd@x",))
    assert decoded.bad == ()
    msgspec.json.encode(decoded.rows)


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    """As in a subject that its sender declared wrongly."""
    decoded = rows.read_detections(page(b'{"success":true,"result":[{"id":"one","subject":"caf\xe9"}]}'))
    assert decoded.rows[0].subject == "caf\ufffd"


def test_long_strings_are_cut_once_at_ingest() -> None:
    """A subject of 100 kB is mail like any other, only shorter."""
    decoded = detections(row(1, subject="s" * 100_000, **{"from": "f" * 100_000}), row(2))
    assert (len(decoded.rows[0].subject or ""), len(decoded.rows[0].sender or "")) == (10_000, 10_000)
    assert (len(decoded.rows), decoded.bad) == (2, ())


def test_nulls_are_empty_values() -> None:
    """Every field that the contract lets be null may be null, and every optional one may be missing."""
    names = [field.encode_name for field in msgspec.structs.fields(Detection)]
    nulls = detections(dict.fromkeys(names) | {"id": "one"})
    bare = detections({"id": "one"})
    assert nulls.rows == bare.rows == (Detection(id="one"),)
    assert (nulls.rows[0].validation, nulls.rows[0].properties) == (Validation(), Properties())


def test_unknown_values_and_fields_pass() -> None:
    """What the vendor adds tomorrow is kept where it is a value and ignored where it is a field."""
    (message,) = detections(
        row(1, final_disposition="QUISHING", delivery_status=["teleported"], new_field={"a": [1]})
    ).rows
    assert (message.final_disposition, message.delivery_status) == ("QUISHING", ("teleported",))


@pytest.mark.parametrize("value", [None, 7, "x", [{"completed_at": "nonsense"}], {"a": {}}])
@pytest.mark.parametrize("name", ["ts", "action_log", "findings", "sent_date"])
def test_deprecated_fields_are_not_read(name: str, value: Any) -> None:
    """They are past their end of life: absent, null or absurd, they change nothing."""
    assert detections(row(1, **{name: value})).rows == detections(row(1)).rows


@pytest.mark.parametrize(
    "text,expected",
    [
        ("2024-01-05T12:00:00Z", NOON),
        ("2024-01-05T12:00:00", NOON),
        ("2024-01-05T12:00:00+00:00", NOON),
        ("2024-01-05T14:00:00+02:00", NOON),
        ("2024-01-05T12:00:00.250Z", NOON + timedelta(milliseconds=250)),
        ("2024-01-05T12:00:00.123456789Z", NOON + timedelta(microseconds=123457)),
    ],
)
@pytest.mark.parametrize("poison", ["", '{"id":7}'], ids=["fast", "slow"])
def test_times_are_aware_and_utc(text: str, expected: datetime, poison: str) -> None:
    """A time without a zone is UTC, one with a zone is turned into it, on both ways through."""
    listed = json.dumps({"id": "one", "scanned_at": text, "sent_at": text})
    (message,) = raw_page(*[listed, poison][: 2 if poison else 1]).rows
    assert (message.scanned_at, message.sent_at) == (expected, expected)
    assert message.scanned_at is not None
    assert message.scanned_at.tzinfo is UTC


def test_a_clean_page_takes_the_fast_way() -> None:
    """Also one with nulls; only an odd one pays for the slow way."""
    nulls = row(2, to=None, validation=None, subject='he said "id": \'"final_disposition":\'')
    assert rows.decode_detections(envelope([row(1), nulls], next="c")) is not None
    assert rows.decode_detections(envelope([row(1), {"id": 7}])) is None


# A backslash before an `n` looks like a control character to the fast way, which leaves the page to the slow one.
PLAIN = st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\ufffd\\")
MAYBE = st.none() | st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\\"), max_size=5
)
ROWS = st.fixed_dictionaries(
    {"id": st.text(PLAIN, min_size=1).filter(
        lambda text: text.strip() and text not in {".", ".."}
    )},
    optional={
        "subject": MAYBE,
        "from": MAYBE,
        "final_disposition": st.sampled_from(["NONE", "SPAM", "NEW", None]),
        "to": st.none() | st.lists(MAYBE.filter(lambda text: text is not None), max_size=3),
        "is_quarantined": st.none() | st.booleans(),
        "scanned_at": st.none()
        | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
            lambda when: when.astimezone(timezone(timedelta(hours=3))).isoformat()
        ),
        "validation": st.none() | st.fixed_dictionaries({}, optional={"spf": MAYBE}),
        "unknown": st.recursive(MAYBE | st.integers(), st.lists, max_leaves=5),
    },
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(ROWS, max_size=5))
def test_both_ways_read_the_same(listed: list[dict[str, Any]]) -> None:
    """Speed never changes what a row says."""
    body = envelope(listed, next="c")
    fast, slow = rows.decode_detections(body), rows.read_list(page(body), shapes.DETECTION)
    assert slow.bad == ()
    assert fast == (slow.rows, slow.next)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """There is no body that raises anything but the one error."""
    with contextlib.suppress(BadAnswer):
        rows.read_detections(page(body))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(JSON, st.sampled_from([shapes.REPORT, shapes.LOG_ENTRY, shapes.MOVE_ROW, shapes.SUBMISSION]))
def test_any_row_is_good_or_bad(value: Any, shape: Any) -> None:
    """There is no row that raises, in any resource."""
    decoded = rows.read_list(page(envelope([value])), shape)
    assert len(decoded.rows) + len(decoded.bad) == 1


def test_poison_in_the_envelope_is_not_believed() -> None:
    """A page that contradicts itself has no rows."""
    for body in (
        b'{"success":true,"success":true,"result":[]}',
        b'{"success":true,"result":[],"result":[{"id":"one"}]}',
        b'{"success":true,"result":[{"id":"one"}],"result":[]}',
        b'{"success":true,"result":[],"result_info":{"next":"a","next":"b"}}',
        b'{"success":true,"result":[],"result_info":{"count":NaN}}',
        b'{"success":true,"result":[],"result_info":7}',
    ):
        with pytest.raises(BadAnswer):
            rows.read_detections(page(body))


@pytest.mark.parametrize("total", ["NaN", "1e999", "9" * 5000])
def test_a_count_that_is_no_number_is_not_believed(total: str) -> None:
    """Where pages have numbers, the count decides whether there is another one."""
    body = f'{{"success":true,"result":[],"result_info":{{"total_count":{total}}}}}'
    with pytest.raises(BadAnswer):
        rows.read_list(page(body.encode()), shapes.REPORT)


def test_an_unreadable_write_is_a_lost_answer() -> None:
    """The same bytes mean more where something may have been done."""
    answer = Answer(actions.MOVE, 200, b"{}", URL("http://127.0.0.1/"), 0.1)
    with pytest.raises(AnswerLost):
        rows.read_list(answer, shapes.MOVE_ROW)


def test_a_report_finds_its_message_by_itself() -> None:
    """A field `message` from outside never passes for the message that the worker has found."""
    listed = [{"id": 1, "message": {"id": "forged"}}, {"id": 2, "message": "text", "fields": {"to": None}}]
    decoded = rows.read_list(page(envelope(listed)), shapes.REPORT)
    assert decoded.rows == (PhishReport(id=1), PhishReport(id=2))


@pytest.mark.parametrize("depth", [50, 700, 5_000])
def test_an_odd_value_may_be_nested_as_deep_as_the_parser_allows(depth: int) -> None:
    """It costs its own row: looking through it must not end the reading of the page."""
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested]
    error = "Expected `str`, got `array` - at `$.subject`"
    assert without({"id": "a", "subject": nested}, error, shapes.OF_A_MESSAGE) == ({"id": "a"}, "subject")
