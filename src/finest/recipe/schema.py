"""The schema of recipes, `finest-recipe/1`, and the hash over what a recipe says.

A schema is a set of sections and keys with their default values, written down in `schema_1.json` and never changed. The
hash covers the schema's name, the versions of the deciding libraries, and every value that differs from the schema's
default. What a later version adds to recipes (a stage, a key) is left out of the resolved form as long as it has its
default, which must leave verdicts as they were. So hashes hold while recipes grow, and a version computes the hash of a
recipe that a newer one wrote.
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
"""Keys that decide nothing, and the schema's name, which is hashed in every case."""


@cache
def defaults() -> dict[str, dict[str, Any]]:
    """The sections of schema 1 with the default value of each key, in the form of JSON."""
    sections: dict[str, dict[str, Any]] = json.loads(_DEFAULTS.read_bytes())
    return sections


def recipe_hash(resolved: dict[str, Any]) -> str:
    """sha256 (64 hex digits) over the canonical JSON of all that decides; name and description do not.

    Raises ValueError where the recipe is of a schema that this version does not know.
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
    decides = {key: _differing(value, defaults().get(key)) for key, value in resolved.items() if key not in _UNHASHED}
    changed = {key: value for key, value in decides.items() if value is not _ABSENT}
    return hashlib.sha256(canonical_json({"schema": SCHEMA_NAME, **changed})).hexdigest()


def without_defaults(section: dict[str, Any], known: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    """The section without keys that the schema does not have (`known` holds its keys) and that have their default."""
    return {key: value for key, value in section.items() if key in known or not same(value, default.get(key, _ABSENT))}


def same(one: Any, other: Any) -> bool:
    """Whether two values have one form in JSON: 1 and 1.0 and true are three values."""
    return other is not _ABSENT and canonical_json(one) == canonical_json(other)


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no spaces, UTF-8: one byte string for one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _differing(value: Any, default: dict[str, Any] | None) -> Any:
    """What a section says beyond the schema's defaults: `_ABSENT` where that is nothing."""
    if default is None or not isinstance(value, dict):
        return value
    changed = {key: found for key, found in value.items() if not same(found, default.get(key, _ABSENT))}
    return changed or _ABSENT
