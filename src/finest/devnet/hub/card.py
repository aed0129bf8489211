"""Validate a README.md as the Hub does: the YAML between its `---` lines must parse and be a mapping."""

from __future__ import annotations

import re

import yaml

_FRONT_MATTER = re.compile(r"\A\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)


def card_errors(content: str) -> list[str]:
    """Return why the Hub would refuse this card; empty if it would accept it."""
    found = _FRONT_MATTER.match(content)
    if not found:
        return []
    try:
        metadata = yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        return [f"YAML does not parse: {error}"]
    if metadata is not None and not isinstance(metadata, dict):
        return ["YAML metadata must be a mapping"]
    return [message for key in ("configs", "tags") if (message := _not_a_list(metadata or {}, key))]


def card_warnings(content: str) -> list[str]:
    """Return the warnings that the Hub would give for this card."""
    found = _FRONT_MATTER.match(content)
    return [] if found and found[1].strip() else ["empty or missing yaml metadata in repo card"]


def _not_a_list(metadata: dict[str, object], key: str) -> str:
    return "" if isinstance(metadata.get(key, []), list) else f'"{key}" must be an array'
