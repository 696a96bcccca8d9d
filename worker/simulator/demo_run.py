"""The demo's two processes, and what there is to read about them: the admin paths, and the worker's own commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

RULES = Path(__file__).resolve().parents[2] / "rules"
START_SECONDS, STOP_SECONDS, COMMAND_SECONDS = 60.0, 20.0, 20.0
_OURS = ("WORKER_", "CLOUDFLARE_")


class DemoError(Exception):
    """The demo did not go as it should; the message says what to look at."""


class Tenant:
    """A running simulator: its admin paths, and as much of the vendor's API as the summary needs."""

    def __init__(self, base_url: str, account_id: str, token: str) -> None:
        self._base_url = base_url
        self._account_id = account_id
        self._token = token

    @property
    def environment(self) -> dict[str, str]:
        """How the worker finds it."""
        return {
            "CLOUDFLARE_BASE_URL": self._base_url,
            "CLOUDFLARE_ACCOUNT_ID": self._account_id,
            "CLOUDFLARE_API_TOKEN": self._token,
        }

    def effects(self) -> list[dict[str, Any]]:
        """What truly happened to messages, oldest first."""
        found: list[dict[str, Any]] = self._get(self._admin("effects"))["result"]
        return found

    def requests(self) -> list[dict[str, Any]]:
        """Every request that reached the vendor's paths, oldest first."""
        found: list[dict[str, Any]] = self._get(self._admin("requests"))["result"]["requests"]
        return found

    def scan_times(self) -> dict[str, str]:
        """When each message was scanned, by id."""
        path = f"{self._base_url}/accounts/{self._account_id}/email-security/investigate"
        times: dict[str, str] = {}
        cursor = ""
        while True:
            page = self._get(f"{path}?detections_only=false&per_page=1000{cursor}")
            times.update((row["id"], row["scanned_at"]) for row in page["result"])
            following = page["result_info"]["next"]
            if following is None:
                return times
            cursor = f"&cursor={following}"

    def reported(self) -> set[str]:
        """The postfix ids of messages with a PhishGuard report."""
        path = f"{self._base_url}/accounts/{self._account_id}/email-security/phishguard/reports"
        rows = self._get(f"{path}?per_page=1000")["result"]
        return {row["fields"]["postfix_id"] for row in rows}

    def _admin(self, path: str) -> str:
        return f"{self._base_url.removesuffix('/client/v4')}/_simulator/{path}"

    def _get(self, url: str) -> Any:
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self._token}"})  # noqa: S310
        try:
            # The URL is the one that the simulator printed: plain HTTP to this machine.
            with urllib.request.urlopen(request, timeout=COMMAND_SECONDS) as answer:  # noqa: S310
                return json.load(answer)
        except OSError as error:
            raise DemoError(f"the simulator does not answer: {error}") from error


class Worker:
    """A running `worker run` with its log, and the commands that one gives beside it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        with (folder / "worker.log").open("w") as log:
            self.process = _start(["run"], folder, environment, log)

    def stop(self) -> None:
        """SIGTERM, as an orchestrator sends it: the worker drains and exits 0."""
        if self.process.poll() is not None:
            raise DemoError(
                f"the worker ended by itself, exit code {self.process.returncode}; {self.last_words()}"
            )
        self.process.terminate()
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise DemoError(f"the worker did not stop within {STOP_SECONDS:.0f} s of SIGTERM") from None
        if code:
            raise DemoError(f"the worker stopped with exit code {code}; {self.last_words()}")

    def command(self, *arguments: str) -> Any:
        """What `worker ... --json` prints."""
        process = _start([*arguments, "--json"], self._folder, self._environment, subprocess.PIPE)
        said = "worker " + " ".join(arguments)
        try:
            output, _ = process.communicate(timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise DemoError(f"`{said}` took more than {COMMAND_SECONDS:.0f} s") from None
        if process.returncode:
            raise DemoError(f"`{said}` ended with exit code {process.returncode}: {output[-500:].strip()}")
        return json.loads(output)

    def last_words(self) -> str:
        """The end of its log."""
        lines = (self._folder / "worker.log").read_text().splitlines()[-3:]
        return "it said last:\n  " + "\n  ".join(lines or ["nothing"])


@contextmanager
def simulator(*flags: str) -> Iterator[Tenant]:
    """A simulator of its own, on a free port, until the block ends."""
    command = [sys.executable, "-m", "worker.simulator", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise DemoError("the simulator did not start; see above")
            yield Tenant(**json.loads(line))
        finally:
            _end(process)


@contextmanager
def worker(folder: Path, settings: Mapping[str, str]) -> Iterator[Worker]:
    """A worker of its own, with these settings and no others, until the block ends."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    running = Worker(folder, {**inherited, **settings})
    try:
        yield running
    finally:
        _end(running.process)


def _start(
    arguments: list[str], folder: Path, environment: Mapping[str, str], output: TextIO | int
) -> subprocess.Popen[str]:
    # Its own folder, so that a worker.toml here counts for nothing; the package is still found.
    path = os.pathsep.join(filter(None, (str(RULES.parent), environment.get("PYTHONPATH"))))
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "worker", *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": path},
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
