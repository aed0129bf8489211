"""The runtime's storage: keys are hashed and values encoded as the metadata specifies."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import bittensor_core

from finest.devnet.chain.metadata import SPEC_VERSION, TRANSACTION_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

SS58_FORMAT = 42
PALLET = "SubtensorModule"
"""The pallet of subnets, neurons and weights."""
_NUMBERS = ("u8", "u16", "u32", "u64", "u128", "u256", "i8", "i16", "i32", "i64", "i128", "i256")


class Values(Protocol):
    """Raw storage, of a block or of changes on top of one."""

    def get(self, key: bytes) -> bytes | None: ...
    def keys(self, prefix: bytes) -> Iterable[bytes]: ...


class Codec:
    """The types of one runtime: storage keys and values, calls, runtime APIs, and their empty values."""

    def __init__(self, metadata: bytes) -> None:
        self.metadata = metadata
        self.runtime: Any = bittensor_core.Runtime(metadata, SPEC_VERSION, TRANSACTION_VERSION, SS58_FORMAT)
        self._entries: dict[tuple[str, str], Any] = {}

    def entry(self, pallet: str, item: str) -> Any:
        """Return the storage entry; raise KeyError if the runtime does not have it."""
        if (pallet, item) not in self._entries:
            self._entries[pallet, item] = self.runtime.storage_entry(pallet, item)
        return self._entries[pallet, item]

    def key(self, pallet: str, item: str, *params: Any) -> bytes:
        """Return a storage key, or the prefix of a map's keys if parameters are omitted."""
        return bytes(self.runtime.storage_key(pallet, item, list(params)))

    def encode(self, type_name: str, value: Any) -> bytes:
        """Encode a value as SCALE bytes; None is the empty Option."""
        return b"\x00" if value is None else bytes(self.runtime.encode(type_name, value))

    def decode(self, type_name: str, data: bytes) -> Any:
        """Decode a value from SCALE bytes, all of which must be used."""
        return self.runtime.decode(type_name, data, True)

    @cached_property
    def apis(self) -> dict[str, dict[str, Any]]:
        """The runtime APIs: api -> method -> inputs and output."""
        found: dict[str, dict[str, Any]] = self.runtime.runtime_api_map()
        return found

    @cached_property
    def errors(self) -> dict[tuple[str, str], tuple[int, int]]:
        """The indices of each error: (pallet, error) -> (pallet index, error index)."""
        pallets = self.runtime.metadata_ir()["pallets"]
        return {(p["name"], e["name"]): (p["index"], e["index"]) for p in pallets for e in p["errors"]}

    @cached_property
    def types(self) -> dict[int, dict[str, Any]]:
        """The metadata's type registry: type id -> type."""
        return {entry["id"]: entry["type"] for entry in json.loads(self.runtime.registry_json())["types"]}

    def fields(self, type_name: str) -> dict[str, Any]:
        """Return a struct (or the content of an Option of one) with empty fields: zero, false, no items, None."""
        kind = self.types[int(type_name.removeprefix("scale_info::"))]
        if kind.get("path") == ["Option"]:
            kind = self.types[kind["params"][0]["type"]]
        return {field["name"]: self._empty(field["type"]) for field in kind["def"]["composite"]["fields"]}

    def _empty(self, type_id: int) -> Any:
        shape, detail = next(iter(self.types[type_id]["def"].items()))
        if shape == "composite":
            fields = detail.get("fields", [])
            if fields and fields[0].get("name") is None:
                return self._empty(fields[0]["type"])
            return {field["name"]: self._empty(field["type"]) for field in fields}
        if shape == "tuple":
            return tuple(self._empty(part) for part in detail)
        if shape == "array":
            return "0x" + "00" * detail["len"]
        return {"sequence": [], "compact": 0, "variant": None}.get(shape, 0 if detail in _NUMBERS else False)


class Overlay:
    """Changes on top of other values; None marks a removed key."""

    def __init__(self, below: Values) -> None:
        self.below = below
        self.changes: dict[bytes, bytes | None] = {}

    def get(self, key: bytes) -> bytes | None:
        return self.changes[key] if key in self.changes else self.below.get(key)

    def keys(self, prefix: bytes) -> Iterable[bytes]:
        found = {key for key in self.below.keys(prefix) if key not in self.changes}
        found |= {key for key, value in self.changes.items() if value is not None and key.startswith(prefix)}
        return sorted(found)


class Pallets:
    """Typed read access to the storage."""

    def __init__(self, codec: Codec, values: Values) -> None:
        self.codec = codec
        self.values = values

    def get(self, pallet: str, item: str, *params: Any) -> Any:
        """Return a value; if it is missing, return the entry's default, or None if the entry is optional."""
        entry = self.codec.entry(pallet, item)
        raw = self.values.get(self.codec.key(pallet, item, *params))
        if raw is None:
            raw = bytes(entry.default_bytes) if entry.modifier == "Default" else None
        return None if raw is None else self.codec.decode(entry.value_type, raw)

    def map(self, pallet: str, item: str, *params: Any) -> dict[Any, Any]:
        """Return the values under a prefix by their remaining key (a tuple if there are several)."""
        keys = list(self.values.keys(self.codec.key(pallet, item, *params)))
        raw = [self.values.get(key) or b"" for key in keys]
        return dict(self.codec.runtime.decode_map_pairs(pallet, item, keys, raw, len(params)))


class Writable(Pallets):
    """Typed read and write access; written values stay in the overlay until the caller stores them."""

    def __init__(self, codec: Codec, overlay: Overlay) -> None:
        super().__init__(codec, overlay)
        self.overlay = overlay

    def put(self, pallet: str, item: str, *params: Any, value: Any) -> None:
        """Encode a value as the entry's type and write it."""
        data = self.codec.encode(self.codec.entry(pallet, item).value_type, value)
        self.put_raw(pallet, item, *params, data=data)

    def put_raw(self, pallet: str, item: str, *params: Any, data: bytes) -> None:
        """Write bytes that are already encoded as the entry's type, such as those that a client sent."""
        self.overlay.changes[self.codec.key(pallet, item, *params)] = data

    def drop(self, pallet: str, item: str, *params: Any) -> None:
        """Remove a value."""
        self.overlay.changes[self.codec.key(pallet, item, *params)] = None
