"""A real headless Chromium, driven over its DevTools protocol: a page, what it says on its console, what it asks for."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 60.0
_TOLD = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")


class Tab:
    """One page that is open."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._loaded = False
        self.complaints: list[Any] = []
        """Whatever was said on the console: exceptions, violations of the policy, failed requests."""
        self.asked_for: list[str] = []
        """Addresses of every request."""

    async def ask(self, method: str, **parameters: Any) -> Any:
        """One command of the protocol, and its result."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            told = await self._socket.receive_json(timeout=PATIENCE)
            if told.get("id") == number:
                assert "error" not in told, told
                return told["result"]
            self._note(told)

    async def open(self, file: Path) -> None:
        """Opens a file and waits until it is shown."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.ask(f"{domain}.enable")
        self._loaded = False
        await self.ask("Page.navigate", url=file.as_uri())
        while not self._loaded:
            self._note(await self._socket.receive_json(timeout=PATIENCE))

    async def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        told = await self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def looks(self, width: int, scheme: str) -> None:
        """Shows the page in a window so wide, light or dark."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        await self.ask("Emulation.setDeviceMetricsOverride", **metrics)
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.ask("Emulation.setEmulatedMedia", features=media)

    async def press(self, key: str) -> None:
        """Presses a key, as a person who uses no mouse."""
        text = {"Enter": "\r", " ": " "}.get(key, "")
        code = {"Tab": 9, "Enter": 13}.get(key, 0)
        for kind in ("keyDown", "keyUp"):
            await self.ask(
                "Input.dispatchKeyEvent", type=kind, key=key, text=text if kind == "keyDown" else "",
                windowsVirtualKeyCode=code,
            )  # fmt: skip

    def _note(self, told: dict[str, Any]) -> None:
        self._loaded |= told["method"] == "Page.loadEventFired"
        if told["method"] in _TOLD:
            self.complaints.append(told["params"])
        elif told["method"] == "Network.requestWillBeSent":
            self.asked_for.append(told["params"]["request"]["url"])


@asynccontextmanager
async def open_tab(folder: Path) -> AsyncIterator[Tab]:
    """A browser of its own, with an empty profile in the folder; it ends with the block."""
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
        f"--user-data-dir={folder}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"},
    )  # fmt: skip
    try:
        port = await _port(folder / "DevToolsActivePort")
        async with ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [one for one in json.loads(await answer.text()) if one["type"] == "page"]
            async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Tab(socket)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _port(file: Path) -> int:
    """Written by the browser once it listens."""
    async with asyncio.timeout(PATIENCE):
        while (port := _written(file)) is None:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.05)
    return port


def _written(file: Path) -> int | None:
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return int(lines[0]) if len(lines) > 1 else None
