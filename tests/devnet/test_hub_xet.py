"""Xet as the devnet's Hub speaks it: the formats, and that no file counts before its bytes were hashed."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

import lz4.frame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.devnet.hub.cas import Cas
from finest.devnet.hub.disk import Incoming
from finest.devnet.hub.faults import Fault
from finest.devnet.hub.ranges import Span, span_of
from finest.devnet.hub.server import HubServer
from finest.devnet.hub.shard import Term, XetFile, files_of, hash_text
from finest.devnet.hub.xorb import GROUPED_LZ4, LZ4, PLAIN, XetFormatError
from tests.devnet.hub_client import ask, client

XORB, OTHER, FILE = "ab" * 32, "cd" * 32, "12" * 32
END = b"\xff" * 32 + bytes(16)


def packed(data: bytes, scheme: int) -> bytes:
    """One chunk as a client writes it."""
    body = b"".join(data[group::4] for group in range(4)) if scheme == GROUPED_LZ4 else data
    body = lz4.frame.compress(body) if scheme != PLAIN else body
    header = b"\0" + len(body).to_bytes(3, "little") + bytes([scheme]) + len(data).to_bytes(3, "little")
    return header + body


def raw_hash(text: str) -> bytes:
    return b"".join(bytes.fromhex(text[at : at + 16])[::-1] for at in range(0, 64, 16))


def shard(file: XetFile) -> bytes:
    """A shard with one file, its verification and its sha256."""
    flags = (1 << 31) | ((1 << 30) if file.sha256 else 0)
    records = [bytes(48), raw_hash(file.hash) + struct.pack("<IIQ", flags, len(file.terms), 0)]
    records += [raw_hash(term.xorb) + struct.pack("<IIII", 0, term.size, term.first, term.stop) for term in file.terms]
    records += [bytes(48) for _ in file.terms]
    records += [raw_hash(file.sha256) + bytes(16)] if file.sha256 else []
    return b"".join([*records, END, END])


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    with HubServer(tmp_path / "hub") as server:
        body = {"name": "rows", "type": "dataset", "visibility": "private"}
        assert ask(server, "POST", "/api/repos/create", token=server.add_user("alice"), json=body).status_code == 200
        yield server


def xet_token(hub: HubServer, right: str, token: str) -> str:
    return str(ask(hub, "GET", f"/api/datasets/alice/rows/xet-{right}-token/main", token=token).json()["accessToken"])


CHUNKS = st.lists(
    st.tuples(st.binary(min_size=1, max_size=300), st.sampled_from([PLAIN, LZ4, GROUPED_LZ4])), min_size=1, max_size=8
)


@given(chunks=CHUNKS, data=st.data())
@settings(max_examples=60)
def test_any_range_of_any_file_is_its_bytes(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    """A file made of chunks of two xorbs, in whatever compression, is read by any range; the pieces cover it."""
    folder = tmp_path_factory.mktemp("cas")
    cas, incoming = Cas(folder / "cas"), Incoming(folder / "incoming")
    for name, footer in ((XORB, b""), (OTHER, b"XETBLOB and more")):
        cas.add_xorb(name, incoming.write([*(packed(*chunk) for chunk in chunks), footer]))
    first = data.draw(st.integers(0, len(chunks) - 1))
    size = sum(len(content) for content, _ in chunks)
    tail = b"".join(content for content, _ in chunks[first:])
    whole = tail + b"".join(content for content, _ in chunks)
    terms = (Term(XORB, len(tail), first, len(chunks)), Term(OTHER, size, 0, len(chunks)))
    file = XetFile(FILE, hashlib.sha256(whole).hexdigest(), terms)
    shard_file = incoming.write([shard(file)])
    assert list(files_of(shard_file.path)) == [file]
    cas.add_file(file)
    assert cas.find_sha256(file.sha256) == file
    start = data.draw(st.integers(0, len(whole) - 1))
    stop = data.draw(st.integers(start + 1, len(whole)))
    assert b"".join(cas.read(file, start, stop)) == whole[start:stop]
    skip, pieces = cas.pieces(file, start, stop)
    assert sum(piece.size for piece in pieces) >= skip + stop - start
    assert skip < len(chunks[pieces[0].first][0])


@pytest.mark.parametrize(
    "body",
    [b"", b"short", packed(b"data", PLAIN)[:-1], packed(b"data", 3), packed(b"x" * 200_000, LZ4), b"XETBLOB only"],
    ids=["empty", "short", "cut", "unknown scheme", "oversized chunk", "footer only"],
)
def test_what_is_no_xorb_is_refused(tmp_path: Path, body: bytes) -> None:
    """A xorb is kept only if each of its chunks is there in full."""
    cas = Cas(tmp_path / "cas")
    with pytest.raises(XetFormatError):
        cas.add_xorb(XORB, Incoming(tmp_path / "incoming").write([body]))
    assert not cas.xorb(XORB).exists()


def test_a_bomb_in_a_chunk_is_refused(tmp_path: Path) -> None:
    """A chunk that unpacks to more than its header says is not unpacked."""
    cas, incoming = Cas(tmp_path / "cas"), Incoming(tmp_path / "incoming")
    bomb = lz4.frame.compress(bytes(10_000_000))
    chunk = b"\0" + len(bomb).to_bytes(3, "little") + bytes([LZ4]) + (10).to_bytes(3, "little") + bomb
    cas.add_xorb(XORB, incoming.write([chunk]))
    with pytest.raises(XetFormatError, match="has 11 bytes"):
        cas.add_file(XetFile(FILE, "", (Term(XORB, 10, 0, 1),)))


def test_a_false_sha256_is_refused(hub: HubServer) -> None:
    """A shard that names a sha256 of other bytes, or xorbs and chunks that are not there, registers nothing."""
    write = xet_token(hub, "write", hub.add_user("alice"))
    data = b"the bytes that arrive"
    assert ask(hub, "POST", f"/v1/xorbs/default/{XORB}", token=write, data=packed(data, LZ4)).json()["was_inserted"]
    again = ask(hub, "POST", f"/v1/xorbs/default/{XORB}", token=write, data=packed(data, PLAIN))
    assert again.json() == {"was_inserted": False}

    def register(file: XetFile) -> int:
        return ask(hub, "POST", "/v1/shards", token=write, data=shard(file)).status_code

    term = Term(XORB, len(data), 0, 1)
    assert register(XetFile(FILE, "00" * 32, (term,))) == 400
    assert register(XetFile(FILE, "", (Term(OTHER, len(data), 0, 1),))) == 400
    assert register(XetFile(FILE, "", (Term(XORB, len(data), 0, 2),))) == 400
    assert register(XetFile(FILE, "", (Term(XORB, len(data) + 1, 0, 1),))) == 400
    assert ask(hub, "POST", "/v1/shards", token=write, data=b"no shard").status_code == 400
    assert ask(hub, "GET", f"/v1/reconstructions/{FILE}", token=write).status_code == 404
    assert register(XetFile(FILE, hashlib.sha256(data).hexdigest(), (term,))) == 200
    told = ask(hub, "GET", f"/v1/reconstructions/{FILE}", token=write, headers={"Range": "bytes=4-8"}).json()
    assert told["offset_into_first_range"] == 4
    assert told["terms"] == [{"hash": XORB, "unpacked_length": len(data), "range": {"start": 0, "end": 1}}]


def test_xet_asks_for_its_own_token(hub: HubServer) -> None:
    """Reading needs a token, writing one that writes; whoever may not see the repository gets neither."""
    path = "/api/datasets/alice/rows/xet-{}-token/main"
    assert ask(hub, "GET", path.format("read")).status_code == 401
    assert ask(hub, "GET", path.format("read"), token=hub.add_user("bob")).status_code == 404
    assert ask(hub, "GET", path.format("write"), token=hub.read_token("alice")).status_code == 403
    read = xet_token(hub, "read", hub.read_token("alice"))
    assert ask(hub, "POST", "/v1/shards", token=read, data=b"").status_code == 403
    assert ask(hub, "GET", f"/v1/reconstructions/{FILE}", token=read).status_code == 404
    for wrong in (None, "xyz", read[:-4] + "AAAA", hub.add_user("alice")):
        assert ask(hub, "GET", f"/v1/reconstructions/{FILE}", token=wrong).status_code == 401


def test_a_hub_without_xet(tmp_path: Path) -> None:
    """With Xet off the Hub has no Xet tokens, and a client that insists is refused."""
    with HubServer(tmp_path / "hub", xet=False) as hub:
        token = hub.add_user("alice")
        ask(hub, "POST", "/api/repos/create", token=token, json={"name": "rows", "type": "dataset"})
        answer = ask(hub, "GET", "/api/datasets/alice/rows/xet-write-token/main", token=token)
        assert answer.status_code == 404


def test_a_broken_xet_download_ends_well(hub: HubServer, tmp_path: Path) -> None:
    """A xorb whose transfer breaks off is fetched again: the file is whole."""
    script = """
    open("a.bin", "wb").write(os.urandom(3_000_000))
    api.upload_file(path_or_fileobj="a.bin", path_in_repo="a.bin", repo_id=REPO, repo_type="dataset")
    result = sha256(hf_hub_download(REPO, "a.bin", repo_type="dataset")) == sha256("a.bin")
    """
    hub.faults.add(Fault(path="^/_xorb/", cut_bytes=1_000_000))
    assert client(tmp_path / "home", hub, script, token=hub.add_user("alice"), xet=True) is True
    assert hub.requests.count("^/_xorb/") >= 2


def test_a_hash_is_spelt_as_addresses_spell_it() -> None:
    """Each eight bytes of a Xet hash are one little-endian number."""
    assert hash_text(bytes(range(32))) == "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918"
    assert raw_hash(hash_text(bytes(range(32)))) == bytes(range(32))


@given(start=st.integers(0, 40), stop=st.integers(0, 40), size=st.integers(0, 30))
def test_a_range_is_within_the_file_or_refused(start: int, stop: int, size: int) -> None:
    """What a Range header gives is what slicing gives; beyond the end there is nothing, backwards is ignored."""
    content = bytes(size)
    closed, opened, tail = (span_of(f"bytes={wanted}", size) for wanted in (f"{start}-{stop}", f"{start}-", f"-{stop}"))
    if stop < start:
        assert closed == Span(0, size, partial=False)
    else:
        given_ = content[closed.start : closed.stop] if closed else b""
        assert given_ == content[start : stop + 1]
    assert (content[opened.start : opened.stop] if opened else b"") == content[start:]
    assert (tail.stop - tail.start if tail else 0) == min(stop, size)
