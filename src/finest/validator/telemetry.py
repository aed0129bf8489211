"""Optional telemetry to Weights & Biases: outcomes of verdicts and the weights that were set.

    telemetry = Telemetry.open("my-project", work / "telemetry", group=hotkey, say=say)     None: does nothing
    telemetry.verdict(evidence)
    telemetry.weights({hotkey: 0.7})
    telemetry.close()

Its client runs in a process of its own, which gets figures and hotkeys on its standard input, W&B's own variables and
no other of the environment. So it costs the validator nothing: a call puts a line in a bounded queue and returns, and
whatever W&B or its client do, away, slow, broken or asking for a password, stays there.
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
"""Lines that wait at the most while W&B is away, some hundred kB; then the oldest go."""
RETRY_S = 300.0
"""Between two starts of a client that ended by itself."""
POLL_S = 2.0
"""How soon it is seen that a client has ended."""
CLOSE_S = 10.0
"""How long it may send on when the validator ends."""
FINISH_S = 60.0
"""How long a client whose validator was killed tries to send what it has."""
REFUSED = 2
"""Exit status of the client's process where a person is needed: no key, no such project. It is not started again."""
_LOG = "telemetry.log"
_NEEDED = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "PYTHONPATH")
_NEEDED_KINDS = ("WANDB_", "LC_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "XDG_")


class Telemetry:
    """Where figures go. No call blocks or raises; without a project none does anything."""

    def __init__(self) -> None:
        self._sender: _Sender | None = None

    @classmethod
    def open(
        cls, project: str | None, folder: Path, *, group: str = "", say: Callable[[str], None] = lambda _: None
    ) -> Telemetry:
        """For that project, `NAME` or `ENTITY/NAME`, of whom `wandb login` or WANDB_API_KEY says; None is for nobody.

        `folder` is for the client's own files, `group` the name under which runs of one validator are shown together.
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
        """What an audit found: its outcome, the factors of the score, and the figures that they follow from."""
        found: dict[str, Any] = {
            f"verdict/{name}": evidence.verdict == name for name in ("pass", "fail", "no_evidence")
        }
        found |= {"verdict/uid": evidence.subject.submission.uid, "verdict/total": evidence.total}
        for part in (evidence.score, evidence.measured):
            found |= {f"verdict/{name}": value for name, value in (asdict(part) if part else {}).items()}
        self.figures(found)

    def weights(self, weights: Mapping[str, float]) -> None:
        """The share of each hotkey, as it was set on the chain."""
        whole = sum(weights.values())
        if whole > 0:
            shares = {hotkey: weight / whole for hotkey, weight in weights.items()}
            self.figures({f"weight/{hotkey}": share for hotkey, share in shares.items()})
            self.figures({"weights/hotkeys": sum(map(bool, shares.values())), "weights/largest": max(shares.values())})

    def figures(self, figures: Mapping[str, Any]) -> None:
        """Any figures by their names; what is no finite number is left out."""
        numbers = {
            name: +value for name, value in figures.items() if isinstance(value, int | float) and isfinite(value)
        }
        if self._sender is not None and numbers:
            self._sender.put(numbers)

    def close(self) -> None:
        """Send what waits, for CLOSE_S at the most, and end."""
        if self._sender is not None:
            self._sender.close()
            self._sender = None


class _Sender:
    """A thread that starts the client's process and hands it what waits."""

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
            os.killpg(process.pid, signal.SIGKILL)  # the client's own helper too
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
            self._say(f"Telemetry ended ({why}) and begins anew in {RETRY_S:.0f} s")
            self._closing.wait(RETRY_S)

    def _any_waits(self, process: subprocess.Popen[bytes] | None = None) -> bool:
        """Wait for a line to be sent; False when there will be no more, or the process has ended."""
        while process is None or process.poll() is None:
            with self._new:
                if self._new.wait_for(lambda: self._waiting or self._closing.is_set(), POLL_S):
                    return bool(self._waiting)
        return False

    def _next(self, process: subprocess.Popen[bytes]) -> dict[str, float] | None:
        return self._waiting.popleft() if self._any_waits(process) else None

    def _send(self) -> int:
        """Hand lines to a client until it ends, or all is said; its exit status."""
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
            pass  # it has ended, and one line with it
        return process.wait()

    def _last_words(self) -> str:
        words = (self._folder / _LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return words[-1][-300:] if words else "it said nothing"


def _environment() -> dict[str, str]:
    """W&B's settings and the system's: no wallet's password, no token of the Hub's, no database."""
    return {k: v for k, v in os.environ.items() if k in _NEEDED or k.upper().startswith(_NEEDED_KINDS)}


def _client(project: str, group: str) -> int:
    """The client's process: a run of that project, with the figures on standard input. Gives the exit status."""
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
