"""Sources: what a name on the command line means, what its rows call it, and what is refused in one line."""

from __future__ import annotations

import base64
import gzip
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from finest.errors import SourceError
from finest.warc import http_session, openers
from finest.warc.openers import s3_client
from finest.warc.slices import Layout
from finest.warc.source import CommonCrawl, Source, dump_of, inspect, name_sources, resolve
from tests.faulty_server import Fault, FaultyServer
from tests.warc.made_warc import members, records, whole

KEY = "crawl-data/CC-MAIN-2024-10/segments/1/warc/CC-MAIN-20240220-00000.warc.gz"
NEWS = "crawl-data/CC-NEWS/2026/05/CC-NEWS-20260501004511-00001.warc.gz"
WARC = members(records(3))
SECRET = "a-secret-of-some-length-for-tests"


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No test sees the credentials of whoever runs it."""
    for name in list(os.environ):
        if name.startswith("AWS_") and name != "AWS_CA_BUNDLE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    s3_client.cache_clear()
    yield
    s3_client.cache_clear()


def plant(folder: Path, *names: str, data: bytes = WARC) -> list[str]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return [str(folder / name) for name in names]


def test_files_folders_and_globs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Order is that given; within a folder or glob it is sorted, and only WARCs are taken."""
    b, a, deep, odd = plant(tmp_path, "x/b.warc.gz", "x/a.warc", "x/deep/c.warc.zst", "named-oddly")
    plant(tmp_path, "x/readme.txt")
    assert resolve([odd, str(tmp_path / "x")]) == [odd, a, b, deep]
    assert resolve([str(tmp_path / "x" / "*")]) == [a, b]
    assert resolve([str(tmp_path / "**" / "*.gz")]) == [b]
    monkeypatch.chdir(tmp_path)
    assert resolve(["x/b.warc.gz", "https://example.com/a.warc.gz", "s3://bucket/a.warc.gz"]) == [
        b, "https://example.com/a.warc.gz", "s3://bucket/a.warc.gz",
    ]  # fmt: skip


def test_a_name_with_brackets_is_a_file_first(tmp_path: Path) -> None:
    """A file whose name looks like a glob is found by its name."""
    (path,) = plant(tmp_path, "a[1].warc.gz")
    assert resolve([path]) == [path]


def test_a_list_names_sources(tmp_path: Path) -> None:
    """`@list.txt` holds one source a line; comments and blank lines do not count."""
    a, b = plant(tmp_path, "a.warc.gz", "b.warc.gz")
    (tmp_path / "list.txt").write_text(f"# two\n{b}  # the second\n\n{a}\n")
    assert resolve([f"@{tmp_path}/list.txt"]) == [b, a]


def test_a_common_crawl_path_goes_where_credentials_lead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without AWS credentials over HTTPS, with them from S3; a file of that name on disk comes first."""
    assert resolve([KEY]) == [f"https://data.commoncrawl.org/{KEY}"]
    assert resolve([KEY], CommonCrawl("http://mirror/", "mine")) == [f"http://mirror/{KEY}"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert resolve([KEY]) == [f"s3://commoncrawl/{KEY}"]
    assert resolve([KEY], CommonCrawl("http://mirror/", "mine")) == [f"s3://mine/{KEY}"]
    (path,) = plant(tmp_path, KEY)
    monkeypatch.chdir(tmp_path)
    assert resolve([KEY]) == [path]


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        (["{0}/none.warc.gz"], "none.warc.gz: no such file or folder"),
        (["{0}/*.none"], r"\*.none: matches no .warc"),
        (["{0}/empty"], "empty: the folder holds no .warc"),
        (["@{0}/none.txt"], "none.txt: the list of sources cannot be read"),
        (["@{0}/blank.txt"], "the list names nothing"),
        (["@{0}/nested.txt"], "a list cannot contain another list"),
        (["s3://"], "names no bucket"),
        (["sample"], "sample: no such sample; there are sample:english and sample:languages"),
        ([], "no source is named"),
        (["{0}/a.warc.gz", "{0}"], "a.warc.gz is named twice: by '.*a.warc.gz' and by"),
    ],
)
def test_what_finds_nothing_is_named(tmp_path: Path, specs: list[str], message: str) -> None:
    """Each mistake in naming sources is one line with the spec in it."""
    plant(tmp_path, "a.warc.gz")
    plant(tmp_path, "blank.txt", data=b"# nothing\n")
    plant(tmp_path, "nested.txt", data=b"@other.txt\n")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=message):
        resolve([spec.format(tmp_path) for spec in specs])


def test_names_are_the_same_wherever_a_file_is_read() -> None:
    """A Common Crawl file has one name, over S3, HTTPS or from a mirror folder; others their address or file name."""
    for place in ("s3://commoncrawl", "https://data.commoncrawl.org", "/mnt/mirror", "hf://buckets/cc/crawl"):
        for key in (KEY, NEWS):
            assert name_sources([f"{place}/{key}"]) == [f"s3://commoncrawl/{key}"]
    given = ["/a/b/x.warc.gz", "https://e.org/x.warc.gz", "/a/c/x.warc.gz", "/a/y.warc.gz", "s3://b/x.warc.gz"]
    assert name_sources(given) == ["b/x.warc.gz", given[1], "c/x.warc.gz", "y.warc.gz", given[4]]
    assert name_sources(["/x.warc", "/a/x.warc", "/b/a/x.warc"]) == ["x.warc", "a/x.warc", "b/a/x.warc"]


def test_one_common_crawl_file_in_two_places_is_refused() -> None:
    """Its rows would be there twice."""
    with pytest.raises(
        SourceError, match=r"the same Common Crawl file is named twice: s3://commoncrawl/.* and /mirror/"
    ):
        name_sources([f"s3://commoncrawl/{KEY}", f"/mirror/{KEY}"])


def test_the_dump_is_in_the_name() -> None:
    """`CC-MAIN-YYYY-WW`, or `CC-NEWS-YYYY-MM` of the folders of the news crawl, else `local`."""
    assert dump_of(f"s3://commoncrawl/{KEY}") == "CC-MAIN-2024-10"
    assert dump_of("CC-MAIN-20240220-00000.warc.gz") == "local"
    assert dump_of(f"s3://commoncrawl/{NEWS}") == "CC-NEWS-2026-05"


def test_a_source_survives_json(tmp_path: Path) -> None:
    """`from_dict` undoes `to_dict`."""
    (path,) = plant(tmp_path, "a.warc.gz")
    source = inspect(path)
    assert Source.from_dict(source.to_dict()) == source
    assert (source.name, source.size_bytes, source.layout) == ("a.warc.gz", len(WARC), Layout.MEMBERS)
    assert source.etag == str(Path(path).stat().st_mtime_ns)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html></html>", "not a WARC, but an HTML page"),
        (gzip.compress(b"<html></html>", mtime=0), "not a WARC, but a gzip file of an HTML page"),
        (b"PAR1" + bytes(100), "not a WARC, but a Parquet file"),
        (b"PK\x03\x04" + bytes(100), "not a WARC, but a zip file; unpack it"),
        (b"a.warc".ljust(257, b"\0") + b"ustar\0", "not a WARC, but a tar file; unpack it"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "fetch the file with `git lfs pull`"),
        (b"filedesc://a.arc 0.0.0.0 1 text/plain 1\n", "an ARC file; convert it with `warcio recompress`"),
        (b"to whom it may concern", "text that begins with 'to whom it may concern'"),
        (bytes(range(128, 256)) + bytes(9), "bytes that begin with 80 81"),
        (b"\x28\xb5\x2f\xfd", "cannot be decompressed from the start"),
        (gzip.compress(WARC, mtime=0)[:10], "cannot be decompressed from the start"),
    ],
)
def test_what_is_no_warc_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    """A file that is no WARC is refused before any work, with what it looks like."""
    (path,) = plant(tmp_path, "a.warc.gz", data=data)
    with pytest.raises(SourceError, match=message):
        inspect(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that is gone since it was resolved is one clear line."""
    with pytest.raises(SourceError, match=r"none.warc.gz: no such file"):
        inspect(str(tmp_path / "none.warc.gz"))


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_regular_file_is_named(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A pipe without a writer is not waited for, and an endless device is not read."""
    make(tmp_path / "a.warc.gz")
    with pytest.raises(SourceError, match=r"a.warc.gz: a pipe, device or socket"):
        inspect(str(tmp_path / "a.warc.gz"))


def test_no_permission_is_named(tmp_path: Path) -> None:
    """A file or folder that may not be read is one clear line, with what to look at."""
    (path,) = plant(tmp_path, "shut/a.warc.gz")
    Path(path).chmod(0)
    code = (
        "import os, sys\nfrom finest.warc.source import inspect, resolve\nfrom finest.errors import SourceError\n"
        "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "for call in (inspect, lambda path: resolve([os.path.dirname(path)])):\n"
        "    try: call(sys.argv[1])\n"
        "    except SourceError as error: print(error)\n"
    )
    shut = Path(path).parent
    _open_way(shut)
    first = _run(code, path)
    shut.chmod(0)
    second = _run(code, path)
    shut.chmod(0o755)
    assert "no permission to read it" in first[0]
    assert "cannot be searched" in second[-1] or "no such file" in second[-1]


def _run(code: str, path: str) -> list[str]:
    """Run as somebody who is not root; skips where that is impossible."""
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    if "PermissionError" in done.stderr or "Operation not permitted" in done.stderr:
        pytest.skip("another user can reach neither the interpreter nor the folder")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def _open_way(folder: Path) -> None:
    for parent in (folder, *folder.parents):
        if os.access(parent, os.W_OK) and parent.stat().st_uid == os.getuid() and "pytest" in str(parent):
            parent.chmod(0o755)


def test_over_http(tmp_path: Path) -> None:
    """A WARC behind HTTP is the same source with the server's ETag."""
    with FaultyServer({f"/{KEY}": WARC}) as server:
        source = inspect(f"{server.base}/{KEY}")
        assert (source.name, source.etag, source.size_bytes) == (f"s3://commoncrawl/{KEY}", '"faulty-1"', len(WARC))
        assert len(list(whole(source))) == 3
        with pytest.raises(SourceError, match="not found"):
            inspect(f"{server.base}/none.warc.gz")


def test_no_credentials_is_named() -> None:
    """Without AWS credentials S3 says how to give them, and that Common Crawl needs none over HTTPS."""
    with pytest.raises(SourceError, match="no AWS credentials; give them in AWS_ACCESS_KEY_ID") as caught:
        inspect(f"s3://commoncrawl/{KEY}")
    assert f"https://data.commoncrawl.org/{KEY}, which needs none" in str(caught.value)
    with pytest.raises(SourceError, match="no AWS credentials"):
        resolve(["s3://bucket/folder/"])


# -- a real S3 server that checks signatures


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of an S3 server, and the folder of its bucket `crawl`."""
    pytest.importorskip("nanio")
    folder = tmp_path_factory.mktemp("s3")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "nanio",
        "serve",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--data-dir",
        str(folder),
    ]
    keys = {"NANIO_ACCESS_KEY": "test", "NANIO_SECRET_KEY": SECRET}
    server = subprocess.Popen(
        command,
        env={**os.environ, **keys},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}", folder
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(300)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("the S3 server did not start")


@pytest.fixture
def s3(bucket: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, no_credentials: None) -> Any:
    """A boto3 client of that server, with right credentials in the environment."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", bucket[0])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    client = s3_client(os.getpid())
    if "crawl" not in [one["Name"] for one in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket="crawl")
        for key in ("x/b.warc.gz", "x/a.warc.gz", "x/notes.txt", KEY):
            client.put_object(Bucket="crawl", Key=key, Body=WARC)
    return client


def test_over_s3(s3: Any, tmp_path: Path) -> None:
    """Objects and prefixes of a bucket are read like files, with signed requests."""
    assert resolve(["s3://crawl/x/", f"s3://crawl/{KEY}"]) == [
        "s3://crawl/x/a.warc.gz",
        "s3://crawl/x/b.warc.gz",
        f"s3://crawl/{KEY}",
    ]
    source = inspect(f"s3://crawl/{KEY}")
    assert (source.name, source.size_bytes) == (f"s3://commoncrawl/{KEY}", len(WARC))
    reader = whole(source)
    (path,) = plant(tmp_path, "a.warc.gz")
    expected = whole(inspect(path))
    assert list(reader) == list(expected)
    assert reader.sha256 == expected.sha256


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("s3://crawl/none.warc.gz", "not found; check the key"),
        ("s3://no-such-bucket/a.warc.gz", "no such bucket: no-such-bucket"),
    ],
)
def test_what_s3_has_not_is_named(s3: Any, location: str, message: str) -> None:
    """A missing object and a missing bucket are told apart."""
    with pytest.raises(SourceError, match=message):
        inspect(location)


def test_globs_of_a_bucket(s3: Any) -> None:
    """A glob of a bucket matches as one of a folder does, and an object that has the glob's own name comes first."""
    assert resolve(["s3://crawl/x/*"]) == ["s3://crawl/x/a.warc.gz", "s3://crawl/x/b.warc.gz"]
    assert resolve(["s3://crawl/**/[b-z]*.warc.gz"]) == ["s3://crawl/x/b.warc.gz"]
    with pytest.raises(SourceError, match=r"s3://crawl/\*.warc.gz: matches no .warc"):
        resolve(["s3://crawl/*.warc.gz"])
    s3.put_object(Bucket="crawl", Key="odd/a[1].warc.gz", Body=WARC)
    assert resolve(["s3://crawl/odd/a[1].warc.gz"]) == ["s3://crawl/odd/a[1].warc.gz"]


def test_a_crawl_from_s3(s3: Any) -> None:
    """With AWS credentials, a crawl's list and its WARCs are read from the bucket."""
    s3.put_object(Bucket="crawl", Key="crawl-data/CC-MAIN-2024-10/warc.paths.gz", Body=gzip.compress(KEY.encode()))
    assert resolve(["CC-MAIN-2024-10"], CommonCrawl(bucket="crawl")) == [f"s3://crawl/{KEY}"]


def test_a_prefix_without_warcs_is_named(s3: Any) -> None:
    """A prefix or bucket that has none is refused."""
    with pytest.raises(SourceError, match=r"s3://crawl/none/: holds no .warc"):
        resolve(["s3://crawl/none/"])
    with pytest.raises(SourceError, match="no such bucket"):
        resolve(["s3://no-such-bucket/"])


def test_a_wrong_secret_is_named(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that the server refuses are named as such, at once."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET + "x")
    s3_client.cache_clear()
    with pytest.raises(SourceError, match="S3 refuses these AWS credentials"):
        inspect("s3://crawl/x/a.warc.gz")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("is_zipped", [False, True])
def test_lists_of_every_make(tmp_path: Path, encoding: str, is_zipped: bool) -> None:
    """Gzipped or not, with a mark of the byte order or without, with any line ends: the same sources."""
    a, b = plant(tmp_path, "a.warc", "käse#1.warc")
    data = f"{b}\r\n# a comment\r\n\r\n   {a}  # another\r".encode(encoding)
    (tmp_path / "list").write_bytes(gzip.compress(data) if is_zipped else data)
    assert resolve([f"@{tmp_path}/list"]) == [b, a]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (gzip.compress(b"a.warc\n" * 9, mtime=0)[:-12], "damaged"),
        (b"a.warc\nb\0c\n", "not text"),
        (None, "Is a directory"),
    ],
)
def test_lists_that_cannot_be_read_are_named(tmp_path: Path, data: bytes | None, words: str) -> None:
    """A cut one, one that is no text, a folder."""
    path = tmp_path / "list"
    if data is None:
        path.mkdir()
    else:
        path.write_bytes(data)
    with pytest.raises(SourceError, match=f"list: .*{words}"):
        resolve([f"@{path}"])


def test_a_list_that_names_itself_is_refused(tmp_path: Path) -> None:
    """It would never end."""
    (tmp_path / "list").write_text(f"@{tmp_path}/list\n")
    with pytest.raises(SourceError, match="cannot contain another list"):
        resolve([f"@{tmp_path}/list"])


def test_names_hold_no_secrets() -> None:
    """Neither user information nor a query nor a fragment; Common Crawl's files are known behind a signature too."""
    assert name_sources(["https://u:p@h:8/a.warc.gz?X-Amz-Signature=s#f", "https://h/b?file=x"]) == [
        "https://h:8/a.warc.gz", "https://h/b",
    ]  # fmt: skip
    key = "crawl-data/CC-MAIN-2025-26/segments/1/warc/a.warc.gz"
    assert name_sources([f"https://u:p@mirror/{key}?sig=s"]) == [f"s3://commoncrawl/{key}"]


def test_sources_that_differ_in_their_query_have_their_own_names() -> None:
    """The same in any order and under any signature; what differs in nothing else is one source named twice."""
    one, two = "https://h/get?file=a&Expires=1&Signature=x", "https://h/get?file=b&Expires=1&Signature=y"
    first, second = name_sources([one, two])
    assert first != second and not {"?", "="} & set(first + second)
    assert name_sources([two.replace("=y", "=z"), one.replace("=1", "=2")]) == [second, first]
    with pytest.raises(SourceError, match=r"the same file is named twice: https://h/get and https://h/get$"):
        name_sources([one, one.replace("Signature=x", "Signature=y")])


def test_a_file_name_that_is_no_text_has_a_written_form(tmp_path: Path) -> None:
    """Bytes that are not UTF-8, line breaks and escape sequences are written out; the file itself is read."""
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\x1b[31m\n.warc")
    Path(path).write_bytes(WARC)
    assert resolve([str(tmp_path)]) == [path]
    assert name_sources([path]) == ["\\xff\\x1b[31m\\x0a.warc"]
    (tmp_path / "list").write_bytes(os.fsencode(tmp_path) + b"/\xff*\n")
    assert resolve([f"@{tmp_path}/list"]) == [path]


def test_an_s3_address_holds_no_credentials() -> None:
    """Some tools take them there; here they would end up in names."""
    with pytest.raises(SourceError, match="an s3:// address may not contain credentials") as found:
        resolve(["s3://AKIAMINERVA:5ecret@bucket/a.warc.gz"])
    assert "5ecret" not in str(found.value) and "AKIAMINERVA" not in str(found.value)


@pytest.fixture
def fresh_session() -> Iterator[None]:
    """A session that knows no host; the next test's server may have the port of this one."""
    http_session.session.cache_clear()
    yield
    http_session.session.cache_clear()


@pytest.mark.usefixtures("fresh_session")
def test_user_and_password_go_with_every_request() -> None:
    """Also with those that are sent without requests' objects; another user of the host has another one."""
    with FaultyServer({"/a.warc.gz": WARC}) as server:
        for user in ("eve", "bob", "eve"):
            assert inspect(server.base.replace("://", f"://{user}:pw@") + "/a.warc.gz").size_bytes == len(WARC)
        sent = [base64.b64decode(seen.headers["authorization"].split()[1]).decode() for seen in server.state.seen]
        assert sent == ["eve:pw", "bob:pw", "eve:pw"]
        assert {seen.headers["user-agent"] for seen in server.state.seen} == {openers.USER_AGENT}


@pytest.mark.usefixtures("fresh_session")
def test_a_redirect_is_followed_each_time() -> None:
    """The first time and, as the host is known for it, the next one with no request more."""
    with FaultyServer({"/b.warc.gz": WARC}) as server:
        there = Fault("status", status=302, headers=(("Location", f"{server.base}/b.warc.gz"),))
        server.state.faults = [there, there, Fault("none"), there, Fault("none")]
        for _ in range(2):
            assert inspect(f"{server.base}/a.warc.gz").size_bytes == len(WARC)
        assert [seen.path for seen in server.state.seen] == [f"/{name}.warc.gz" for name in "aabab"]


@pytest.mark.usefixtures("fresh_session")
@pytest.mark.parametrize(
    ("written", "asked"),
    [("/a b.warc.gz", "/a%20b.warc.gz"), ("/a.warc.gz?key=1&b=%2F", "/a.warc.gz?key=1&b=%2F"), ("/ü", "/%C3%BC"),
     ("/a/../b~c,d=e+f-g_h.gz", "/b~c,d=e+f-g_h.gz"), ("/a.warc.gz#part", "/a.warc.gz")],
)  # fmt: skip
def test_an_address_is_asked_for_as_it_always_was(written: str, asked: str) -> None:
    with FaultyServer({asked: WARC}) as server:
        assert inspect(f"{server.base}{written}").size_bytes == len(WARC)
