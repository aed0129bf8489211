"""A headless Chromium that is driven over WebDriver (https://www.w3.org/TR/webdriver2/), without a client library."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

START_S = 30.0
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {"left": "\ue012", "right": "\ue014"}


class Browser:
    """One window."""

    def __init__(self, session: str) -> None:
        self._session = session

    def ask(self, method: str, path: str, **body: Any) -> Any:
        more = {"json": body} if method == "POST" else {}
        answer = requests.request(method, self._session + path, timeout=60, **more)
        value = answer.json()["value"]
        assert answer.ok, value
        return value

    def open(self, address: str) -> None:
        self.ask("POST", "/url", url=address)

    def run(self, script: str) -> Any:
        """Run a script in the page; what it returns."""
        return self.ask("POST", "/execute/sync", script=script, args=[])

    def text(self, selector: str) -> str:
        return str(self.run(f"return document.querySelector({selector!r}).textContent"))

    def press(self, key: str) -> None:
        keys = [{"type": kind, "value": KEYS.get(key, key)} for kind in ("keyDown", "keyUp")]
        self.ask("POST", "/actions", actions=[{"type": "key", "id": "keyboard", "actions": keys}])

    def click(self, selector: str) -> None:
        found = self.ask("POST", "/element", using="css selector", value=selector)
        self.ask("POST", f"/element/{found[_ELEMENT]}/click")

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))

    def wait(self, done: Callable[[], bool]) -> None:
        """Wait until something is true of the page."""
        deadline = time.monotonic() + START_S
        while not done():
            assert time.monotonic() < deadline, self.text("body")
            time.sleep(0.02)


@contextmanager
def browser(home: Path) -> Iterator[Browser]:
    """A browser with an empty profile in `home`; skips the test where Chromium is not installed."""
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or chromium is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium chromium-driver)")
    log = home / "driver.log"
    with log.open("wb") as out:
        process = subprocess.Popen([driver, "--port=0"], stdout=out, stderr=out, env={**os.environ, "HOME": str(home)})
    try:
        port = _port(process, log)
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server",
                     "--window-size=1000,700", f"--user-data-dir={home / 'profile'}"]  # fmt: skip
        options = {"binary": chromium, "args": arguments}
        wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}}
        base = f"http://127.0.0.1:{port}/session"
        answer = requests.post(base, json=wanted, timeout=60).json()["value"]
        assert "sessionId" in answer, answer
        yield Browser(f"{base}/{answer['sessionId']}")
        requests.delete(f"{base}/{answer['sessionId']}", timeout=60)
    finally:
        process.terminate()
        process.wait(300)


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(rb"started successfully on port (\d+)", log.read_bytes()):
            return int(found[1])
        time.sleep(0.05)
    raise AssertionError(log.read_text())
