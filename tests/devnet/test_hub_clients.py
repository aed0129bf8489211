"""The unmodified huggingface_hub, datasets, hf, pyarrow and DuckDB against the devnet's Hub."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from finest.devnet.hub.faults import Fault
from finest.devnet.hub.server import HubServer
from finest.devnet.hub.state import Limits
from tests.devnet.hub_client import client, environment

XET_OR_LFS = pytest.mark.parametrize(
    "xet", [pytest.param(True, id="xet"), pytest.param(False, id="lfs", marks=pytest.mark.nightly)]
)

ROWS = """
import pyarrow as pa, pyarrow.parquet as pq
def write_rows(path, rows=4000, group=500):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    text = [hashlib.sha256(str(n).encode()).hexdigest() * 4 for n in range(rows)]
    table = pa.table({"id": list(range(rows)), "text": text})
    pq.write_table(table, path, compression="zstd", row_group_size=group)
"""

CORE = (
    ROWS
    + """
def card(text): open("up/README.md", "w").write(text)

url = str(api.create_repo(REPO, repo_type="dataset", private=True))
again = str(api.create_repo(REPO, repo_type="dataset", private=True, exist_ok=True))
taken = refused(api.create_repo, REPO, repo_type="dataset")
write_rows("up/data/CC-MAIN-2024-10/000_00000.parquet")
card("---\\nlicense: odc-by\\nconfigs:\\n- config_name: default\\n  data_files: data/*/*.parquet\\n---\\n# Rows\\n")
folder = api.upload_folder(repo_id=REPO, repo_type="dataset", folder_path="up").oid
same = api.upload_folder(repo_id=REPO, repo_type="dataset", folder_path="up").oid
single = api.upload_file(path_or_fileobj=b"{}", path_in_repo="stats.json", repo_id=REPO, repo_type="dataset").oid

write_rows("second.parquet", rows=777)
shard = CommitOperationAdd("data/CC-MAIN-2024-10/000_00001.parquet", "second.parquet")
api.preupload_lfs_files(REPO, [shard], repo_type="dataset")
adds = [shard, CommitOperationAdd("manifest.json", b'{"rows": 777}'), CommitOperationDelete("stats.json")]
commit = dict(repo_type="dataset", commit_message="one commit", commit_description="of three changes")
many = api.create_commit(REPO, adds, parent_commit=single, **commit).oid
stale = [CommitOperationAdd("late.txt", b"late")]
late = refused(api.create_commit, REPO, stale, parent_commit=folder, **commit)

info = api.dataset_info(REPO, files_metadata=True)
hub_sha256 = {file.rfilename: file.lfs.sha256 for file in info.siblings if file.lfs}
first = "data/CC-MAIN-2024-10/000_00000.parquet"
copy = hf_hub_download(REPO, first, repo_type="dataset", revision=folder)
result = dict(
    whoami=api.whoami()["name"], url=url, again=again, taken=taken, same=same == folder, late=late,
    head=info.sha == many, private=info.private,
    files=[file.rfilename for file in info.siblings],
    sha256=hub_sha256 == {first: sha256("up/" + first), shard.path_in_repo: sha256("second.parquet")},
    downloaded=sha256(copy) == hub_sha256[first],
    titles=[one.title for one in api.list_repo_commits(REPO, repo_type="dataset")],
    old=sorted(api.list_repo_files(REPO, repo_type="dataset", revision=single)),
)
"""
)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    with HubServer(tmp_path / "hub") as server:
        yield server


def check_core(result: dict[str, object], hub: HubServer) -> None:
    """What the core script must have seen, by whatever version of the client."""
    url = f"{hub.endpoint}/datasets/alice/rows"
    shards = ["data/CC-MAIN-2024-10/000_00000.parquet", "data/CC-MAIN-2024-10/000_00001.parquet"]
    assert result.pop("titles")[:2] == ["one commit", "Upload stats.json with huggingface_hub"]  # type: ignore[index]
    assert result == {
        "whoami": "alice",
        "url": url,
        "again": url,
        "taken": ["HfHubHTTPError", 409],
        "same": True,
        "late": ["HfHubHTTPError", 412],
        "head": True,
        "private": True,
        "files": [".gitattributes", "README.md", *shards, "manifest.json"],
        "sha256": True,
        "downloaded": True,
        "old": [".gitattributes", "README.md", shards[0], "stats.json"],
    }


@XET_OR_LFS
def test_create_upload_commit_and_download(hub: HubServer, tmp_path: Path, xet: bool) -> None:
    """The client creates, uploads, commits and downloads by either path; the Hub's sha256s are those of its files."""
    result = client(tmp_path / "home", hub, CORE, token=hub.add_user("alice"), xet=xet)
    check_core(result, hub)
    assert hub.requests.count("/commit/main$", method="POST", status=200) == 3
    assert bool(hub.requests.count("^/v1/xorbs/", status=200)) == xet
    assert bool(hub.requests.count("^/_xorb/")) == xet
    assert bool(hub.requests.count("^/_lfs/", method="PUT", status=200)) == (not xet)


def test_a_large_file_goes_up_in_parts(tmp_path: Path) -> None:
    """An LFS object above the limit is sent in parts, joined and verified."""
    script = """
    open("big.bin", "wb").write(os.urandom(2_500_000))
    api.create_repo(REPO, repo_type="dataset")
    sha = api.upload_file(path_or_fileobj="big.bin", path_in_repo="big.bin", repo_id=REPO, repo_type="dataset").oid
    info = api.dataset_info(REPO, revision=sha, files_metadata=True)
    stored = {file.rfilename: file.lfs for file in info.siblings}["big.bin"]
    copy = hf_hub_download(REPO, "big.bin", repo_type="dataset", revision=sha)
    result = [stored.size, stored.sha256 == sha256("big.bin") == sha256(copy)]
    """
    with HubServer(tmp_path / "hub", limits=Limits(lfs_part_bytes=1_000_000)) as hub:
        assert client(tmp_path / "home", hub, script, token=hub.add_user("alice")) == [2_500_000, True]
        assert hub.requests.count(r"^/_lfs/\w+/part/", method="PUT", status=200) == 3
        assert hub.requests.count(r"^/_lfs/\w+/(complete|verify)$", status=200) == 2
        assert not list((tmp_path / "hub" / "parts").iterdir())


def test_a_private_repository_is_seen_only_by_its_owner(hub: HubServer, tmp_path: Path) -> None:
    """Strangers cannot tell a private repository from one that does not exist; a read token reads and no more."""
    script = """
    api.create_repo(REPO, repo_type="dataset", private=True)
    api.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id=REPO, repo_type="dataset")
    reader, other, nobody = (HfApi(token=token) for token in (sys.stdin.read().split() + [False]))
    write = dict(path_or_fileobj=b"y", path_in_repo="b.txt", repo_id=REPO, repo_type="dataset")
    result = [
        api.dataset_info(REPO).private, reader.dataset_info(REPO).private,
        refused(other.dataset_info, REPO), refused(nobody.dataset_info, REPO), refused(api.dataset_info, "alice/none"),
        refused(other.hf_hub_download, REPO, "a.txt", repo_type="dataset"),
        refused(nobody.hf_hub_download, REPO, "a.txt", repo_type="dataset"),
        refused(reader.upload_file, **write), refused(other.upload_file, **write), refused(HfApi(token="hf_x").whoami),
        refused(api.create_repo, "bob/mine", repo_type="dataset"),
    ]
    """
    token, reader, other = hub.add_user("alice"), hub.read_token("alice"), hub.add_user("bob")
    script = script.replace("sys.stdin.read().split()", repr([reader, other]))
    assert client(tmp_path / "home", hub, script, token=token) == [
        True,
        True,
        ["RepositoryNotFoundError", 404],
        ["RepositoryNotFoundError", 401],
        ["RepositoryNotFoundError", 404],
        ["RepositoryNotFoundError", 404],
        ["RepositoryNotFoundError", 401],
        ["HfHubHTTPError", 403],
        ["RepositoryNotFoundError", 404],
        ["HfHubHTTPError", 401],
        ["HfHubHTTPError", 403],
    ]


def test_a_revision_is_pinned(hub: HubServer, tmp_path: Path) -> None:
    """A sha, a tag and a branch name what they named, whatever main does later."""
    script = """
    def put(text, **options):
        return api.upload_file(path_or_fileobj=text, path_in_repo="a.txt", repo_id=REPO, repo_type="dataset", **options)
    def text(revision):
        return open(hf_hub_download(REPO, "a.txt", repo_type="dataset", revision=revision)).read()
    api.create_repo(REPO, repo_type="dataset")
    first = put(b"one").oid
    api.create_tag(REPO, tag="v1", revision=first, repo_type="dataset")
    api.create_branch(REPO, branch="side", revision=first, repo_type="dataset")
    put(b"two"), put(b"three", revision="side")
    refs = api.list_repo_refs(REPO, repo_type="dataset")
    result = [
        [text(revision) for revision in (first, "v1", "side", "main", first[:8])],
        [ref.name for ref in refs.branches + refs.tags],
        refused(api.dataset_info, REPO, revision="0" * 40),
        refused(hf_hub_download, REPO, "none.txt", repo_type="dataset"),
        refused(api.create_tag, REPO, tag="v1", repo_type="dataset"),
        api.revision_exists(REPO, "v1", repo_type="dataset"), api.file_exists(REPO, "b.txt", repo_type="dataset"),
    ]
    api.delete_tag(REPO, tag="v1", repo_type="dataset")
    api.delete_branch(REPO, branch="side", repo_type="dataset")
    api.delete_repo(REPO, repo_type="dataset")
    result += [api.repo_exists(REPO, repo_type="dataset")]
    """
    assert client(tmp_path / "home", hub, script, token=hub.add_user("alice")) == [
        ["one", "one", "three", "two", "one"],
        ["main", "side", "v1"],
        ["RevisionNotFoundError", 404],
        ["RemoteEntryNotFoundError", 404],
        ["HfHubHTTPError", 409],
        True,
        False,
        False,
    ]


def test_a_tree_comes_in_pages(tmp_path: Path) -> None:
    """Pages of a tree are followed to the end; folders, last commits and chosen paths are told."""
    script = """
    api.create_repo(REPO, repo_type="dataset")
    adds = [CommitOperationAdd(f"data/{n // 3}/{n}.txt", b"%d" % n) for n in range(9)]
    api.create_commit(REPO, adds, repo_type="dataset", commit_message="nine")
    api.upload_file(path_or_fileobj=b"new", path_in_repo="data/0/0.txt", repo_id=REPO, repo_type="dataset",
                    commit_message="one")
    tree = lambda *a, **o: list(api.list_repo_tree(REPO, *a, repo_type="dataset", **o))
    expanded = tree("data/0", expand=True)
    result = [
        len(tree(recursive=True)), [item.path for item in tree("data")],
        [[item.path, item.last_commit.title] for item in expanded],
        [item.path for item in api.get_paths_info(REPO, ["data/1", "data/2/8.txt", "no"], repo_type="dataset")],
        refused(tree, "none"),
    ]
    """
    with HubServer(tmp_path / "hub", limits=Limits(tree_page=4, expanded_page=2)) as hub:
        assert client(tmp_path / "home", hub, script, token=hub.add_user("alice")) == [
            14,
            ["data/0", "data/1", "data/2"],
            [["data/0/0.txt", "one"], ["data/0/1.txt", "nine"], ["data/0/2.txt", "nine"]],
            ["data/1", "data/2/8.txt"],
            ["RemoteEntryNotFoundError", 404],
        ]
        assert hub.requests.count("/tree/main$") == 4


@pytest.mark.nightly
def test_a_broken_download_goes_on_where_it_stopped(hub: HubServer, tmp_path: Path) -> None:
    """A download that breaks off is resumed by range: what the client had written (10 MB at a time) stays."""
    script = """
    open("big.bin", "wb").write(os.urandom(24_000_000))
    api.create_repo(REPO, repo_type="dataset")
    api.upload_file(path_or_fileobj="big.bin", path_in_repo="big.bin", repo_id=REPO, repo_type="dataset")
    copy = hf_hub_download(REPO, "big.bin", repo_type="dataset")
    result = sha256(copy) == sha256("big.bin")
    """
    hub.faults.add(Fault(path="^/_cdn/", method="GET", cut_bytes=12_000_000))
    assert client(tmp_path / "home", hub, script, token=hub.add_user("alice")) is True
    sent = [
        (seen.status, seen.sent_bytes)
        for seen in hub.requests.all()
        if seen.path.startswith("/_cdn/") and seen.method == "GET"
    ]
    assert sent[0] == (200, 12_000_000)
    assert sent[1][0] == 206 and sent[1][1] <= 14_000_000 and len(sent) == 2


READERS = (
    ROWS
    + """
import datasets
api.create_repo(REPO, repo_type="dataset", private=True)
write_rows("up/data/CC-MAIN-2024-10/000_00000.parquet")
open("up/README.md", "w").write("---\\nconfigs:\\n- config_name: default\\n  data_files: data/*/*.parquet\\n---\\n")
sha = api.upload_folder(repo_id=REPO, repo_type="dataset", folder_path="up").oid
path = f"datasets/{REPO}@{sha}/data/CC-MAIN-2024-10/000_00000.parquet"

def row_group():
    with HfFileSystem().open(path, "rb", cache_type="none") as file:
        return pq.ParquetFile(file).read_row_group(3, columns=["id"]).column("id").to_pylist()[:2]

def duck():
    import duckdb
    duckdb.register_filesystem(HfFileSystem())
    return list(duckdb.sql(f"select count(*), max(id) from 'hf://{path}' where id < 1000").fetchall()[0])

def whole():
    rows = datasets.load_dataset(REPO, split="train", revision=sha)
    return [rows.num_rows, rows.column_names, rows[3999]["id"]]

snapshot = sorted(os.listdir(snapshot_download(REPO, repo_type="dataset", revision=sha)))
result = [row_group(), duck(), whole(), snapshot, len(HfFileSystem().glob(f"datasets/{REPO}@{sha}/**/*.parquet"))]
"""
)


@XET_OR_LFS
@pytest.mark.nightly
def test_readers_by_range_and_whole(hub: HubServer, tmp_path: Path, xet: bool) -> None:
    """pyarrow and DuckDB read by range through HfFileSystem; load_dataset and snapshot_download read all."""
    assert client(tmp_path / "home", hub, READERS, token=hub.add_user("alice"), xet=xet) == [
        [1500, 1501],
        [1000, 999],
        [4000, ["id", "text"], 3999],
        [".gitattributes", "README.md", "data"],
        1,
    ]
    reads = [seen for seen in hub.requests.all() if seen.path.startswith("/_cdn/") and seen.status == 206]
    assert reads and min(seen.sent_bytes for seen in reads) < 10_000


@pytest.mark.nightly
def test_a_snapshot_is_not_downloaded_twice(hub: HubServer, tmp_path: Path) -> None:
    """The second snapshot of a pinned revision asks once and fetches nothing."""
    token = hub.add_user("alice")
    script = """
    api.create_repo(REPO, repo_type="dataset", exist_ok=True)
    sha = api.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id=REPO, repo_type="dataset").oid
    result = snapshot_download(REPO, repo_type="dataset", revision=sha) and sha
    """
    sha = client(tmp_path / "home", hub, script, token=token)
    hub.requests.clear()
    client(
        tmp_path / "home", hub, f"result = snapshot_download(REPO, repo_type='dataset', revision={sha!r})", token=token
    )
    assert hub.requests.count("/resolve/") == 0
    assert len(hub.requests.all()) <= 2


@pytest.mark.nightly
def test_hf_auth_login_and_whoami(hub: HubServer, tmp_path: Path) -> None:
    """`hf auth login --token` stores a token that `hf auth whoami` and the client then use; a wrong one is refused."""
    home, hf = tmp_path / "home", Path(sys.executable).with_name("hf")
    home.mkdir()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        told = environment(home, hub, None, xet=False)
        return subprocess.run([hf, *arguments], env=told, capture_output=True, text=True, timeout=300, check=False)

    assert run("auth", "login", "--token", "hf_wrong").returncode != 0
    assert run("auth", "login", "--token", hub.add_user("alice")).returncode == 0
    told = run("auth", "whoami")
    assert told.returncode == 0 and "alice" in told.stdout
    assert client(home, hub, "result = api.whoami()['auth']['accessToken']['role']") == "write"


@pytest.mark.slow
@pytest.mark.nightly
def test_huggingface_hub_1_33(hub: HubServer, cache: Path, tmp_path: Path) -> None:
    """The last 1.x does the same by the same script, by Xet and by LFS."""
    python = str(old_client(cache, "1.33.0"))
    token = hub.add_user("alice")
    for xet in (True, False):
        check_core(client(tmp_path / f"home{xet}", hub, CORE, token=token, xet=xet, python=python), hub)
        client(tmp_path / "end", hub, "result = api.delete_repo(REPO, repo_type='dataset')", token=token, python=python)


def old_client(cache: Path, version: str) -> Path:
    """The Python of an environment with that huggingface_hub, built once; skips where packages cannot be had."""
    folder = cache / "clients" / f"huggingface_hub-{version}"
    python = folder / "bin" / "python"
    done = folder / "done"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, timeout=300)
        wanted = [f"huggingface_hub=={version}", "hf_xet", "pyarrow"]
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
        built = subprocess.run(install, capture_output=True, text=True, timeout=400, check=False)
        if built.returncode:
            pytest.skip(f"huggingface_hub {version} cannot be installed: {built.stderr[-300:]}")
        done.touch()
    return python
