"""What is shipped for those who run it: rules for Prometheus, the image's health check."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import AF_INET, AF_INET6

import pytest
import yaml

from worker.ops.alerts import ALERTS, rules

ROOT = Path(__file__).parents[2]


def test_the_rules_in_deploy_are_the_table() -> None:
    """After a change run: python -m worker.ops.alerts > deploy/alerts.yaml."""
    assert (ROOT / "deploy/alerts.yaml").read_text(encoding="utf-8") == rules()


def test_each_rule_says_what_the_runbook_says() -> None:
    """And no expression holds a bar, which a table of Markdown would need escaped."""
    (group,) = yaml.safe_load(rules())["groups"]
    told = [(one["alert"], one["expr"], one.get("for", "")) for one in group["rules"]]
    assert told == [alert[:3] for alert in ALERTS]
    assert not [expr for _, expr, _ in told if "|" in expr]


def test_the_rules_pass_promtool() -> None:
    """Prometheus loads them."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    done = subprocess.run(
        [promtool, "check", "rules", str(ROOT / "deploy/alerts.yaml")],
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert f"{len(ALERTS)} rules found".encode() in done.stdout


class Ready(BaseHTTPRequestHandler):
    """Answers 200 to /readyz alone."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def listening(host: str) -> Iterator[int]:
    """The port of a server on the host."""

    class Server(ThreadingHTTPServer):
        address_family = AF_INET6 if ":" in host else AF_INET

    with Server((host, 0), Ready) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize(
    "host, bind",
    [
        ("127.0.0.1", "127.0.0.1:{}"),
        ("0.0.0.0", "0.0.0.0:{}"),  # noqa: S104 - as the image has it
        ("127.0.0.1", ":{}"),
        ("127.0.0.2", "127.0.0.2:{}"),
        ("::1", "[::1]:{}"),
        ("::", "[::]:{}"),
    ],
)
def test_the_images_health_check_asks_where_it_listens(host: str, bind: str) -> None:
    """Whatever WORKER_HTTP_BIND is; not healthy where nothing answers."""
    try:
        with listening(host) as port:
            assert probe(bind.format(port)) == 0
    except OSError:
        pytest.skip(f"no such address here: {host}")
    assert probe(bind.format(port)) == 1


def test_the_images_health_check_is_content_where_http_is_off() -> None:
    """There is nothing to ask then."""
    assert probe("") == 0


def probe(bind: str) -> int:
    """The exit code of the Dockerfile's own command."""
    found = re.search(
        r"^HEALTHCHECK .*?CMD (\[.*?\])$", (ROOT / "Dockerfile").read_text(), re.DOTALL | re.MULTILINE
    )
    assert found
    python, *rest = json.loads(found[1])
    assert python == "python"
    env = {"WORKER_HTTP_BIND": bind}
    return subprocess.run(
        [sys.executable, *rest], env=env, capture_output=True, check=False, timeout=20
    ).returncode
