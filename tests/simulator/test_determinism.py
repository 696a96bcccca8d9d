from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from tests.simulator.api import START, Clock, Simulate
from worker.simulator import SimulatorConfig, parse_mix
from worker.simulator.mailworld import PARTNER
from worker.simulator.rows import parse_rfc3339
from worker.simulator.tenant import Tenant


async def test_same_seed_same_bytes(simulate: Simulate, clock: Clock) -> None:
    """Two tenants with one seed answer alike, byte for byte, whatever else was added to one of them."""
    tenants = [await simulate(seed=seed, rate=2.0) for seed in (7, 7, 8)]
    await tenants[0].given(scanned_at="2026-01-01T00:00:00Z")
    clock.advance(20)
    bodies = [
        [
            (await api.get(path, per_page=50)).body
            for path in ("investigate", "phishguard/reports", "submissions")
        ]
        for api in tenants
    ]
    assert bodies[0] == bodies[1] != bodies[2]


def test_backlog_is_as_configured() -> None:
    """So many messages over the span before the start, with unique ids, and one report for every hundred."""
    tenant = Tenant(SimulatorConfig(messages=3000, span=600.0, clock=Clock()))
    rows = [message.row for message in tenant.newest_first(0, tenant.now_ms)]
    times = [parse_rfc3339(row.scanned_at) for row in rows]
    assert len({row.id for row in rows}) == len({row.message_id for row in rows}) == 3000
    assert (START - 600) * 1000 <= min(times) <= max(times) <= START * 1000
    assert all(later >= earlier for later, earlier in pairwise(times))
    assert len(tenant.reports) == 30


def test_mix_is_the_configured_one() -> None:
    """Shares of verdicts come out within a few per cent; the rest is clean."""
    tenant = Tenant(SimulatorConfig(messages=5000, mix=parse_mix("SPAM=30,SPOOF=20"), clock=Clock()))
    verdicts = Counter(message.row.final_disposition for message in tenant.messages.values())
    assert verdicts.keys() == {"SPAM", "SPOOF", "NONE"}
    assert verdicts["SPAM"] == pytest.approx(1500, abs=150)
    assert verdicts["NONE"] == pytest.approx(2500, abs=150)


@pytest.mark.parametrize("text", ["SPAM=101", "SPAM=-1", "JUNK=5", "SPAM"])
def test_wrong_mix_is_refused(text: str) -> None:
    """A mix that is none is a ValueError."""
    with pytest.raises(ValueError, match=r"mix|float"):
        parse_mix(text)


def test_default_mail_gives_playbooks_something_to_do() -> None:
    """The default 2,000 messages hold every situation that the shipped playbooks are written for."""
    tenant = Tenant(SimulatorConfig(clock=Clock()))
    rows = [message.row for message in tenant.messages.values()]
    validated = [(row, row.validation) for row in rows if row.validation is not None]
    assert any(row.is_quarantined and row.sender == PARTNER and v.dmarc == "pass" for row, v in validated)
    assert any(row.final_disposition == "SPOOF" and v.dmarc == "fail" for row, v in validated)
    assert any(row.final_disposition == "MALICIOUS" and row.delivery_status == ["delivered"] for row in rows)
    assert any(row.final_disposition == "MALICIOUS-BEC" for row in rows)
    assert any(row.is_phish_submission for row in rows)
    assert {"info@corp.example", "support@corp.example"} <= {
        name for row in rows for name in row.client_recipients
    }
    assert {len(row.client_recipients) for row in rows} == {1, 2, 3, 4, 5}
    judged = {report.fields.postfix_id: report.disposition for _, report in tenant.reports}
    verdicts = {(judged[row.postfix_id], row.final_disposition) for row in rows if row.postfix_id in judged}
    assert {("NONE", name) for name in ("SPAM", "BULK", "SUSPICIOUS")} & verdicts
    assert ("MALICIOUS", "NONE") in verdicts
    assert ("NONE", "MALICIOUS") not in verdicts


def test_queue_ids_are_those_of_the_mail_server() -> None:
    """Postfix' long ones, as in the vendor's own examples: they begin with the time, and sort by it."""
    tenant = Tenant(SimulatorConfig(messages=300, span=600.0, clock=Clock()))
    rows = [message.row for message in tenant.newest_first(0, tenant.now_ms)]
    names = [row.postfix_id for row in rows]
    assert names == sorted(names, reverse=True)
    digits = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"
    for row in rows:
        assert len(row.postfix_id) == 16
        seconds = 0
        for digit in row.postfix_id[:6]:
            seconds = seconds * 52 + digits.index(digit)
        assert seconds == parse_rfc3339(row.scanned_at) // 1000
        assert row.postfix_id[10] == "z"
        assert set(row.postfix_id[11:]) <= set(digits) - {"z"}
