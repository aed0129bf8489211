"""Figures for Weights & Biases: they leave the validator, and nothing else does; and W&B may do what it likes."""

from __future__ import annotations

import importlib.util
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finest.validator import telemetry
from finest.validator.models import Assignment, Evidence, Plan, Subject, Submission, Versions
from finest.validator.score import Measured, score
from finest.validator.telemetry import Telemetry

HERE = importlib.util.find_spec("wandb") is not None
real = pytest.mark.skipif(not HERE, reason="wandb is not installed: pip install 'finest-data[wandb]'")
HOTKEY = "5" + "A" * 47
SECRET = "a row's own text"
PATIENCE_S = 60.0
MEASURED = Measured(
    admissible=True, rows_checked=100, rows_bad=1, pages_checked=200, pages_missed=2, unique_tokens=900_000,
    reference_tokens=1_000_000, bpb=1.41, bpb_reference=1.4, bpb_raw=1.6, error_bpb=0.01, blocks_used=10,
    blocks_allowed=100,
)  # fmt: skip


def evidence() -> Evidence:
    """A verdict whose words hold a stranger's text."""
    found = score(MEASURED)
    return Evidence(
        subject=Subject(
            submission=Submission(repo="alice/web", hotkey=HOTKEY, uid=7), task=Assignment(warcs=("s3://w",)),
            seed="0" * 64,
        ),
        plan=Plan(), versions=Versions(finest="1", python="3.11", libraries={}, recipes={}), admission=(),
        measured=MEASURED, score=found, total=found.total, verdict="pass", why=SECRET,
    )  # fmt: skip


def until(true: Callable[[], object]) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No account of whoever runs the tests."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HF_TOKEN", SECRET)


def test_without_a_project_nothing_is_done(tmp_path: Path) -> None:
    """No thread, no folder, no error."""
    threads = threading.active_count()
    nobody = Telemetry.open(None, tmp_path / "telemetry")
    nobody.verdict(evidence())
    nobody.weights({HOTKEY: 1.0})
    nobody.close()
    assert threading.active_count() == threads
    assert not (tmp_path / "telemetry").exists()


def test_without_the_client_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the validator goes on."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    said: list[str] = []
    found = Telemetry.open("finest", tmp_path, say=said.append)
    found.verdict(evidence())
    found.close()
    assert said == ["No telemetry: wandb is not installed: pip install 'finest-data[wandb]'"]


def test_figures_and_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers by their names; weights as shares; what is infinite, missing or a text is left out."""
    sent: list[dict[str, Any]] = []
    found = Telemetry()
    monkeypatch.setattr(found, "_sender", type("Sender", (), {"put": staticmethod(sent.append)}))
    found.verdict(evidence().model_copy(update={"total": float("inf")}))
    found.weights({HOTKEY: 3.0, "5B": 1.0, "5C": 0.0})
    found.figures({"text": SECRET, "none": None})
    verdict, shares, summary = sent
    assert verdict.items() >= {
        "verdict/pass": 1, "verdict/fail": 0, "verdict/no_evidence": 0, "verdict/uid": 7, "verdict/rows_checked": 100,
        "verdict/rows_bad": 1, "verdict/bpb": 1.41, "verdict/honesty": 0.9, "verdict/recall": 0.99,
    }.items()  # fmt: skip
    assert "verdict/total" not in verdict
    assert all(type(value) in (int, float) for value in verdict.values())
    assert shares == {f"weight/{HOTKEY}": 0.75, "weight/5B": 0.25, "weight/5C": 0.0}
    assert summary == {"weights/hotkeys": 2, "weights/largest": 0.75}


def test_the_client_gets_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the environment, W&B's own variables and the system's."""
    monkeypatch.setenv("WANDB_API_KEY", "w")
    monkeypatch.setenv("BT_PW_HOTKEY", SECRET)
    given = telemetry._environment()
    assert given["WANDB_API_KEY"] == "w"
    assert "PATH" in given
    assert not {"HF_TOKEN", "BT_PW_HOTKEY"} & given.keys()


@real
def test_figures_reach_the_real_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline it writes what it would send: the figures, no text, no secret, nothing of the machine."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    said: list[str] = []
    found = Telemetry.open("me/finest", tmp_path / "telemetry", group=HOTKEY, say=said.append)
    found.verdict(evidence())
    found.weights({HOTKEY: 1.0})
    found.close()
    (record,) = (tmp_path / "telemetry").rglob("run-*.wandb")
    data = record.read_bytes()
    for word in ("finest", HOTKEY, "verdict/rows_bad", f"weight/{HOTKEY}"):
        assert word.encode() in data
    for word in (SECRET, "alice/web", str(tmp_path), socket.gethostname()):
        assert word.encode() not in data
    assert said == []


@real
def test_without_a_key_it_is_said_once(tmp_path: Path) -> None:
    """Nobody is asked for one, and it is not tried again."""
    said: list[str] = []
    found = Telemetry.open("finest", tmp_path / "telemetry", say=said.append)
    found.weights({HOTKEY: 1.0})
    until(lambda: said)
    for _ in range(3 * telemetry.MAX_QUEUED):
        found.weights({HOTKEY: 1.0})
    found.close()
    assert said == ["No telemetry: No API key configured. Use `wandb login` to log in."]


@real
def test_a_service_that_never_answers_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls return, what waits is bounded, and the end is not waited for."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
        monkeypatch.setattr(telemetry, "CLOSE_S", 0.2)
        found = Telemetry.open("finest", tmp_path / "telemetry")
        sender = found._sender
        assert sender is not None
        found.figures({"first": 1})
        until(lambda: sender._process is not None)
        for number in range(20 * telemetry.MAX_QUEUED):
            found.figures({"figure": number})
        assert len(sender._waiting) <= telemetry.MAX_QUEUED
        found.close()
        assert sender._process is not None
        assert sender._process.returncode is not None


def test_a_client_that_dies_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, with what waits, and it is said why."""
    (tmp_path / "lib" / "wandb").mkdir(parents=True)
    (tmp_path / "lib" / "wandb" / "__init__.py").write_text("raise SystemExit('out of order')\n")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"), prepend=":")
    monkeypatch.setattr(telemetry, "RETRY_S", 0.01)
    said: list[str] = []
    found = Telemetry.open("finest", tmp_path / "telemetry", say=said.append)
    until(lambda: found.figures({"figure": 1}) or len(said) >= 2)
    found.close()
    assert set(said) == {"Telemetry ended (out of order) and starts again in 0 s"}
