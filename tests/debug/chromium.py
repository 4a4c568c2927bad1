"""A real headless Chromium, driven with the DevTools protocol over a pipe. No library is needed."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.kit import eventually

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--remote-debugging-pipe"),
)


SHIM = """import os, sys
os.dup2(int(sys.argv[1]), 3), os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])"""
"""The browser looks for its pipe at the descriptors 3 and 4."""


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


class PageError(AssertionError):
    """The page, or the browser, says that something went wrong."""


class Browser:
    """One browser with one page. ``complaints`` holds what the page's console and CSP reported."""

    def __init__(self, profile: Path, *flags: str) -> None:
        self._number = 0
        self._buffer = b""
        self._events: deque[dict[str, Any]] = deque()
        self.complaints: list[str] = []
        read, their_write = os.pipe()
        their_read, self._write = os.pipe()
        self._read = read
        self._process = launch(profile, their_read, their_write, flags)
        os.close(their_read)
        os.close(their_write)
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        os.close(self._read)
        os.close(self._write)

    def call(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        return self._call(method, params or {}, self._session)

    def open(self, url: str) -> None:
        self.call("Page.navigate", {"url": url})

    def shape(self, width: int, height: int, *, dark: bool = False) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", {"features": [scheme]})

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited where it is a promise."""
        answer = self.call(
            "Runtime.evaluate",
            {"expression": expression, "returnByValue": True, "awaitPromise": True},
        )
        if "exceptionDetails" in answer:
            raise PageError(str(answer["exceptionDetails"].get("exception", answer)))
        return answer["result"].get("value")

    def text(self, selector: str) -> str:
        """What a person reads at the first element that ``selector`` finds; nothing if none."""
        found: str = self.ask(f"document.querySelector({selector!r})?.innerText.trim() ?? ''")
        return found

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.ask(
            f"[...document.querySelectorAll({selector!r})].map(e => e.innerText)"
        )
        return found

    def click(self, selector: str) -> None:
        """Click the first one that ``selector`` finds. Raises PageError when there is none."""
        self.ask(f"document.querySelector({selector!r}).click()")

    def fill(self, selector: str, text: str) -> None:
        """Type ``text`` into a field, as far as the page can tell."""
        self.ask(
            f"(() => {{ const e = document.querySelector({selector!r}); e.value = {text!r};"
            " for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind)); })()"
        )

    def enter(self, link: str) -> None:
        """Open a dashboard with a link that lets this browser in, and wait until it is live."""
        self.open("about:blank")  # another fragment of the same page would open nothing
        self.open(link)
        live = ("Live", "Scheduler down", "No answer")
        eventually(lambda: self.text("#link") in live, timeout=60)

    def go(self, page: str) -> None:
        """Open one of the dashboard's pages, by what follows ``#/``."""
        self.ask(f"location.hash = '#/{page}'")

    def press(self, key: str, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            told = {"type": kind, "key": key} | ({"text": text} if kind == "keyDown" else {})
            self.call("Input.dispatchKeyEvent", told)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        shot = self.call("Page.captureScreenshot", {"captureBeyondViewport": whole})
        path.write_bytes(base64.b64decode(shot["data"]))

    def _call(
        self, method: str, params: dict[str, Any], session: str | None = None
    ) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") != self._number:
                self._note(answer)
            elif "error" in answer:
                raise PageError(f"{method}: {answer['error']}")
            else:
                result: dict[str, Any] = answer["result"]
                return result

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            received = os.read(self._read, 65536)
            if not received:
                raise PageError("the browser has gone")
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def _note(self, event: dict[str, Any]) -> None:
        match event.get("method"):
            case "Log.entryAdded":
                entry = event["params"]["entry"]
                if entry["level"] in ("error", "warning"):
                    self.complaints.append(f"{entry['text']} {entry.get('url', '')}".strip())
            case "Runtime.exceptionThrown":
                self.complaints.append(str(event["params"]["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if event["params"]["type"] in ("error", "warning"):
                self.complaints.append(str(event["params"]["args"]))


def launch(
    profile: Path, read: int, write: int, flags: tuple[str, ...] = ()
) -> subprocess.Popen[bytes]:
    """Start the browser; the descriptors are ours to close."""
    program = chromium()
    assert program is not None
    high_read = fcntl.fcntl(read, fcntl.F_DUPFD, 64)
    high_write = fcntl.fcntl(write, fcntl.F_DUPFD, 64)
    try:
        return subprocess.Popen(
            [
                *(sys.executable, "-c", SHIM, str(high_read), str(high_write)),
                *(program, *FLAGS, *flags, f"--user-data-dir={profile}", "about:blank"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(high_read, high_write),
        )
    finally:
        os.close(high_read)
        os.close(high_write)
