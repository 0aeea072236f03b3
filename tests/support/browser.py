"""A real browser, driven through its pipe: Debian's chromium, without any further package."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import Self

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-extensions"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio"),
)


class Browser:
    """One page of a browser that was started for it."""

    def __init__(self) -> None:
        assert CHROMIUM is not None
        self._folder = tempfile.TemporaryDirectory()
        read, theirs_out = os.pipe()
        theirs_in, write = os.pipe()

        def place() -> None:
            # The browser reads 3 and writes 4. Copies come first: one of the ends may be 3 or 4 itself.
            here, there = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(here, 3)
            os.dup2(there, 4)

        self._process = subprocess.Popen(
            [CHROMIUM, *_FLAGS, f"--user-data-dir={self._folder.name}", "--remote-debugging-pipe", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=place,  # noqa: PLW1509 - nothing else runs in this process meanwhile
            env={**os.environ, "HOME": self._folder.name},
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._write, self._read, self._left, self._number = write, read, b"", 0
        self.events: list[dict[str, Any]] = []
        """What the browser told by itself: requests, messages of the console, dialogs."""
        targets = self._ask("Target.getTargets")["targetInfos"]
        target = next(each["targetId"] for each in targets if each["type"] == "page")
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.ask(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._write)
        os.close(self._read)
        self._folder.cleanup()

    def open(self, file: Path, width: int, height: int = 900, dark: bool = False, anchor: str = "") -> None:
        """Show a file in a window of that size, and wait until it is there."""
        self.events.clear()
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.ask("Emulation.setDeviceMetricsOverride", **size)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.ask("Emulation.setEmulatedMedia", features=scheme)
        self.ask("Page.navigate", url=f"{file.as_uri()}{anchor}")
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._take(self._next())

    def value(self, script: str) -> Any:
        """What an expression is on the page. It is run by this test, not by the page."""
        told = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def press(self, key: str, code: int) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def picture(self, file: Path, whole: bool = False) -> None:
        """What is to be seen, as a PNG."""
        file.write_bytes(
            base64.b64decode(self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"])
        )

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command for the page."""
        return self._ask(method, self._session, **parameters)

    def _ask(self, method: str, session: str = "", /, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        said = {"id": self._number, "method": method, "params": parameters}
        os.write(self._write, json.dumps({**said, **({"sessionId": session} if session else {})}).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self._number:
                assert "error" not in told, told
                answer: dict[str, Any] = told["result"]
                return answer
            self._take(told)

    def _take(self, told: dict[str, Any]) -> None:
        if "method" in told:
            self.events.append(told)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            received = os.read(self._read, 1 << 20)
            assert received, "the browser has ended"
            self._left += received
        line, _, self._left = self._left.partition(b"\0")
        told: dict[str, Any] = json.loads(line)
        return told
