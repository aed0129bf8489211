"""From a WARC to a dataset that anybody can load, open and prove, on the devnet's Hub."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from finest.dataset.manifest import Manifest, read_manifest, root_of, write_manifest
from finest.dataset.rows import VERDICT_SCHEMA, batch_of, rows_of, verdict_batch
from finest.dataset.shards import ShardWriter
from finest.devnet.hub.server import HubServer
from tests.dataset.made import DUMP, make_dataset, row, verdict
from tests.deep import NIGHTLY, sampled
from tests.devnet.hub_client import client, environment
from tests.e2e.command import SAMPLE, command, finest, root

PEAK = """
import os, sys
pid = os.posix_spawn(sys.executable, sys.argv[1:], os.environ)
_, status, used = os.wait4(pid, 0)
print(used.ru_maxrss * 1024)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Says the most memory that a command held. From a small process, for a new one begins with its parent's peak."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """A Hub of one's own."""
    with HubServer(tmp_path_factory.mktemp("hub")) as server:
        yield server


@pytest.fixture(scope="module")
def env(hub: HubServer, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> dict[str, str]:
    """What alice's programs are told; Xet, as users get it."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("FINEST_", "XDG_"))}
    alice = environment(tmp_path_factory.mktemp("alice"), hub, hub.add_user("alice"), xet=True)
    return {"FINEST_CACHE": str(cache)} | kept | alice


@pytest.fixture(scope="module")
def refined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, refined."""
    out = tmp_path_factory.mktemp("refined") / "sample"
    finest("refine", SAMPLE, "--out", out, "--quiet")
    return out


@pytest.fixture(scope="module")
def place(env: dict[str, str], refined: Path) -> str:
    """Where the sample's dataset was published."""
    return "alice/sample@" + finest("publish", refined, "--hf_repo", "sample", env=env).stdout.splitlines()[-1]


def test_anybody_proves_it(env: dict[str, str], place: str, refined: Path) -> None:
    """`finest verify REPO@REVISION` gives the same root, from a few ranges; in a nightly run from everything too."""
    for full in ((), ("--full",)) if NIGHTLY else ((),):
        done = finest("verify", place, "--source", SAMPLE, "--sample", 10, "--seed", 1, *full, env=env)
        assert f"verified: root {root(refined)}" in done.stdout
        assert "10 pages judged again (5 kept, the rest dropped): all as stored" in done.stdout


@pytest.mark.nightly
def test_a_source_that_is_gone_is_no_evidence(env: dict[str, str], place: str) -> None:
    """What cannot be looked at is said, and is neither a lie nor verified."""
    done = finest("verify", place, "--sample", 2, env=env, check=False)
    assert done.returncode == 75
    assert "2 pages could not be judged again" in done.stdout
    assert "files agree, rows NOT verified" in done.stdout


@pytest.mark.nightly
def test_open_shows_what_it_is(env: dict[str, str], place: str, refined: Path) -> None:
    """Recipe, sources, sizes, root and rows, on the Hub as in the folder."""
    shown = finest("open", f"{place}#{root(refined)}", env=env).stdout
    assert "recipe     fineweb, hash" in shown and root(refined) in shown and "sample.warc.gz" in shown
    remote = json.loads(finest("open", place, "--json", env=env).stdout)
    local = json.loads(finest("open", refined, "--json", env=env).stdout)
    assert remote.pop("where") == place
    assert local.pop("where") == str(refined)
    assert remote == local


@pytest.mark.nightly
def test_a_selection_from_the_hub_names_its_parent(
    env: dict[str, str], place: str, refined: Path, tmp_path: Path
) -> None:
    """Selected by ranges, published, and compared with its parent, all by repository and revision."""
    where = "token_count >= 300"
    finest("select", place, "--where", where, "--out", tmp_path / "some", env=env)
    finest("select", refined, "--where", where, "--out", tmp_path / "local")
    some, local = read_manifest(tmp_path / "some"), read_manifest(tmp_path / "local")
    assert (some.root, some.shards, some.verdicts) == (local.root, local.shards, local.verdicts)
    assert some.selections[0].parent == place
    assert f"finest verify dataset --parent {place}" in (tmp_path / "some" / "README.md").read_text()
    revision = finest("publish", tmp_path / "some", "--hf_repo", "some", env=env).stdout.splitlines()[-1]
    done = finest("verify", f"alice/some@{revision}", "--parent", place, "--source", SAMPLE, env=env)
    assert f"verified: root {some.root}" in done.stdout and f"all rows of the parent that do: {place}" in done.stdout


@pytest.mark.nightly
def test_load_dataset_gives_the_rows(hub: HubServer, place: str, refined: Path, tmp_path: Path) -> None:
    """`load_dataset`, as the card says."""
    pytest.importorskip("datasets")
    repo, sha = place.split("@")
    script = f"""
        from datasets import load_dataset
        rows = load_dataset("{repo}", revision="{sha}", split="train")
        result = [rows.num_rows, rows.column_names[0], sorted(rows["row_hash"])]"""
    count, first, hashes = client(tmp_path, hub, script)
    assert (count, first) == (read_manifest(refined).rows, "text")
    assert len(set(hashes)) == count


@pytest.mark.nightly
def test_forged_rows_are_caught(env: dict[str, str], refined: Path, tmp_path: Path) -> None:
    """A text that the WARC record does not give, with honest hashes, sizes and root, is found by judging it again."""
    forged = tmp_path / "forged"
    subprocess.run(["cp", "-r", refined, forged], check=True)
    manifest = read_manifest(forged)
    write_manifest(forged, _with_forged_rows(forged, manifest))
    place = "alice/forged@" + finest("publish", forged, "--hf_repo", "forged", env=env).stdout.splitlines()[-1]
    done = finest("verify", place, "--source", SAMPLE, "--sample", 10, env=env, check=False)
    assert done.returncode == 7
    assert "differs from what its WARC record gives" in done.stderr


def _with_forged_rows(folder: Path, manifest: Manifest) -> Manifest:
    from finest.dataset.open import open_dataset

    with open_dataset(str(folder)) as dataset:
        honest = dataset.sample(manifest.rows, 0).combine_chunks().to_batches()[0]
    batch = batch_of([replace(row, text=row.text + " Buy now!") for row in rows_of(honest)])
    prefix = manifest.shards[0].path.removesuffix("_00000.parquet")
    with ShardWriter(folder, prefix) as writer:
        writer.write(batch)
    root = root_of(writer.roots, writer.shards)
    changes = {"shards": tuple(writer.shards), "roots": writer.roots, "root": root}
    return Manifest.model_validate_json(manifest.model_copy(update=changes).model_dump_json())


@pytest.mark.parametrize("xet", sampled([False, True]), ids=["lfs", "xet"])
@pytest.mark.slow
@pytest.mark.nightly
def test_memory_is_flat(env: dict[str, str], large: Path, xet: bool) -> None:
    """600 MB of rows that hardly compress are published with a peak below 600 MB, 160 MB of which are the programs.

    Half of the rows take 450 MB by Xet, which holds up to 300 MB of what it sends, and all of them 500 MB.
    """
    told = env if xet else env | {"HF_HUB_DISABLE_XET": "1"}
    script = [sys.executable, "-c", PEAK, *command("publish", large, "--hf_repo", f"large-{xet}")]
    done = subprocess.run(script, env=told, capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) < 600e6


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard of 600 MB, and a manifest for it."""
    folder = tmp_path_factory.mktemp("large")
    count, tokens = 120_000, 0
    with ShardWriter(folder, f"data/{DUMP}/000") as writer:
        for first in range(0, count, 500):
            rows = [row(n, text=base64.b64encode(os.urandom(5_000)).decode()) for n in range(first, first + 500)]
            writer.write(batch_of(rows))
            tokens += sum(r.token_count for r in rows)
    with ShardWriter(folder, f"verdicts/{DUMP}/000", VERDICT_SCHEMA) as is_judged:
        is_judged.write(verdict_batch([verdict(row(n)) for n in range(count)]))
    small = make_dataset(folder / "small").manifest.model_dump(mode="json")
    changed = {
        "shards": [shard.model_dump() for shard in writer.shards],
        "verdicts": [shard.model_dump() for shard in is_judged.shards],
        "sources": [small["sources"][0] | {"pages": count, "records": count}],
        "rows": count, "token_count": tokens, "roots": writer.roots,
        "root": root_of(writer.roots, writer.shards),
        "languages": {"en": count}, "reasons": {"kept": count},
    }  # fmt: skip
    write_manifest(folder, Manifest.model_validate_json(json.dumps(small | changed)))
    return folder


def test_a_call_has_a_deadline(env: dict[str, str]) -> None:
    """huggingface_hub's own default is none for some calls; a user's bounds on Xet are left alone."""
    script = (
        "import os; from finest.dataset.hub import Hub; Hub();"
        "from huggingface_hub import get_session; print(get_session().timeout.read,"
        "os.environ['HF_XET_CLIENT_AC_MAX_UPLOAD_CONCURRENCY'],"
        "os.environ['HF_XET_DATA_MAX_CONCURRENT_FILE_INGESTION'])"
    )
    told = env | {"HF_XET_CLIENT_AC_MAX_UPLOAD_CONCURRENCY": "7"}
    done = subprocess.run([sys.executable, "-c", script], env=told, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["120.0", "7", "1"]
