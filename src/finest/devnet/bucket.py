"""The devnet's bucket: `nanio`, an S3 server that checks signatures, and what it holds.

nanio keeps an object as a plain file (`<folder>/<bucket>/<key>`), so the same folder is served over HTTP as well:
`finest.devnet.crawl_http`. Objects are put by the protocol and not by hand, for that is how they get their ETags.
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
"""Where Common Crawl's bucket lies, and nanio's own default."""

TIMEOUT_S = 20.0
TRIES = 4


@dataclass(frozen=True, slots=True)
class Keys:
    """AWS credentials of one devnet."""

    access_key: str
    secret_key: str = field(repr=False)

    @staticmethod
    def make() -> Keys:
        """New credentials, in the shape of AWS's own: 20 and 40 characters."""
        return Keys(f"FDDEV{secrets.token_hex(8)[:15].upper()}", secrets.token_hex(20))


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of some S3 server, and who may use it."""

    endpoint: str
    keys: Keys
    name: str = BUCKET

    def client(self) -> Any:
        """A boto3 client that needs no environment, with deadlines and bounded retries."""
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
        """Put what is not there already, byte for byte; returns how many objects were put."""
        client = self.client()
        if self.name not in {one["Name"] for one in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=self.name)
        there = self._etags(client)
        missing = [key for key, data in objects.items() if there.get(key) != _etag(data)]
        for key in missing:
            client.put_object(Bucket=self.name, Key=key, Body=objects[key], ContentType=_content_type(key))
        return len(missing)

    def fill(self) -> int:
        """Put the sample crawl; returns how many objects were missing."""
        return self.put(sample_crawl())

    def _etags(self, client: Any) -> dict[str, str]:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return {item["Key"]: item["ETag"] for page in pages for item in page.get("Contents", ())}


def nanio_command(folder: Path, port: int, options: Path) -> list[str]:
    """nanio's arguments; flags, for they win over any NANIO_ variable that somebody has set."""
    told = {"--options": options, "--data-dir": folder, "--host": "127.0.0.1", "--port": port, "--region": REGION}
    words = [str(word) for pair in told.items() for word in pair]
    return ["serve", *words, "--workers", "1", "--log-level", "warning", "--no-access-log"]


def nanio_options(keys: Keys) -> str:
    """nanio's options file: the secret stands here alone, for every user of a machine can see command lines."""
    return f'[[users]]\naccess_key = "{keys.access_key}"\nsecret_key = "{keys.secret_key}"\n'


def _etag(data: bytes) -> str:
    """S3's ETag of an object put in one piece."""
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


def _content_type(key: str) -> str:
    return "application/json" if key.endswith(".json") else "application/octet-stream"
