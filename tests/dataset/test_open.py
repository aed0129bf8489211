"""Opening: what is read is what was made; what a stranger made to do harm is refused, soon and cheaply."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finest.dataset import limits
from finest.dataset.confined_reader import Confined
from finest.dataset.manifest import parse_manifest
from finest.dataset.open import open_dataset
from finest.dataset.rows import SCHEMA, batch_of, verdict_batch
from finest.dataset.shards import ShardWriter
from finest.devnet.hub.server import HubServer
from finest.errors import RunError, UsageError, VerifyError
from finest.sandbox import landlock, seccomp
from tests.deep import sampled
from tests.devnet.hub_client import client, environment
from tests.e2e.command import finest

from .made import DUMP, Made, make_dataset, manifest_of, row, verdict, write_shards

SOON_S = 30.0
"""No hostile file may hold up who opens it longer."""
GROUP_ROWS = 5_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A dataset of 12,000 rows in 3 row groups of 2 files."""
    folder = tmp_path_factory.mktemp("large")
    rows = [row(n) for n in range(12_000)]
    verdicts = [verdict(r) for r in rows]
    _, judged = write_shards(folder, [], verdicts)
    shards = []
    for number, part in enumerate((rows[:7_000], rows[7_000:])):
        with ShardWriter(folder, f"data/{DUMP}/{number:03d}") as writer:
            writer.write(batch_of(part))
        shards += writer.shards
    manifest = manifest_of(rows, verdicts, shards, judged)
    (folder / "manifest.json").write_text(manifest.model_dump_json(indent=1))
    return Made(folder, manifest)


def test_row_groups(large: Made) -> None:
    """Groups are numbered through all files, and say which rows they hold."""
    with open_dataset(str(large.folder)) as dataset:
        groups = dataset.row_groups()
        assert [(g.path[-17:], g.number, g.first_row, g.rows) for g in groups] == [
            ("000_00000.parquet", 0, 0, 5_000),
            ("000_00000.parquet", 1, 5_000, 2_000),
            ("001_00000.parquet", 0, 7_000, 5_000),
        ]
        assert sum(g.rows for g in dataset.verdict_groups()) == 12_000


def test_rows_come_as_they_were_asked_for(large: Made) -> None:
    """In any order, from any file, twice if asked twice; verdicts likewise."""
    wanted = [11_999, 0, 6_999, 7_000, 0, 4_999, 5_000]
    with open_dataset(str(large.folder)) as dataset:
        assert dataset.read_rows(wanted).equals(pa.Table.from_batches([batch_of([row(n) for n in wanted])]))
        expected = pa.Table.from_batches([verdict_batch([verdict(row(n)) for n in wanted])])
        assert dataset.read_verdicts(wanted).equals(expected)
        assert dataset.read_rows([]).num_rows == 0
        with pytest.raises(IndexError):
            dataset.read_rows([12_000])


def test_a_sample_is_of_the_datasets_rows(large: Made) -> None:
    """A seed draws the same rows again; without replacement; all rows where there are fewer."""
    with open_dataset(str(large.folder)) as dataset:
        drawn = sorted(random.Random(7).sample(range(12_000), 20))
        assert dataset.sample(20, 7)["id"].to_pylist() == [row(n).id for n in drawn]
        assert dataset.sample(20, 7).equals(dataset.sample(20, 7))
        dataset.check_root()


def test_an_empty_dataset(tmp_path: Path) -> None:
    """No rows are no error."""
    with open_dataset(str(make_dataset(tmp_path, kept=0).folder)) as dataset:
        assert dataset.sample(5, 1).num_rows == 0
        assert dataset.row_groups() == []
        dataset.check_root()


@pytest.mark.parametrize("where", ["no-such-folder", "a/b", "a/b@main"])
def test_a_place_is_a_folder_or_a_pinned_revision(where: str) -> None:
    """What may change tomorrow is not opened."""
    with pytest.raises(UsageError):
        open_dataset(where)


# Parquet that was made to do harm. Each is stated honestly in the manifest, so that only its content can give it away.


def forged(folder: Path, data: bytes, rows: int) -> Path:
    """A dataset whose shard holds those bytes."""
    made = make_dataset(folder, kept=rows)
    shard = made.manifest.shards[0]
    (folder / shard.path).write_bytes(data)
    stated = {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest = made.changed(shards=(shard.model_copy(update=stated),))
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return folder


def parquet(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", store_schema=False, **options)
    return bytes(sink.getvalue())


def rows_table(count: int, **columns: pa.Array) -> pa.Table:
    """Rows of the right schema, some columns of which are others."""
    batch = batch_of([row(n) for n in range(count)])
    arrays = [columns.get(name, batch.column(number)) for number, name in enumerate(SCHEMA.names)]
    return pa.table(arrays, names=SCHEMA.names)


def dictionary_bomb() -> bytes:
    """5,000 rows that all point at one text of 60 MB: 300 GB once it is unpacked, a few kilobytes before."""
    text = pa.DictionaryArray.from_arrays(pa.array([0] * GROUP_ROWS, pa.int32()), pa.array(["a" * 60_000_000]))
    table = rows_table(GROUP_ROWS, text=text)
    return parquet(table, use_dictionary=["text"], dictionary_pagesize_limit=1 << 30, row_group_size=GROUP_ROWS)


def page_bomb() -> bytes:
    """300 texts of 1 MB of the same letter, which take 50 kB."""
    return parquet(rows_table(300, text=pa.array(["a" * 1_000_000] * 300)), use_dictionary=False)


def long_footer() -> bytes:
    """Says that its footer is 200 MB, and it is."""
    return b"PAR1" + b"\x15" * 200_000_000 + struct.pack("<I", 200_000_000) + b"PAR1"


def footer_of_lists() -> bytes:
    """A footer of 15 MB that opens lists in lists: each byte would become hundreds."""
    body = (b"\x15\x02\x19\xfc" + b"\xff\xff\x3f" + b"\x00" * 15_000_000)[:15_000_000]
    return b"PAR1" + body + struct.pack("<I", len(body)) + b"PAR1"


def footer_past_the_file() -> bytes:
    """A footer longer than the file."""
    return b"PAR1" + b"x" * 100 + struct.pack("<I", 4_000_000_000) + b"PAR1"


def altered_row() -> bytes:
    """A text that is not the one that was hashed."""
    texts = [row(n).text for n in range(40)]
    return parquet(rows_table(40, text=pa.array(["Buy now!", *texts[1:]])))


def one_row_groups() -> bytes:
    """300 rows in 300 row groups: whoever reads them by ranges asks 300 times for nothing."""
    return parquet(rows_table(300), row_group_size=1)


HOSTILE: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "page bomb": (page_bomb, 300, "row group 0 is larger"),
    "long footer": (long_footer, 40, "a footer of 200000000 bytes"),
    "footer of lists": (footer_of_lists, 40, ""),
    "footer past the file": (footer_past_the_file, 40, "not a Parquet file"),
    "a web page": (lambda: b"<!DOCTYPE html>" * 10, 40, "not a Parquet file"),
    "nothing": (lambda: b"", 40, "not a Parquet file"),
    "large groups": (lambda: parquet(rows_table(6_000)), 6_000, "row group 0 is larger"),
    "one-row groups": (one_row_groups, 300, "300 row groups of 300 rows, at most"),
    "other columns": (lambda: parquet(rows_table(40).select(["text", "id"])), 40, "its columns are not"),
    "fewer rows": (lambda: parquet(rows_table(39)), 40, "rows is 39"),
    "altered row": (altered_row, 40, "is altered"),
    "no ids": (lambda: parquet(rows_table(40, id=pa.nulls(40, pa.string()))), 40, "column id has empty fields"),
    "no text": (lambda: parquet(rows_table(40, text=pa.array([b"\xff\xfe"] * 40, pa.binary()))), 40, "columns are not"),
    "dictionary bomb": (dictionary_bomb, GROUP_ROWS, ""),
}


@pytest.mark.parametrize("kind", sampled(HOSTILE, 3))
def test_hostile_parquet_is_refused(kind: str, tmp_path: Path) -> None:
    """By name, within seconds, and without taking the memory of whoever opened it."""
    make, rows, says = HOSTILE[kind]
    folder = forged(tmp_path, make(), rows)
    began = time.monotonic()
    with open_dataset(str(folder)) as dataset, pytest.raises(VerifyError, match=says or DUMP):
        dataset.sample(40, 1)
    assert time.monotonic() - began < SOON_S


def test_a_column_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Where a whole column is read, in rows that nobody drew as well."""
    bytes_ = pa.array([b"https://example.org/", *[b"\xff\xfe"] * 39], pa.binary())
    url = pa.Array.from_buffers(pa.string(), 40, bytes_.buffers())
    with open_dataset(str(forged(tmp_path, parquet(rows_table(40, url=url)), 40))) as dataset:
        with pytest.raises(VerifyError, match="cannot be read"):
            dataset.row_columns("url")


@pytest.mark.nightly
def test_flipped_bits_are_never_more_than_refused(tmp_path: Path) -> None:
    """Whatever bits are wrong, the answer is the honest rows or a VerifyError."""
    honest, chance = parquet(rows_table(40)), random.Random(3)
    for number in range(12):
        data = bytearray(honest)
        first = 4 if number % 2 else len(data) - 2_000
        for _ in range(20):
            data[chance.randrange(first, len(data) - 4)] ^= 1 << chance.randrange(8)
        with open_dataset(str(forged(tmp_path / str(number), bytes(data), 40))) as dataset, suppress(VerifyError):
            assert dataset.sample(40, 1).num_rows == 40


def test_a_footer_that_points_elsewhere_is_refused(large: Made) -> None:
    """What reads a file may have only that file's bytes, and only so many."""
    shard = large.manifest.shards[0]
    reader = Confined(_Nothing(), {shard.path: shard})
    for start, end in ((-1, 5), (0, shard.size_bytes + 1), (5, 5), (0, limits.MAX_GROUP_BYTES + 1)):
        with pytest.raises(VerifyError, match="outside of the file"):
            reader._give(shard.path, start, end)
    reader.close()


class _Nothing:
    """A store whose reader meets with an accident as soon as it asks for anything."""

    signal: signal.Signals | None = None
    reader: Confined | None = None

    def read(self, path: str, start: int, end: int) -> bytes:
        assert self.signal is not None and self.reader is not None and self.reader._process is not None
        os.kill(self.reader._process.pid, self.signal)
        return bytes(end - start)


@pytest.mark.parametrize(
    ("accident", "kind", "says"),
    [
        (signal.SIGSEGV, VerifyError, "brings its reader down"),
        (signal.SIGXCPU, VerifyError, "more CPU time"),
        (signal.SIGKILL, RunError, "out of memory"),
    ],
)
def test_a_reader_that_dies(large: Made, accident: signal.Signals, kind: type[Exception], says: str) -> None:
    """A crash is the file's fault; a kill from outside is the machine's, and no evidence against anybody."""
    shard, store = large.manifest.shards[0], _Nothing()
    store.reader, store.signal = Confined(store, {shard.path: shard}), accident
    with pytest.raises(kind, match=says):
        store.reader.ask("groups", file=shard)


# Manifests that were made to do harm.


def test_the_reader_is_given_nothing_of_its_parents(large: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable with a secret, no open file or connection but its three pipes; and the kernel confines it."""
    monkeypatch.setenv("HF_TOKEN", "a secret")
    with socket.create_server(("127.0.0.1", 0)) as server, open_dataset(str(large.folder)) as dataset:
        os.set_inheritable(server.fileno(), True)
        dataset.row_groups()
        process = dataset._reader._process
        assert process is not None
        about = Path(f"/proc/{process.pid}")
        assert b"a secret" not in (about / "environ").read_bytes()
        opened = [os.readlink(about / "fd" / name) for name in os.listdir(about / "fd")]  # noqa: PTH115, PTH208
        assert {name.partition(":")[0] for name in opened} <= {"pipe", os.devnull}
        status = dict(re.findall(r"^(\w+):\s+(\S+)$", (about / "status").read_text(), re.MULTILINE))
        assert status["Seccomp"] == ("2" if seccomp.is_supported() else "0")
        assert (status["NoNewPrivs"] == "1") == bool(seccomp.is_supported() or landlock.version())


@pytest.mark.parametrize(
    "answer",
    [
        b"no JSON\n", b"[]\n", b'{"size": "x"}\n', b'{"size": -1}\n', b'{"done": null, "size": 3}\nxyz',
        b'{"need": ["/etc/shadow", 0, 9]}\n', b'{"need": 7}\n', b"x" * 5_000_000,
    ],
    ids=["words", "list", "size", "negative", "stream", "file", "need", "endless"],
)  # fmt: skip
def test_a_reader_that_is_taken_over_harms_nobody(
    large: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    """Whatever it answers is a refused file: no traceback, no other file, no table that was not checked."""
    (tmp_path / "answer").write_bytes(answer)
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nexec cat '{tmp_path}/answer'\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    shard = large.manifest.shards[0]
    reader = Confined(_Nothing(), {shard.path: shard})
    with pytest.raises(VerifyError):
        reader.ask_table("rows", file=shard, group=0, rows=[0])
    reader.close()


def lies(made: Made, **changes: Any) -> bytes:
    return json.dumps(made.manifest.model_dump(mode="json") | changes).encode()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda made: b" " * (limits.MAX_MANIFEST_BYTES + 1), "larger than"),
        (
            lambda made: lies(made)[:-1] + b', "x": [' + b"[]," * 5_000_000 + b"1]}",
            "values in .* bytes, which no honest manifest has",
        ),
        (lambda made: b"[" * 3_000_000, ""),
        (lambda made: lies(made, dumps=[f"CC-MAIN-2025-{n:06}" for n in range(200_000)]), "200000 dumps, at most"),
        (lambda made: lies(made, shards=[made.manifest.shards[0].model_dump()] * 11_000), "at most 10000"),
        (lambda made: lies(made, rows=41), "rows is 41"),
        (lambda made: b"[]", "not a JSON object"),
        (lambda made: b"\xff\xfe", ""),
    ],
    ids=["size", "values", "depth", "dumps", "files", "lie", "list", "bytes"],
)
def test_hostile_manifests_are_refused(large: Made, make: Callable[[Made], bytes], says: str) -> None:
    """Within a few seconds and without the memory that they would take."""
    began = time.monotonic()
    with pytest.raises(VerifyError, match=says or "manifest.json"):
        parse_manifest(make(large), "manifest.json")
    assert time.monotonic() - began < SOON_S / 3


def padded(made: Made, key: str, value: str, count: int) -> bytes:
    """A manifest with a long list under that key, as long as it may be for its values, with spaces between."""
    said = lies(made, **{key: "HERE"}).decode()
    entry = value + " " * max(
        0, limits.BYTES_A_VALUE * sum(map(value.count, ",[{")) + limits.BYTES_A_VALUE - len(value)
    )
    return said.replace(
        '"HERE"', f"[{','.join([entry] * count)}]" if key != "recipe" else f'{{"a": [{entry}]}}'
    ).encode()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="memory is measured in a process of its own")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sources", "{}"), ("shards", "{}"), ("dumps", "[]"), ("verdicts", '{"a":0}'), ("x", "{}"),
        ("recipe", ",".join(['{"b":1}' + " " * 32] * 60_000)),
        ("languages", "0"),
    ],
)  # fmt: skip
def test_a_manifest_costs_memory_in_proportion(large: Made, key: str, value: str) -> None:
    """At most 60 bytes for each of its own, whatever is wrong with it: 0.9 MB of `{}` once cost 2 GB of errors."""
    data = padded(large, key, value, 60_000 if key != "recipe" else 1)

    def peak_bytes(work: Callable[[], object]) -> int:
        pid = os.fork()
        if not pid:
            with suppress(VerifyError):
                work()
            os._exit(0)
        return os.wait4(pid, 0)[2].ru_maxrss * 1024

    assert peak_bytes(lambda: parse_manifest(data, "m")) - peak_bytes(int) < 60 * len(data)


def test_paths_out_of_the_folder_are_refused(large: Made) -> None:
    """A manifest cannot name a file of the reader's own."""
    for path in ("../../etc/passwd", "data/../../x/y.parquet", "/etc/x.parquet", "other/a/b.parquet", "data/x/y.json"):
        shards = [large.manifest.shards[0].model_dump() | {"path": path}, large.manifest.shards[1].model_dump()]
        with pytest.raises(VerifyError):
            parse_manifest(lies(large, shards=shards), "manifest.json")


# On the Hub. Clients read their environment once, so each of these is a process of its own.


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """A Hub on which alice has published the large dataset."""
    with HubServer(tmp_path_factory.mktemp("hub")) as server:
        server.add_user("alice")
        yield server


@pytest.fixture(scope="module")
def env(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What alice's programs are told."""
    return environment(tmp_path_factory.mktemp("alice"), hub, hub.add_user("alice"), xet=False)


@pytest.fixture(scope="module")
def revision(env: dict[str, str], large: Made) -> str:
    """The revision of the large dataset."""
    return finest("publish", large.folder, "--hf_repo", "large", env=env).stdout.strip()


@pytest.mark.nightly
def test_a_sample_from_the_hub_is_the_local_one(
    hub: HubServer, env: dict[str, str], revision: str, large: Made
) -> None:
    """The same rows as from the folder, for the price of their row groups; the card is never read."""
    hub.requests.clear()
    remote = json.loads(finest("open", f"alice/large@{revision}", "--rows", 2, "--seed", 11, "--json", env=env).stdout)
    with open_dataset(str(large.folder)) as dataset:
        assert remote["sample"] == dataset.sample(2, 11).to_pylist()
    assert remote["root"] == large.manifest.root
    assert hub.requests.count("README") == 0
    assert hub.requests.count(r"/resolve/.*\.parquet") <= 6


@pytest.mark.nightly
def test_a_busy_storage_is_waited_for(hub: HubServer, env: dict[str, str], revision: str) -> None:
    """Bytes that break off, a storage that answers 503: asked again, where the client would give up."""
    from finest.devnet.hub.faults import Fault

    hub.faults.add(Fault(path="/tree/", status=503), Fault(path="parquet", cut_bytes=1_000))
    hub.faults.add(Fault(path="_cdn", status=503), Fault(path="manifest", drop=True))
    try:
        done = finest("open", f"alice/large@{revision}", env=env)
    finally:
        hub.faults.clear()
    assert "12,000 of 12,000 pages" in done.stdout


@pytest.mark.nightly
def test_the_latest_must_be_asked_for(env: dict[str, str], revision: str) -> None:
    """And is then named, so that it can be written down."""
    refused = finest("open", "alice/large", env=env, check=False)
    assert refused.returncode == 2 and "names no revision" in refused.stderr
    latest = finest("open", "alice/large", "--latest", "--rows", 0, env=env)
    assert f"alice/large@{revision}" in latest.stderr


@pytest.mark.nightly
def test_what_is_not_there(env: dict[str, str], revision: str) -> None:
    """No such repository, no such revision, another root than the one that was promised."""
    for place, status, says in (
        (f"alice/nothing@{revision}", 8, "no such repository"),
        (f"alice/large@{'0' * 40}", 8, "no such revision"),
        (f"alice/large@{revision}#{'0' * 64}", 7, "not the 0000"),
    ):
        done = finest("open", place, env=env, check=False)
        assert done.returncode == status and says in done.stderr, done.stderr


HOSTILE_REPOSITORIES = {
    "extra.jsonl": ("a/extra.jsonl", b"{}", "extra.jsonl is not named in the manifest"),
    "stray shard": (f"data/{DUMP}/more.parquet", b"PAR1", "more.parquet is not named in the manifest"),
    "other bytes": (f"data/{DUMP}/000_00000.parquet", b"PAR1", "another size or sha256 on the Hub"),
    "no large file": (f"data/{DUMP}/000_00000.parquet", b"hello", "is not stored as a large file"),
    "long manifest": ("manifest.json", b" " * (limits.MAX_MANIFEST_BYTES + 1), "a manifest.json of 67108865 bytes"),
}


@pytest.mark.parametrize("kind", sampled(HOSTILE_REPOSITORIES))
def test_hostile_repositories_are_refused(kind: str, hub: HubServer, env: dict[str, str], tmp_path: Path) -> None:
    """What the manifest does not name, or the Hub states otherwise, is found before any shard is read."""
    path, data, says = HOSTILE_REPOSITORIES[kind]
    folder = make_dataset(tmp_path / "dataset").folder
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_bytes(data)
    repo = f"alice/{kind.replace(' ', '-')}"
    script = f"""
        api.create_repo("{repo}", repo_type="dataset")
        if {kind == "no large file"}:
            api.upload_file(path_or_fileobj=b"", path_in_repo=".gitattributes", repo_id="{repo}", repo_type="dataset")
        result = api.upload_folder(folder_path="{folder}", repo_id="{repo}", repo_type="dataset").oid"""
    sha = client(tmp_path / "home", hub, script, token=env["HF_TOKEN"])
    hub.requests.clear()
    done = finest("open", f"{repo}@{sha}", env=env, check=False)
    assert done.returncode == 7 and says in done.stderr, done.stderr
    assert hub.requests.count(r"/resolve/.*parquet|README") == 0
