"""A spot check as the validator runs it: in a confined process, with evidence from the devnet's Hub."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from finest.devnet.hub.server import HubServer
from finest.settings import default_cache
from finest.validator.audit import audit
from finest.validator.evidence import evidence_hash, sign, total_of, write_evidence
from finest.validator.loop.verdict import run_spot_check
from finest.validator.loop.verdict_process import Job
from finest.validator.models import Beacon, Plan
from finest.validator.published.spot_check import Checked, Reported
from finest.validator.seed import make_seed
from tests.devnet.hub_client import client
from tests.validator.made import Published

from .made import HASH, Key

pytestmark = pytest.mark.nightly
FEW = Plan(rows=6, windows=3, window_pages=5)
ROOT = str(Path(__file__).parents[3])
SCRIPT = """
sys.path.insert(0, ROOT)
from pathlib import Path
from finest.validator.evidence import read_evidence
from finest.validator.published.batch import make_batch
from finest.validator.published.publish import publish_batch
from tests.validator.published.made import Key
key = Key("Victor")
batch, data = make_batch([read_evidence(Path("evidence.json"))], key, 1, None)
result = str(publish_batch(batch, data, "verdicts", Path("sending"), lambda _: None))
"""


def test_what_is_published_is_replayed(honest: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same is the same; what was reported otherwise differs, and so does what names no place."""
    key, home, plain = Key("Victor"), tmp_path / "home", honest.subject()
    seed = make_seed(HASH, plain.submission.line or "", key.address)
    changes = {"beacon": Beacon(block=157, hash=HASH), "validator": key.address, "seed": seed}
    subject = plain.model_copy(update=changes)
    evidence = sign(audit(subject, FEW, honest.context()), key)  # type: ignore[arg-type]
    home.mkdir()
    write_evidence(home / "evidence.json", evidence)
    own = subject.model_copy(update={"validator": plain.validator, "seed": plain.seed})
    said: list[str] = []

    def checked(score: float) -> Checked:
        reported = Reported(
            validator=key.address, evidence=place, sha256=evidence_hash(evidence), verdict="pass", score=score
        )
        job = Job(
            subject=own, plan=FEW, place=str(honest.folder), heldout=(), tier=1, device=None, tokens=1000,
            warcs=tuple(map(str, honest.warcs)), index=tmp_path / "index" / "fingerprints.db", cache=default_cache(),
            cc_https="http://127.0.0.1:1", cc_bucket="commoncrawl", reported=reported,
        )  # fmt: skip
        job.index.parent.mkdir(exist_ok=True)
        return run_spot_check(job, threading.Event(), said.append).checked

    with HubServer(tmp_path / "hub") as hub:
        script = f"ROOT = {ROOT!r}\n{SCRIPT}"
        place = client(home, hub, script, token=hub.add_user("victor"))
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        assert checked(total_of(evidence)) == Checked(), said
        assert checked(0.5).difference.startswith("total: ")
    place = place[:-4]
    assert checked(0.5).difference.endswith("that is OWNER/NAME@REVISION#ROOT")
