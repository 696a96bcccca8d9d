from __future__ import annotations

import shutil
import subprocess

import pytest

from worker.ops.metrics import OTHER, Metrics


def _page(metrics: Metrics) -> str:
    return metrics.render()[0].decode()


def _busy() -> Metrics:
    """Every method called once."""
    metrics = Metrics(version="1.2.3", clock=lambda: 1000.0)
    metrics.request("GET investigate/{id}", 200, 0.2)
    metrics.request("POST investigate/move", None, 30)
    metrics.budget(12, 600)
    metrics.rate_limited(1.5)
    metrics.poll("detections", "completed")
    metrics.watermark("detections", 990.0)
    metrics.rows("detections", read=100, quarantined=1, new=7)
    metrics.tick_missed("detections")
    metrics.tick_overlapped("detections")
    metrics.decision("junk-spoofed-invoices", "ready", 3)
    metrics.playbook_failed("junk-spoofed-invoices")
    metrics.action("move", "succeeded", 250)
    metrics.action_counts(lambda: {("move", "held"): 4})
    metrics.plan_held("cap per poll: 300 actions, 100 allowed")
    metrics.read_back("move", "confirmed")
    metrics.overdue(2)
    metrics.effects("move", [31.0])
    metrics.commit(0.004)
    metrics.loop_lag(0.001)
    metrics.paused(on=True)
    metrics.ready(on=True)
    metrics.mode("approve")
    return metrics


@pytest.mark.parametrize(
    "line",
    [
        'worker_requests_total{endpoint="GET investigate/{id}",status="2xx"} 1.0',
        'worker_requests_total{endpoint="POST investigate/move",status="none"} 1.0',
        'worker_request_seconds_count{endpoint="GET investigate/{id}"} 1.0',
        "worker_request_budget_limit 600.0",
        "worker_rate_limited_seconds_total 1.5",
        'worker_poll_lag_seconds{source="detections"} 10.0',
        'worker_rows_read_total{source="detections"} 100.0',
        'worker_decisions_total{outcome="ready",playbook="junk-spoofed-invoices"} 3.0',
        'worker_action_transitions_total{kind="move",state="succeeded"} 250.0',
        'worker_actions{kind="move",state="held"} 4.0',
        'worker_effect_latency_seconds_bucket{kind="move",le="45.0"} 1.0',
        'worker_mode_info{mode="approve"} 1.0',
        'worker_mode_info{mode="enforce"} 0.0',
        'worker_plans_held_total{reason="cap_per_poll"} 1.0',
        "worker_paused 1.0",
        "worker_allowances_overdue 2.0",
    ],
)
def test_each_method_shows_on_the_page(line: str) -> None:
    """What was counted is exported under a stable name."""
    assert line in _page(_busy()).splitlines()


def test_the_page_passes_promtool() -> None:
    """Names, units and help texts follow Prometheus' rules."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=_busy().render()[0],
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "hostile", ["alice@example.com", "Invoice 12 overdue", "a\nb", "\ud800", "", "x" * 101, 'a"b', "请求"]
)
def test_no_mail_data_gets_into_a_label(hostile: str) -> None:
    """A value that is no plain name counts as `other`."""
    metrics = Metrics()
    metrics.request(hostile, 200, 0.1)
    metrics.decision(hostile, hostile)
    metrics.action(hostile, hostile)
    metrics.action_counts(lambda: {(hostile, hostile): 1})
    page = _page(metrics)
    assert f'worker_decisions_total{{outcome="{OTHER}",playbook="{OTHER}"}} 1.0' in page
    assert f'worker_actions{{kind="{OTHER}",state="{OTHER}"}} 1.0' in page


def test_the_number_of_label_values_is_bounded() -> None:
    """A caller that passes ids by mistake cannot fill the memory of Prometheus."""
    metrics = Metrics()
    for number in range(10_000):
        metrics.playbook_failed(f"id-{number}")
    assert _page(metrics).count("worker_playbook_failures_total{") == 201


def test_lag_grows_while_nobody_reports() -> None:
    """A source that is down shows it without another call."""
    now = [1000.0]
    metrics = Metrics(clock=lambda: now[0])
    metrics.watermark("detections", 1000.0)
    now[0] = 1600.0
    assert 'worker_poll_lag_seconds{source="detections"} 600.0' in _page(metrics)


def test_a_failing_count_leaves_the_page_readable() -> None:
    """While the store is down all other metrics are still there."""
    metrics = _busy()

    def down() -> dict[tuple[str, str], int]:
        raise OSError("disk full")

    metrics.action_counts(down)
    assert "worker_paused 1.0" in _page(metrics)
    assert "worker_actions{" not in _page(metrics)


def test_two_instances_do_not_share_anything() -> None:
    """Each has its own registry, so tests and replicas in one process do not collide."""
    _busy()
    assert "worker_polls_total{" not in _page(Metrics())
