"""Web pages that are open in a browser of the same machine, against every server of a devnet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import requests
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from finest.devnet.chain.server import ChainServer
from finest.devnet.crawl_http import CrawlServer
from finest.devnet.hub.server import HubServer
from tests.devnet.chain_parts import chain, isolated

__all__ = ["chain", "isolated"]

PAGES = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:8000"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-origin", "Host": "evil.example:9944"},
    {"Host": "evil.example"},
    {"Host": "127.0.0.1.evil.example:80"},
    {"Host": "[::1"},
]
"""A page elsewhere, a file, another port of this machine, an image, and names that were made to mean 127.0.0.1."""


@pytest.fixture(scope="module", params=["hub", "crawl"])
def endpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "file").write_bytes(b"x")
    with HubServer(folder / "hub") if request.param == "hub" else CrawlServer(folder) as server:
        yield server.endpoint


@pytest.mark.parametrize("headers", PAGES)
@pytest.mark.parametrize(("method", "path"), [("GET", "/api/datasets"), ("POST", "/_devnet/faults"), ("GET", "/file")])
def test_a_web_page_reaches_no_http_server(endpoint: str, method: str, path: str, headers: dict[str, str]) -> None:
    """Neither content nor the drivers that make faults."""
    answer = requests.request(method, endpoint + path, headers=headers, data=b"[]", timeout=60)
    assert (answer.status_code, "devnet" in answer.text) == (403, True)


@pytest.mark.parametrize("headers", [{}, {"Host": "localhost:1"}, {"Sec-Fetch-Site": "none"}])
def test_clients_and_typed_addresses_do(endpoint: str, headers: dict[str, str]) -> None:
    """An S3, Hub or HTTP client sends no Origin; an address that a person types comes from no site."""
    assert requests.get(f"{endpoint}/nothing", headers=headers, timeout=60).status_code != 403


def test_a_web_page_reaches_no_chain(chain: ChainServer) -> None:
    """A WebSocket of any origin is refused at the handshake, at the drivers' door, too; a client's is not."""

    async def status(path: str, origin: str | None) -> int:
        try:
            async with connect(chain.endpoint + path, origin=origin):  # type: ignore[arg-type]
                return 101
        except InvalidStatus as refused:
            return int(refused.response.status_code)

    for path in ("", "/devnet"):
        assert asyncio.run(status(path, "https://evil.example")) == 403
        assert asyncio.run(status(path, None)) == 101


def test_the_page_that_names_this_machine_otherwise(chain: ChainServer) -> None:
    """A name that was made to mean 127.0.0.1 is not the chain's."""

    async def ask(host: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", chain.port)
        head = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        writer.write(
            f"GET / HTTP/1.1\r\nHost: {host}\r\n{head}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        line = await reader.readline()
        writer.close()
        return line

    assert b" 403 " in asyncio.run(ask(f"evil.example:{chain.port}"))
    assert b" 101 " in asyncio.run(ask(f"localhost:{chain.port}"))
