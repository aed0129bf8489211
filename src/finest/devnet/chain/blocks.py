"""Store blocks, and every past value of the storage, in one append-only file.

The first line of `chain.jsonl` identifies the chain. One line follows for each block, and one for each change that a
test driver makes to the head. The next start removes a line that a killed process left unfinished. An empty block takes
about 0.7 kB, so a block every 0.25 s takes 10 MB per hour.
"""

from __future__ import annotations

import bisect
import fcntl
import hashlib
import json
from dataclasses import asdict, dataclass
from operator import itemgetter
from typing import IO, TYPE_CHECKING, Any

from finest.devnet.chain.metadata import compact
from finest.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Changes = dict[bytes, "bytes | None"]


def blake2(data: bytes) -> str:
    """Return Substrate's hash of `data` as 0x-hex."""
    return "0x" + hashlib.blake2b(data, digest_size=32).hexdigest()


@dataclass(frozen=True, slots=True)
class Block:
    """One block: the header's fields and the extrinsics as 0x-hex."""

    number: int
    parent: str
    state_root: str
    extrinsics_root: str
    extrinsics: tuple[str, ...]

    @property
    def header(self) -> dict[str, Any]:
        """The header in the format of JSON-RPC."""
        return {
            "parentHash": self.parent,
            "number": hex(self.number),
            "stateRoot": self.state_root,
            "extrinsicsRoot": self.extrinsics_root,
            "digest": {"logs": []},
        }

    @property
    def hash(self) -> str:
        """The hash of the header's SCALE bytes (the last byte is an empty digest)."""
        roots = bytes.fromhex(self.state_root[2:]) + bytes.fromhex(self.extrinsics_root[2:])
        return blake2(bytes.fromhex(self.parent[2:]) + compact(self.number) + roots + b"\x00")


class At:
    """The storage after one block."""

    def __init__(self, store: BlockStore, number: int) -> None:
        self.store = store
        self.number = number

    def get(self, key: bytes) -> bytes | None:
        history = self.store.history.get(key, [])
        found = bisect.bisect_right(history, self.number, key=itemgetter(0))
        return history[found - 1][1] if found else None

    def keys(self, prefix: bytes) -> Iterable[bytes]:
        keys = self.store.sorted_keys
        for index in range(bisect.bisect_left(keys, prefix), len(keys)):
            if not keys[index].startswith(prefix):
                return
            if self.get(keys[index]) is not None:
                yield keys[index]


class BlockStore:
    """The blocks of a chain in a folder, for one process at a time.

    Raises LedgerError if another process uses the folder or the file belongs to another chain.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.blocks: list[Block] = []
        self.numbers: dict[str, int] = {}
        self.history: dict[bytes, list[tuple[int, bytes | None]]] = {}
        self.sorted_keys: list[bytes] = []
        self._file = _locked(folder / "chain.jsonl")
        try:
            self._replay(dict(identity))
        except BaseException:
            self._file.close()
            raise

    @property
    def head(self) -> Block:
        return self.blocks[-1]

    def append(self, number: int, extrinsics: list[str], changes: Changes) -> Block:
        """Add a block and its changes to the storage."""
        parent = self.blocks[-1] if self.blocks else None
        parts = [parent.state_root if parent else ""] + [f"{k.hex()}={_hex(v)}" for k, v in sorted(changes.items())]
        block = Block(
            number=number,
            parent=parent.hash if parent else "0x" + "00" * 32,
            state_root=blake2("\n".join(parts).encode()),
            extrinsics_root=blake2("\n".join(extrinsics).encode()),
            extrinsics=tuple(extrinsics),
        )
        self._write({"block": asdict(block), "changes": _pack(changes)})
        self._add(block, changes)
        return block

    def amend(self, changes: Changes) -> None:
        """Change the storage at the head without a new block."""
        self._write({"changes": _pack(changes)})
        self._record(changes)

    def close(self) -> None:
        self._file.close()

    def _replay(self, identity: dict[str, Any]) -> None:
        self._file.seek(0)
        end, lines = 0, 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            entry = json.loads(line)
            if lines == 0 and entry.get("chain") != identity:
                raise LedgerError(f"{self._file.name} holds another chain; choose another folder for the devnet")
            if "block" in entry:
                fields = entry["block"]
                self._add(Block(**{**fields, "extrinsics": tuple(fields["extrinsics"])}), _unpack(entry["changes"]))
            elif lines:
                self._record(_unpack(entry["changes"]))
            end, lines = end + len(line), lines + 1
        self._file.truncate(end)
        self._file.seek(end)
        if not lines:
            self._write({"chain": identity})

    def _write(self, entry: dict[str, Any]) -> None:
        self._file.write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        self._file.flush()

    def _add(self, block: Block, changes: Changes) -> None:
        self.blocks.append(block)
        self.numbers[block.hash] = block.number
        self._record(changes)

    def _record(self, changes: Changes) -> None:
        number = self.head.number
        for key, value in changes.items():
            if key not in self.history:
                bisect.insort(self.sorted_keys, key)
            history = self.history.setdefault(key, [])
            if history and history[-1][0] == number:
                history.pop()
            history.append((number, value))


def _locked(path: Path) -> IO[bytes]:
    file = path.open("a+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise LedgerError(f"another devnet runs in {path.parent}; `finest devnet down` stops it") from None
    return file


def _hex(value: bytes | None) -> str:
    return "" if value is None else value.hex()


def _pack(changes: Changes) -> dict[str, str | None]:
    return {key.hex(): None if value is None else value.hex() for key, value in changes.items()}


def _unpack(packed: dict[str, str | None]) -> Changes:
    return {bytes.fromhex(key): None if value is None else bytes.fromhex(value) for key, value in packed.items()}
