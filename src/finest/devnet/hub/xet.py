"""Xet's API, version 1 (https://huggingface.co/docs/xet/api): tokens, xorbs, shards, reconstructions.

Clients first try version 2, and ask which chunks the server already knows: both get a 404 here. A read token gives
access to any file whose hash its bearer knows; the real Hub's tokens are limited to one repository.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Request
from fastapi import Path as Segment
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from finest.devnet.hub.api import REPO
from finest.devnet.hub.cas import Piece
from finest.devnet.hub.disk import read_range
from finest.devnet.hub.ranges import give, span_of
from finest.devnet.hub.refusal import RefusalError
from finest.devnet.hub.repos import Kind, RepoId
from finest.devnet.hub.shard import MAX_SHARD_BYTES, files_of
from finest.devnet.hub.state import Caller, Hub, TheHub, base
from finest.devnet.hub.xorb import MAX_XORB_BYTES, XetFormatError

router = APIRouter()

Hash = Annotated[str, Segment(pattern=r"^[0-9a-f]{64}$")]
Right = Literal["read", "write"]


@router.get(REPO + "/xet-{right}-token/{revision}")
def token(
    request: Request, kind: Kind, namespace: str, name: str, right: Right, hub: TheHub, caller: Caller
) -> Response:
    """Return a token to read or write content, and the address of the store."""
    repo = RepoId(kind, namespace, name)
    if right == "write":
        hub.writable(repo, caller)
    else:
        hub.visible(repo, caller)
    if not hub.xet:
        raise RefusalError(404, "Xet is not enabled on this Hub", "EntryNotFound")
    signed = hub.signer.sign(f"xet {right}")
    access = base64.urlsafe_b64encode(f"{right} {signed}".encode()).decode()
    expiry = signed.partition(".")[0]
    origin = base(request)
    headers = {"X-Xet-Cas-Url": origin, "X-Xet-Access-Token": access, "X-Xet-Token-Expiration": expiry}
    return JSONResponse({"casUrl": origin, "exp": int(expiry), "accessToken": access}, headers=headers)


def _right(hub: Hub, authorization: str) -> str:
    """Return the permission of a Xet token. Raises RefusalError (401)."""
    try:
        right, _, signed = base64.urlsafe_b64decode(authorization.removeprefix("Bearer ")).decode().partition(" ")
        hub.signer.check(f"xet {right}", signed)
    except (ValueError, RefusalError) as error:
        raise RefusalError(401, "Not a Xet token, or expired") from error
    return right


async def _reader(hub: TheHub, authorization: Annotated[str, Header()] = "") -> None:
    _right(hub, authorization)


async def _writer(hub: TheHub, authorization: Annotated[str, Header()] = "") -> None:
    if _right(hub, authorization) != "write":
        raise RefusalError(403, "This Xet token only reads")


@router.post("/v1/xorbs/default/{xorb}", dependencies=[Depends(_writer)])
async def put_xorb(request: Request, xorb: Hash, hub: TheHub) -> Response:
    """Store a xorb if it parses; its hash is not checked here, but the sha256 of the files that use it is."""
    _small_enough(request, MAX_XORB_BYTES)
    received = await hub.incoming.receive(request.stream())
    try:
        inserted = await run_in_threadpool(hub.cas.add_xorb, xorb, received)
    except XetFormatError as error:
        raise RefusalError(400, str(error)) from error
    finally:
        received.path.unlink(missing_ok=True)
    return JSONResponse({"was_inserted": inserted})


@router.post("/v1/shards", dependencies=[Depends(_writer)])
async def put_shard(request: Request, hub: TheHub) -> Response:
    """Register the files that a shard describes; each is first read from its xorbs and hashed."""
    _small_enough(request, MAX_SHARD_BYTES)
    received = await hub.incoming.receive(request.stream())
    try:
        async with hub.registering:
            for file in files_of(received.path):
                await run_in_threadpool(hub.cas.add_file, file)
    except XetFormatError as error:
        raise RefusalError(400, str(error)) from error
    finally:
        received.path.unlink(missing_ok=True)
    return JSONResponse({"result": 1})


def _small_enough(request: Request, most: int) -> None:
    if int(request.headers.get("content-length", 0)) > most:
        raise RefusalError(413, f"More than {most} bytes")


@router.post("/v1/telemetry")
def telemetry() -> Response:
    return JSONResponse({})


@router.get("/v1/reconstructions/{file_hash}", dependencies=[Depends(_reader)])
def reconstruction(request: Request, file_hash: Hash, hub: TheHub) -> Response:
    """Return the chunks and xorbs that make up a file or the requested range of it."""
    file = hub.cas.find(file_hash)
    if file is None:
        raise RefusalError(404, "No such file")
    span = span_of(request.headers.get("range"), file.size)
    if span is None:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{file.size}"})
    skip, pieces = hub.cas.pieces(file, span.start, span.stop)
    fetch: dict[str, list[dict[str, Any]]] = {}
    for piece in pieces:
        fetch.setdefault(piece.xorb, []).append(_fetch(request, hub, piece))
    terms = [_term(piece) for piece in pieces]
    return JSONResponse({"offset_into_first_range": skip, "terms": terms, "fetch_info": fetch})


def _term(piece: Piece) -> dict[str, Any]:
    chunks = {"start": piece.first, "end": piece.stop}
    return {"hash": piece.xorb, "unpacked_length": piece.size, "range": chunks}


def _fetch(request: Request, hub: Hub, piece: Piece) -> dict[str, Any]:
    address = f"{base(request)}/_xorb/{piece.xorb}?signature={hub.signer.sign(f'xorb {piece.xorb}')}"
    chunks, bytes_ = {"start": piece.first, "end": piece.stop}, {"start": piece.start, "end": piece.end - 1}
    return {"range": chunks, "url": address, "url_range": bytes_}


@router.get("/_xorb/{xorb}")
def get_xorb(request: Request, xorb: Hash, hub: TheHub, signature: str = "") -> Response:
    """Return the bytes of a xorb to any client with the signed address."""
    hub.signer.check(f"xorb {xorb}", signature)
    path = hub.cas.xorb(xorb)
    if not path.exists():
        raise RefusalError(404, "No such xorb")
    return give(request, path.stat().st_size, lambda start, stop: read_range(path, start, stop), {"ETag": f'"{xorb}"'})
