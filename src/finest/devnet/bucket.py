"""The devnet's bucket: `nanio`, an S3 server that checks signatures, and its objects.

nanio stores an object as a plain file (`<folder>/<bucket>/<key>`), so `finest.devnet.crawl_http` serves the same folder
over HTTP. The devnet uploads objects through the S3 protocol, because that gives them their ETags.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from finest.devnet.crawl import sample_crawl

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BUCKET = "commoncrawl"
REGION = "us-east-1"
"""The region of Common Crawl's bucket, which is also nanio's default."""

TIMEOUT_S = 20.0
TRIES = 4


@dataclass(frozen=True, slots=True)
class Keys:
    """AWS credentials of one devnet."""

    access_key: str
    secret_key: str = field(repr=False)

    @staticmethod
    def make() -> Keys:
        """Create credentials of the same lengths as AWS's own: 20 and 40 characters."""
        return Keys(f"FDDEV{secrets.token_hex(8)[:15].upper()}", secrets.token_hex(20))


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of an S3 server, and the credentials for it."""

    endpoint: str
    keys: Keys
    name: str = BUCKET

    def client(self) -> Any:
        """Return a boto3 client that needs no environment variables, with timeouts and limited retries."""
        import boto3
        from botocore.config import Config

        config = Config(
            connect_timeout=TIMEOUT_S,
            read_timeout=TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": TRIES},
            s3={"addressing_style": "path"},
            proxies={},
        )
        return boto3.session.Session(
            aws_access_key_id=self.keys.access_key, aws_secret_access_key=self.keys.secret_key, region_name=REGION
        ).client("s3", endpoint_url=self.endpoint, config=config)

    def put(self, objects: Mapping[str, bytes]) -> int:
        """Upload the objects that are missing or differ; return how many were uploaded."""
        client = self.client()
        if self.name not in {one["Name"] for one in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=self.name)
        there = self._etags(client)
        missing = [key for key, data in objects.items() if there.get(key) != _etag(data)]
        for key in missing:
            client.put_object(Bucket=self.name, Key=key, Body=objects[key], ContentType=_content_type(key))
        return len(missing)

    def fill(self) -> int:
        """Upload the sample crawl; return how many objects were missing."""
        return self.put(sample_crawl())

    def _etags(self, client: Any) -> dict[str, str]:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return {item["Key"]: item["ETag"] for page in pages for item in page.get("Contents", ())}


def nanio_command(folder: Path, port: int, options: Path) -> list[str]:
    """Return nanio's arguments. They are flags, because flags override any NANIO_ environment variable."""
    told = {"--options": options, "--data-dir": folder, "--host": "127.0.0.1", "--port": port, "--region": REGION}
    words = [str(word) for pair in told.items() for word in pair]
    return ["serve", *words, "--workers", "1", "--log-level", "warning", "--no-access-log"]


def nanio_options(keys: Keys) -> str:
    """Return nanio's options file. Only it contains the secret, because every user of a machine can see command
    lines.
    """
    return f'[[users]]\naccess_key = "{keys.access_key}"\nsecret_key = "{keys.secret_key}"\n'


def _etag(data: bytes) -> str:
    """Return S3's ETag of an object that was uploaded in one piece."""
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


def _content_type(key: str) -> str:
    return "application/json" if key.endswith(".json") else "application/octet-stream"
