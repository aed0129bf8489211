"""Openers for WARCs on the Hugging Face Hub and in any other store that fsspec supports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from finest.errors import SourceError, UsageError
from finest.masking import masked_error, public_address
from finest.stores import file_system
from finest.warc.openers import READ_TIMEOUT_S, HttpsOpener
from finest.warc.stream import Interrupted, Opened

if TYPE_CHECKING:
    from finest.warc.http_session import Response

BLOCK_BYTES = 8 << 20
"""Bytes that a store is asked for at once: object stores serve ranges of this size at full speed, and each process
holds only one."""
_STATES = (
    "ETag", "etag", "e_tag", "md5Hash", "generation", "version_id", "xet_hash", "blob_id", "mtime", "LastModified",
    "last_modified", "modified", "created",
)  # fmt: skip
"""Fields of fsspec's file information that change with the content, the surest first; each store has some of them."""


class HubOpener(HttpsOpener):
    """Opens a file of the Hub, `hf://datasets/...` or `hf://buckets/...`, with one streaming GET.

    huggingface_hub names the address and finds the token; the file system of that library would ask the Hub for the
    folder's whole list first.
    """

    def __init__(self, location: str, *, read_timeout_s: float = READ_TIMEOUT_S) -> None:
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        super().__init__(_hub_address(location), read_timeout_s=read_timeout_s)
        self.location = public_address(location)
        self._headers = build_hf_headers()

    def _check(self, response: Response, position: int, content_range: str) -> None:
        if response.status in (401, 403, 404):
            raise SourceError(
                f"{self.location}: the Hub has no such file, or your token may not read it (HTTP "
                f"{response.status}); check the address, or log in with `hf auth login` or HF_TOKEN"
            )
        super()._check(response, position, content_range)


def _hub_address(location: str) -> str:
    from huggingface_hub import constants, hf_hub_url
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import parse_hf_uri  # type: ignore[attr-defined]

    try:
        place = parse_hf_uri(location)
        if place.is_bucket:
            return f"{constants.ENDPOINT}/buckets/{place.id}/resolve/{quote(place.path_in_repo)}"
        return hf_hub_url(place.id, place.path_in_repo, repo_type=place.type, revision=place.revision)
    except (HFValidationError, ValueError) as error:
        raise SourceError(f"{public_address(location)}: not an address on the Hub: {masked_error(error)}") from None


class StoreOpener:
    """Opens a file of a store that fsspec supports; its ranges are read in blocks of BLOCK_BYTES."""

    transient: tuple[type[Exception], ...] = (Exception,)
    """Each store's library raises errors of its own; the stream gives up after some tries of any."""

    def __init__(self, location: str) -> None:
        self.location = public_address(location)
        self.host = public_address(location).partition("://")[2].partition("/")[0]
        self._address = location

    def open(self, position: int, etag: str | None, end: int | None = None) -> Opened:  # noqa: ARG002
        try:
            files, path = file_system(self._address)
            files.invalidate_cache()  # a listing from before says nothing about the file as it is now
            about = files.info(path)
            body = files.open(path, "rb", block_size=BLOCK_BYTES, cache_type="readahead")
            body.seek(position)
        except UsageError:
            raise
        except FileNotFoundError:
            raise SourceError(f"{self.location}: not found; check the address") from None
        except PermissionError as error:
            raise SourceError(f"{self.location}: no right to read it: {masked_error(error)}") from None
        except (NotImplementedError, ValueError, TypeError) as error:
            raise SourceError(f"{self.location}: cannot be read: {masked_error(error)}") from error
        except Exception as error:  # noqa: BLE001 - whatever else this store's library raises; a later try may work
            raise Interrupted(masked_error(error)) from None
        if about.get("type") != "file" or about.get("size") is None:
            raise SourceError(f"{self.location}: not a file with a known size")
        return Opened(body, _state(about), int(about["size"]), int(about["size"]))


def _state(about: dict[str, Any]) -> str | None:
    return next((str(about[name]) for name in _STATES if about.get(name) is not None), None)
