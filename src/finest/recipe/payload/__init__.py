"""The payload of a record: what an HTTP response says of itself, its body with all codings undone, and its text."""

from finest.recipe.payload.response import Response, Undecodable, read_response
from finest.recipe.payload.size import PayloadTooLarge

__all__ = ["PayloadTooLarge", "Response", "Undecodable", "read_response"]
