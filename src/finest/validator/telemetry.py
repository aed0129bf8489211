"""Optional telemetry to Weights & Biases: outcomes of verdicts and the weights that were set.

    telemetry = Telemetry.open("my-project", work / "telemetry", group=hotkey, say=say)     None: does nothing
    telemetry.verdict(evidence)
    telemetry.weights({hotkey: 0.7})
    telemetry.close()

The W&B client runs in a process of its own, which receives figures and hotkeys on its standard input, and only W&B's
own and a few system variables of the environment. Telemetry cannot slow down the validator: a call puts a line in a
bounded queue and returns, and if W&B or its client is unreachable, slow, broken or asks for a password, only that
process is affected.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finest.validator.models import Evidence

MAX_QUEUED = 1000
"""Maximum number of queued lines while W&B is unreachable, some hundred kB; the oldest are dropped beyond it."""
RETRY_S = 300.0
"""Wait before a client that ended by itself is restarted."""
POLL_S = 2.0
"""Interval at which the client's process is checked."""
CLOSE_S = 10.0
"""Time that the client may keep sending after the validator ends."""
FINISH_S = 60.0
"""Time that a client whose validator was killed tries to send its remaining figures."""
REFUSED = 2
"""Exit status of the client's process for a problem that the operator must solve, such as a missing key or project. The
client is then not restarted."""
_LOG = "telemetry.log"
_NEEDED = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "PYTHONPATH")
_NEEDED_KINDS = ("WANDB_", "LC_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "XDG_")


class Telemetry:
    """Sends figures to W&B. No call blocks or raises; without a project, calls do nothing."""

    def __init__(self) -> None:
        self._sender: _Sender | None = None

    @classmethod
    def open(
        cls, project: str | None, folder: Path, *, group: str = "", say: Callable[[str], None] = lambda _: None
    ) -> Telemetry:
        """Open telemetry for a project, `NAME` or `ENTITY/NAME`; None disables telemetry.

        It uses the account from `wandb login` or WANDB_API_KEY. `folder` holds the client's own files; `group` is the
        name under which W&B shows the runs of one validator together.
        """
        telemetry = cls()
        if project is None:
            return telemetry
        if importlib.util.find_spec("wandb") is None:
            say("No telemetry: wandb is not installed: pip install 'finest-data[wandb]'")
            return telemetry
        telemetry._sender = _Sender(project, folder.expanduser().absolute(), group, say)
        return telemetry

    def verdict(self, evidence: Evidence) -> None:
        """Send the result of an audit: its outcome, the factors of the score, and the figures behind them."""
        found: dict[str, Any] = {
            f"verdict/{name}": evidence.verdict == name for name in ("pass", "fail", "no_evidence")
        }
        found |= {"verdict/uid": evidence.subject.submission.uid, "verdict/total": evidence.total}
        for part in (evidence.score, evidence.measured):
            found |= {f"verdict/{name}": value for name, value in (asdict(part) if part else {}).items()}
        self.figures(found)

    def weights(self, weights: Mapping[str, float]) -> None:
        """Send each hotkey's share of the weights, as set on the chain."""
        whole = sum(weights.values())
        if whole > 0:
            shares = {hotkey: weight / whole for hotkey, weight in weights.items()}
            self.figures({f"weight/{hotkey}": share for hotkey, share in shares.items()})
            self.figures({"weights/hotkeys": sum(map(bool, shares.values())), "weights/largest": max(shares.values())})

    def figures(self, figures: Mapping[str, Any]) -> None:
        """Send figures by name; values that are not finite numbers are left out."""
        numbers = {
            name: +value for name, value in figures.items() if isinstance(value, int | float) and isfinite(value)
        }
        if self._sender is not None and numbers:
            self._sender.put(numbers)

    def close(self) -> None:
        """Send the queued figures, for at most CLOSE_S, and stop."""
        if self._sender is not None:
            self._sender.close()
            self._sender = None


class _Sender:
    """A thread that starts the client's process and passes it the queued figures."""

    def __init__(self, project: str, folder: Path, group: str, say: Callable[[str], None]) -> None:
        self._project, self._folder, self._group, self._say = project, folder, group, say
        self._waiting: deque[dict[str, float]] = deque(maxlen=MAX_QUEUED)
        self._new, self._closing = threading.Condition(), threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._work, name="telemetry", daemon=True)
        self._thread.start()

    def put(self, figures: dict[str, float]) -> None:
        with self._new:
            self._waiting.append(figures)
            self._new.notify()

    def close(self) -> None:
        with self._new:
            self._closing.set()
            self._new.notify()
        self._thread.join(CLOSE_S)
        if (process := self._process) is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # includes the client's own helper process
            process.wait()

    def _work(self) -> None:
        while self._any_waits():
            try:
                status = self._send()
            except OSError as error:
                status, why = REFUSED, str(error)
            else:
                why = self._last_words()
            if self._closing.is_set():
                return
            if status == REFUSED:
                self._say(f"No telemetry: {why}")
                return
            self._say(f"Telemetry ended ({why}) and starts again in {RETRY_S:.0f} s")
            self._closing.wait(RETRY_S)

    def _any_waits(self, process: subprocess.Popen[bytes] | None = None) -> bool:
        """Wait for a line to send; False if there will be no more or the process has ended."""
        while process is None or process.poll() is None:
            with self._new:
                if self._new.wait_for(lambda: self._waiting or self._closing.is_set(), POLL_S):
                    return bool(self._waiting)
        return False

    def _next(self, process: subprocess.Popen[bytes]) -> dict[str, float] | None:
        return self._waiting.popleft() if self._any_waits(process) else None

    def _send(self) -> int:
        """Pass lines to a client until it ends or all are sent; returns its exit status."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / _LOG).open("wb") as log:
            process = self._process = subprocess.Popen(  # noqa: S603 - this file
                [sys.executable, "-m", __name__, self._project, self._group],
                stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=self._folder, env=_environment(),
                start_new_session=True,
            )  # fmt: skip
        assert process.stdin is not None
        try:
            with process.stdin as lines:
                while (figures := self._next(process)) is not None:
                    lines.write(json.dumps(figures).encode() + b"\n")
                    lines.flush()
        except BrokenPipeError:
            pass  # the client has ended, and one line is lost with it
        return process.wait()

    def _last_words(self) -> str:
        words = (self._folder / _LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return words[-1][-300:] if words else "it said nothing"


def _environment() -> dict[str, str]:
    """Return the W&B and system variables; no wallet password, Hub token or database address is among them."""
    return {k: v for k, v in os.environ.items() if k in _NEEDED or k.upper().startswith(_NEEDED_KINDS)}


def _client(project: str, group: str) -> int:
    """Run the client's process: log the figures on standard input to a run of the project; returns the exit status."""
    import wandb

    entity, _, name = project.rpartition("/")
    try:
        settings = wandb.Settings(
            silent=True, console="off", save_code=False, disable_git=True, disable_code=True, x_disable_meta=True,
            x_disable_stats=True, x_disable_machine_info=True, x_save_requirements=False, host="validator", program="",
            finish_timeout=FINISH_S,
        )  # fmt: skip
        run = wandb.init(project=name, entity=entity or None, group=group or None, dir=".", settings=settings)
    except (wandb.errors.UsageError, wandb.errors.AuthenticationError, ValueError) as error:
        sys.stderr.write(f"\n{' '.join(str(error).split())}\n")
        return REFUSED
    for line in sys.stdin:
        run.log(json.loads(line))
    run.finish()
    return 0


if __name__ == "__main__":
    sys.exit(_client(*sys.argv[1:]))
