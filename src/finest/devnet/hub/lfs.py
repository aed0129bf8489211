"""Git LFS: batch, upload in one PUT or several, verify (https://github.com/git-lfs/git-lfs/blob/main/docs/api)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from finest.devnet.hub.disk import read_range
from finest.devnet.hub.refusal import RefusalError
from finest.devnet.hub.repos import Kind, RepoId
from finest.devnet.hub.state import Caller, Hub, TheHub, base

router = APIRouter()
MEDIA_TYPE = "application/vnd.git-lfs+json"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class LfsObject(BaseModel):
    oid: Sha256
    size: int = Field(ge=0)


class Batch(BaseModel):
    operation: str = "upload"
    transfers: list[str] = Field(default_factory=lambda: ["basic"])
    objects: list[LfsObject]


class Part(BaseModel):
    partNumber: int = Field(ge=1)  # noqa: N815 - the protocol's spelling
    etag: str = Field(pattern=r'^"?[0-9a-f]{64}"?$')


class Completed(BaseModel):
    oid: Sha256
    parts: list[Part]


async def _signed(hub: TheHub, oid: str, signature: str = "") -> str:
    """Return the object id of a signed address; any client with the address may upload the object."""
    hub.signer.check(f"lfs {oid}", signature)
    return oid


Oid = Annotated[str, Depends(_signed)]


@router.post("/datasets/{namespace}/{name}.git/info/lfs/objects/batch")
def dataset_batch(request: Request, namespace: str, name: str, body: Batch, hub: TheHub, caller: Caller) -> Response:
    return _batch(request, "datasets", namespace, name, body, hub, caller)


@router.post("/spaces/{namespace}/{name}.git/info/lfs/objects/batch")
def space_batch(request: Request, namespace: str, name: str, body: Batch, hub: TheHub, caller: Caller) -> Response:
    return _batch(request, "spaces", namespace, name, body, hub, caller)


@router.post("/{namespace}/{name}.git/info/lfs/objects/batch")
def model_batch(request: Request, namespace: str, name: str, body: Batch, hub: TheHub, caller: Caller) -> Response:
    return _batch(request, "models", namespace, name, body, hub, caller)


def _batch(request: Request, kind: Kind, namespace: str, name: str, body: Batch, hub: Hub, caller: Caller) -> Response:
    """Return where to upload each object; an object that is already stored has no actions."""
    hub.writable(RepoId(kind, namespace, name), caller)
    if body.operation != "upload":
        raise RefusalError(400, "The devnet gives LFS objects by resolve addresses only")
    parted = "multipart" in body.transfers and any(one.size > hub.limits.lfs_part_bytes for one in body.objects)
    told = [_object(hub, one, base(request), parted=parted) for one in body.objects]
    transfer = "multipart" if parted else "basic"
    return JSONResponse({"transfer": transfer, "objects": told, "hash_algo": "sha256"}, media_type=MEDIA_TYPE)


def _object(hub: Hub, one: LfsObject, origin: str, *, parted: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"oid": one.oid, "size": one.size, "authenticated": True}
    if hub.contents.find(one.oid):
        return told
    address, query = f"{origin}/_lfs/{one.oid}", f"?signature={hub.signer.sign(f'lfs {one.oid}')}"
    upload: dict[str, Any] = {"href": address + query}
    part_bytes = hub.limits.lfs_part_bytes
    if parted and one.size > part_bytes:
        numbers = range(1, -(-one.size // part_bytes) + 1)
        parts = {f"{number:05d}": f"{address}/part/{number}{query}" for number in numbers}
        upload = {"href": f"{address}/complete{query}", "header": {"chunk_size": str(part_bytes), **parts}}
    told["actions"] = {"upload": upload, "verify": {"href": f"{address}/verify{query}"}}
    return told


@router.put("/_lfs/{oid}")
async def put_object(request: Request, oid: Oid, hub: TheHub) -> Response:
    """Store a whole object; refuse it unless it has the announced sha256."""
    received = await hub.incoming.receive(request.stream())
    if received.sha256 != oid:
        received.path.unlink()
        raise RefusalError(422, f"The bytes have sha256 {received.sha256}, announced was {oid}")
    hub.contents.keep(received)
    return Response(headers={"ETag": f'"{received.sha256}"'})


@router.put("/_lfs/{oid}/part/{number}")
async def put_part(request: Request, oid: Oid, number: int, hub: TheHub) -> Response:
    """Store one part; the client refers to it by the ETag of this response when it completes the upload."""
    received = await hub.incoming.receive(request.stream())
    received.keep(_part(hub, oid, number, received.sha256))
    return Response(headers={"ETag": f'"{received.sha256}"'})


@router.post("/_lfs/{oid}/complete")
async def complete(oid: Oid, body: Completed, hub: TheHub) -> Response:
    """Join the parts; refuse the result unless it has the announced sha256."""
    await run_in_threadpool(_join, hub, oid, body.parts)
    return JSONResponse({})


def _join(hub: Hub, oid: str, parts: list[Part]) -> None:
    ordered = sorted(parts, key=lambda part: part.partNumber)
    paths = [_part(hub, oid, part.partNumber, part.etag.strip('"')) for part in ordered]
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise RefusalError(400, f"{len(missing)} parts were not uploaded")
    whole = hub.incoming.write(_blocks(paths))
    if whole.sha256 != oid:
        whole.path.unlink()
        raise RefusalError(422, f"The parts have sha256 {whole.sha256}, announced was {oid}")
    hub.contents.keep(whole)
    shutil.rmtree(hub.parts / oid, ignore_errors=True)


def _blocks(paths: list[Path]) -> Iterator[bytes]:
    for path in paths:
        yield from read_range(path, 0, path.stat().st_size)


@router.post("/_lfs/{oid}/verify")
async def verify(oid: Oid, body: LfsObject, hub: TheHub) -> Response:
    """Confirm that the object is stored with that size; respond with 404 if it is not."""
    blob = hub.contents.find(oid)
    if blob is None or blob.size != body.size or body.oid != oid:
        raise RefusalError(404, "The object is not here with that size")
    return JSONResponse({})


def _part(hub: Hub, oid: str, number: int, etag: str) -> Path:
    return hub.parts / oid / f"{number:05d}-{etag}"
