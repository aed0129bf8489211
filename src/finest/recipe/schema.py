"""The recipe schema, `finest-recipe/1`, and the recipe hash.

The schema is a fixed set of sections and keys with their default values, stored in `schema_1.json`, which never
changes. The hash covers the schema's name, the versions of the deciding libraries, and every value that differs from
the schema's default. A key or stage that a later version adds is omitted from the resolved form while it has its
default, and that default must not change any verdict. Hashes therefore stay valid as recipes gain keys, and an older
version can compute the hash of a recipe that a newer version wrote.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

SCHEMA_NAME = "finest-recipe/1"
_DEFAULTS = Path(__file__).with_name("schema_1.json")
_ABSENT = object()
_UNHASHED = ("name", "description", "schema")
"""Keys that do not affect verdicts, and the schema's name, which is always hashed separately."""


@cache
def defaults() -> dict[str, dict[str, Any]]:
    """Return the sections of schema 1 with the default value of each key, as parsed JSON."""
    sections: dict[str, dict[str, Any]] = json.loads(_DEFAULTS.read_bytes())
    return sections


def recipe_hash(resolved: dict[str, Any]) -> str:
    """Return the sha256 (64 hex digits) of the canonical JSON of all settings but the name and the description.

    Raises ValueError if this version does not know the recipe's schema.
    """
    named = resolved.get("schema")
    if named is None:
        raise ValueError(
            f"the recipe names no schema: a version of finest-data from before {SCHEMA_NAME} made this dataset, and "
            f"this version cannot check it; refine the sources again"
        )
    if named != SCHEMA_NAME:
        raise ValueError(
            f"the recipe has the schema {str(named)[:40]!r} and this version knows {SCHEMA_NAME} alone; "
            f"update with: pip install -U finest-data"
        )
    hashed = {key: _without_places(key, value) for key, value in resolved.items() if key not in _UNHASHED}
    decides = {key: _differing(value, defaults().get(key)) for key, value in hashed.items()}
    changed = {key: value for key, value in decides.items() if value is not _ABSENT}
    return hashlib.sha256(canonical_json({"schema": SCHEMA_NAME, **changed})).hexdigest()


def without_defaults(section: dict[str, Any], known: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    """Return `section` without the keys that are not in the schema (`known`) and have their `default` value."""
    return {key: value for key, value in section.items() if key in known or not same(value, default.get(key, _ABSENT))}


def same(one: Any, other: Any) -> bool:
    """Return whether two values have the same canonical JSON; 1, 1.0 and true all differ."""
    return other is not _ABSENT and canonical_json(one) == canonical_json(other)


def canonical_json(value: Any) -> bytes:
    """Encode `value` as UTF-8 JSON with sorted keys and no spaces, so that equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _without_places(section: str, value: Any) -> Any:
    """Return a section without the places of its quality models: their sha256s say which they are."""
    if section != "quality_model" or not isinstance(value, dict) or not isinstance(value.get("models"), list):
        return value
    models = [
        {key: setting for key, setting in model.items() if key != "model"} if isinstance(model, dict) else model
        for model in value["models"]
    ]
    return value | {"models": models}


def _differing(value: Any, default: dict[str, Any] | None) -> Any:
    """Return the values of a section that differ from the schema's defaults, or `_ABSENT` if there are none."""
    if default is None or not isinstance(value, dict):
        return value
    changed = {key: found for key, found in value.items() if not same(found, default.get(key, _ABSENT))}
    return changed or _ABSENT
