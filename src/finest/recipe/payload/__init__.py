"""The payload of a record: its HTTP header, its body with all codings undone, and the decoding of its text."""

from finest.recipe.payload.codings import Undecodable
from finest.recipe.payload.message import Message
from finest.recipe.payload.response import Response, is_wanted_status, read_message, read_response
from finest.recipe.payload.size import PayloadTooLarge

__all__ = ["Message", "PayloadTooLarge", "Response", "Undecodable", "is_wanted_status", "read_message", "read_response"]
