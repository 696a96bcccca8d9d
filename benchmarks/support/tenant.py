"""A fresh simulated tenant in a process of its own, and what it has seen."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

UNLIMITED = 10_000_000
"""Requests a window: what is measured is the contestants, not their waiting."""
_READY_SECONDS = 60
_READS = frozenset({"GET", "HEAD"})

Effect = tuple[str, str, str]
"""Kind, message and target: the same mail has the same one in every tenant of a seed."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the tenant saw it; `at` is seconds since 1970."""

    at: float
    endpoint: str
    mutating: bool
    status: int | None


@dataclass(frozen=True, slots=True)
class Tenant:
    """Where it listens, and questions that the vendor would not answer."""

    base_url: str
    account_id: str
    token: str

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs, under the names that the worker reads."""
        return {
            "CLOUDFLARE_BASE_URL": self.base_url,
            "CLOUDFLARE_ACCOUNT_ID": self.account_id,
            "CLOUDFLARE_API_TOKEN": self.token,
        }

    def requests(self) -> list[Request]:
        """Every request so far, oldest first."""
        return [
            Request(one["at"], one["endpoint"], one["method"] not in _READS, one["status"])
            for one in self._admin("requests")["requests"]
        ]

    def effects(self) -> Counter[Effect]:
        """What was truly done, and how often each."""
        return Counter((one["kind"], _drawn(one["id"]), one["target"]) for one in self._admin("effects"))

    def changes(self) -> Counter[Effect]:
        """What truly became of the settings: operation, collection and whom it names."""
        named: dict[str, str] = {}
        found: Counter[Effect] = Counter()
        for one in self._admin("changes"):
            entry = one["entry"] or {}
            # A deletion shows the id alone.
            who = named.setdefault(one["id"], entry.get("pattern") or entry.get("email") or one["id"])
            found[one["operation"], one["resource"], who] += 1
        return found

    def prepare(self, collection: str, entries: Sequence[Mapping[str, Any]]) -> None:
        """Somebody made these entries before. This is itself seen as requests."""
        path = f"{self.base_url}/accounts/{self.account_id}/email-security/settings/{collection}/batch"
        empty: dict[str, list[Any]] = {"deletes": [], "patches": [], "puts": []}
        for start in range(0, len(entries), 1000):
            self._get(path, {**empty, "posts": list(entries[start : start + 1000])})

    def messages(self) -> list[dict[str, Any]]:
        """Every message as the vendor lists it. This is itself seen as requests: ask for those first."""
        path = f"{self.base_url}/accounts/{self.account_id}/email-security/investigate"
        rows: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = self._get(f"{path}?detections_only=false&per_page=1000" + (cursor and f"&cursor={cursor}"))
            rows += page["result"]
            cursor = page["result_info"]["next"]
        return rows

    def deliver(self, rows: list[dict[str, Any]]) -> None:
        """Adds messages from partial rows."""
        url = f"{self.base_url.removesuffix('/client/v4')}/_simulator/messages"
        request = urllib.request.Request(url, json.dumps(rows).encode(), {"Content-Type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=60):  # noqa: S310 - loopback
            pass

    def effect_times(self) -> dict[str, float]:
        """When the first effect of each message came, by investigate id, in seconds since 1970."""
        times: dict[str, float] = {}
        for one in self._admin("effects"):
            times.setdefault(one["id"], one["at"])
        return times

    def _admin(self, path: str) -> Any:
        return self._get(f"{self.base_url.removesuffix('/client/v4')}/_simulator/{path}")["result"]

    def _get(self, url: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(url, data, headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
                return json.load(answer)
        except OSError as error:
            raise SystemExit(f"the simulator does not answer any more: {error}") from error


@contextmanager
def tenant(*flags: str) -> Iterator[Tenant]:
    """Starts a simulator with these flags of `python -m worker.simulator`; stops it when the block ends."""
    command = [sys.executable, "-m", "worker.simulator", "--limit", str(UNLIMITED), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield Tenant(ready["base_url"], ready["account_id"], ready["token"])
        finally:
            process.terminate()
            process.wait(timeout=_READY_SECONDS)


def _drawn(investigate_id: str) -> str:
    """What the seed has drawn of a message's id; the rest of it is its time, another one in every tenant."""
    queue_id, *_, number = investigate_id.split("-")
    return f"{queue_id[-5:]}-{number}"
