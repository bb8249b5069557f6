"""A page in a browser, spoken to by the DevTools protocol through two pipes."""

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import signal
import time
from pathlib import Path

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
SECONDS = 120.0
_OPENED = ("test.opened", "Page.loadEventFired")


class Page:
    """A page of a headless Chromium; what it logs and what it asks the network for is kept."""

    def __init__(self, folder: Path) -> None:
        # the browser reads at 3 and writes at 4; the originals must not be in the way
        reads, self._writer = (_high(end) for end in os.pipe())
        self._reader, writes = (_high(end) for end in os.pipe())
        command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu"]
        command += ["--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-pipe"]
        command += [f"--user-data-dir={folder}", "about:blank"]
        null = os.open(os.devnull, os.O_RDWR)
        moves = [(os.POSIX_SPAWN_DUP2, reads, 3), (os.POSIX_SPAWN_DUP2, writes, 4)]
        moves += [(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
        own = {**os.environ, "HOME": str(folder)}
        self._pid = os.posix_spawn(str(CHROMIUM), command, own, file_actions=moves, setpgroup=0)
        for end in (reads, writes, null):
            os.close(end)
        self._numbers, self._rest, self.events = itertools.count(1), b"", []
        self._session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters):
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _next(self) -> dict:
        end = time.monotonic() + SECONDS
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._reader], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            part = os.read(self._reader, 2**20)
            assert part, "the browser has ended"
            self._rest += part
        first, _, self._rest = self._rest.partition(b"\0")
        return json.loads(first)

    def open(self, path: Path, width: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        self.events.append({"method": "test.opened"})
        self.call("Page.navigate", url=path.as_uri())
        while not self._is_loaded():
            self.events.append(self._next())

    def _is_loaded(self) -> bool:
        """Say whether the load event came after the last page was asked for."""
        last = [e["method"] for e in self.events if e.get("method") in _OPENED]
        return last[-1] == "Page.loadEventFired"

    def run(self, code: str):
        """Return the value of an expression; one that throws is an error."""
        answer = self.call("Runtime.evaluate", expression=code, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        code = {"Enter": 13, "Tab": 9}[key]
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if (kind, key) == ("keyDown", "Enter") else {}
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                **text,
            )

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        found = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def complaints(self) -> list[dict]:
        """Return exceptions, errors on the console and requests that leave the disk."""
        found = []
        for event in self.events:
            method, told = event.get("method"), event.get("params", {})
            url = told.get("request", {}).get("url", "file:")
            if (
                method == "Runtime.exceptionThrown"
                or (method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning"))
                or (method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"))
                or (
                    method == "Network.requestWillBeSent"
                    and not url.startswith(("file:", "data:", "about:"))
                )
            ):
                found.append(event)
        return found

    def close(self) -> None:
        with contextlib.suppress(AssertionError, OSError):
            self._session = None
            self.call("Browser.close")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._writer)
        os.close(self._reader)


def _high(end: int) -> int:
    """Move a file descriptor out of the way of those that the browser expects."""
    import fcntl

    moved = fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(end)
    return moved
