"""Crawls' lists of WARC files, from Common Crawl and from files, into the store."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from finest.cli.tasks import tasks as command
from finest.devnet.crawl import CRAWL, sample_crawl
from finest.devnet.crawl_http import CrawlServer, Fault
from finest.errors import RecipeError, SourceError, UsageError
from finest.retry import Policy
from finest.tasks import crawls
from finest.tasks.crawls import CommonCrawl, import_file
from finest.tasks.store import Store
from tests.tasks.samples import paths

OLD = "CC-MAIN-2024-10"
GERMAN = "fineweb-2-lid176"


def quiet(_: str) -> None:
    pass


class Listed:
    """Remembers what is added to it."""

    def __init__(self) -> None:
        self.paths: dict[str, list[str]] = {}

    def add_warcs(self, crawl: str, paths: list[str]) -> int:
        new = [path for path in paths if path not in self.paths.setdefault(crawl, [])]
        self.paths[crawl] += new
        return len(new)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[CrawlServer]:
    """A Common Crawl on loopback with one crawl."""
    folder = tmp_path / "served"
    for key, data in sample_crawl(2).items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)
    with CrawlServer(folder) as server:
        yield server


@pytest.fixture
def origin(served: CrawlServer) -> CommonCrawl:
    return CommonCrawl(served.endpoint, f"{served.endpoint}/collinfo.json")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crawls, "RETRY", Policy(first_s=0.001, cap_s=0.01, tries=crawls.TRIES))


@pytest.mark.usefixtures("impatient")
def test_a_crawl_is_imported_through_faults(origin: CommonCrawl, served: CrawlServer) -> None:
    """A busy server, a reset and a cut connection are answered by asking again; the list is whole."""
    served.add_faults(Fault("status"), Fault("status", status=403))
    served.add_faults(Fault("drop", after_bytes=20), Fault("cut", after_bytes=30))
    store, said = Listed(), []
    assert origin.crawls(quiet) == [CRAWL]
    done = origin.import_crawl(store, CRAWL, said.append)
    assert str(done) == f"{CRAWL}: 2 WARCs, 2 new"
    assert str(origin.import_crawl(store, CRAWL, quiet)) == f"{CRAWL}: 2 WARCs, 0 new"
    assert all(path.startswith(f"crawl-data/{CRAWL}/") for path in store.paths[CRAWL])


@pytest.mark.usefixtures("impatient")
def test_a_dead_server_is_given_up(origin: CommonCrawl, served: CrawlServer) -> None:
    """A server that stays away ends the import with what it last said."""
    served.add_faults(Fault("status", times=99))
    with pytest.raises(SourceError, match=r"HTTP 503, after 6 tries"):
        origin.import_crawl(Listed(), CRAWL, quiet)


def test_names_that_are_not_crawls_are_refused(origin: CommonCrawl) -> None:
    """Names of no crawl, of an ARC crawl and of one that is not there are told apart."""
    for crawl, words in (
        ("CC-MAIN-x", "is no crawl"),
        ("CC-MAIN-\uff12\uff10\uff12\uff15-26", "is no crawl"),
        ("CC-MAIN-2012", "ARC files"),
        (OLD, "not found"),
    ):
        with pytest.raises(SourceError, match=words):
            origin.import_crawl(Listed(), crawl, quiet)


@pytest.mark.parametrize("packed", [True, False])
def test_a_local_list(tmp_path: Path, packed: bool) -> None:
    """A file may be gzipped or plain, and of several crawls."""
    text = "\n".join([*paths(3), "", *paths(2, OLD)]).encode()
    path = tmp_path / "warc.paths"
    path.write_bytes(gzip.compress(text) if packed else text)
    store = Listed()
    assert [str(one) for one in import_file(store, path)] == [f"{CRAWL}: 3 WARCs, 3 new", f"{OLD}: 2 WARCs, 2 new"]
    assert store.paths == {CRAWL: paths(3), OLD: paths(2, OLD)}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\n".join([*(path.encode() for path in paths(2)), b"crawl-data/x/wet/1.gz"]), "line 3 is no WARC file"),
        (b"../../etc/passwd\n", "line 1 is no WARC file"),
        ("\u00e9".encode(), "no ASCII"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-9], "damaged gzip"),
        (b"", "empty"),
    ],
)
def test_a_wrong_list_adds_nothing(tmp_path: Path, data: bytes, words: str) -> None:
    """A foreign line is named by its number, a damaged file as such, and nothing of either is added."""
    (tmp_path / "list").write_bytes(data)
    store = Listed()
    with pytest.raises(SourceError, match=words):
        import_file(store, tmp_path / "list")
    assert store.paths == {}
    with pytest.raises(SourceError, match="No such file"):
        import_file(store, tmp_path / "none")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_list_of_another_system(tmp_path: Path, encoding: str) -> None:
    """A byte order mark, CRLF and blank lines are how some editors write."""
    (tmp_path / "list").write_bytes("\r\n \r\n".join(paths(3)).encode(encoding))
    store = Listed()
    import_file(store, tmp_path / "list")
    assert store.paths[paths(1)[0].split("/")[1]] == paths(3)


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: CrawlServer) -> None:
    """Of a list of any kind so much is read as a list may have, and the error names file and limit."""
    monkeypatch.setattr(crawls, "LIST_BYTES", 1 << 20)
    lines = b"\n".join(path.encode() for path in paths(10_000))
    bombs = {"bomb": gzip.compress(b"\n" * (64 << 20)), "members": gzip.compress(b"\n" * 999) * 2000, "long": lines}
    for name, data in bombs.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(SourceError, match=f"{name}: the list has more than 1 MiB of text"):
            import_file(Listed(), tmp_path / name)
    (served.folder / "long").write_bytes(lines)
    with pytest.raises(SourceError, match="more than 1 MiB"):
        crawls.fetch(f"{served.endpoint}/long", quiet)


def test_a_path_without_an_end(tmp_path: Path) -> None:
    """Whoever reads a task is not sent a megabyte of name."""
    (tmp_path / "list").write_text(paths(1)[0].replace("warc.gz", "x" * 1000 + ".warc.gz"))
    with pytest.raises(SourceError, match="line 1 is no WARC file"):
        import_file(Listed(), tmp_path / "list")


def test_the_command(tmp_path: Path, served: CrawlServer, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tasks import` goes on past what fails and says so at its end; `tasks show` counts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("FINEST_CC_HTTPS", served.endpoint)
    monkeypatch.setenv("FINEST_CC_COLLINFO", f"{served.endpoint}/collinfo.json")
    listed = [{"id": OLD}, {"id": "CC-MAIN-2012"}, {"id": CRAWL}]
    (tmp_path / "served" / "collinfo.json").write_text(json.dumps(listed))
    result = CliRunner().invoke(command, ["import", "--all"])
    assert isinstance(result.exception, SourceError) and OLD in str(result.exception)
    assert result.stdout == f"{CRAWL}: 2 WARCs, 2 new\n"
    assert "CC-MAIN-2012: passed over" in result.stderr
    (tmp_path / "more.txt").write_text("\n".join(paths(3, OLD)))
    assert CliRunner().invoke(command, ["import", "more.txt"]).exit_code == 0
    store = Store.open(database_url)
    store.lease("5Alice", 2, 1)
    store.close()
    shown = CliRunner().invoke(command, ["show"]).stdout
    assert [line.split() for line in shown.splitlines()] == [
        ["work", "kind", "language", "recipe", "price", "WARCs", "open", "leased", "finished"],
        [CRAWL, "crawl", "any", "1", "2", "0", "2", "0"], [OLD, "crawl", "any", "1", "3", "3", "0", "0"],
    ]  # fmt: skip
    assert CliRunner().invoke(command, ["price", OLD, "2.5"]).exit_code == 0
    assert CliRunner().invoke(command, ["import", "more.txt", "--price", "3"]).exit_code == 0
    added = CliRunner().invoke(command, ["add", CRAWL, "--recipe", GERMAN, "--language", "de", "--price", "2"])
    assert added.stdout.startswith(f"{CRAWL}.deu_Latn.") and added.stdout.endswith(": 2 new WARCs, price 2\n")
    shown = CliRunner(env={"COLUMNS": "120"}).invoke(command, ["show"]).stdout
    assert [line.split()[1:5] for line in shown.splitlines()[1:]] == [
        ["crawl", "any", "3", "3"], ["language", "deu_Latn", GERMAN, "2"], ["crawl", "any", "1", "2"],
    ]  # fmt: skip
    for wrong in (
        ["price", OLD, "11"],
        ["price", "CC-MAIN-1999-01", "1"],
        ["add", OLD, "--recipe", "fineweb"],
        ["add", OLD, "--recipe", GERMAN],
        ["add", OLD, "--recipe", GERMAN, "--language", "de,fr"],
    ):
        assert isinstance(CliRunner().invoke(command, wrong).exception, UsageError)
    english = CliRunner().invoke(command, ["add", CRAWL, "--recipe", "fineweb", "--language", "deu_Latn"])
    assert isinstance(english.exception, RecipeError)
    assert CliRunner().invoke(command, ["import"]).exception is not None
