"""Measure the CPU time that a look at a source takes when a run is planned.

    python -m bench.looks --head WARC [--looks 3000] [--latency 0.2] [--s3]

A server in a process of its own answers each request with the WARC's first 20 kB after `--latency` seconds, with the
headers of Common Crawl's CloudFront, so that only the looking counts.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from finest.pipeline.heads import sources_at
from finest.pipeline.progress import Progress
from finest.warc.pauses import Pauses
from finest.warc.source import LOOK_BYTES

TURNS = 3
HEADERS = f"""HTTP/1.1 206 Partial Content
Content-Type: application/octet-stream
Content-Length: {LOOK_BYTES}
Connection: keep-alive
Date: Mon, 30 Nov 2026 15:00:00 GMT
Last-Modified: Sat, 01 Aug 2026 00:00:00 GMT
ETag: "0123456789abcdef0123456789abcdef-125"
x-amz-storage-class: INTELLIGENT_TIERING
x-amz-server-side-encryption: AES256
Accept-Ranges: bytes
Server: AmazonS3
Content-Range: bytes 0-{LOOK_BYTES - 1}/1000000000
X-Cache: Hit from cloudfront
Via: 1.1 cc.cloudfront.net (CloudFront)
X-Amz-Cf-Pop: FRA60-P1
X-Amz-Cf-Id: abcdefghijklmnopqrstuvwxyz==

"""
PATH = "crawl-data/CC-MAIN-2026-30/segments/1234567890123/warc/CC-MAIN-20260701000000-20260701030000-{:05d}.warc.gz"


def serve(head: Path, latency_s: float) -> None:
    """Answer every request with the head, until the process is ended."""
    reply = HEADERS.replace("\n", "\r\n").encode() + head.read_bytes()[:LOOK_BYTES]
    server = socket.create_server(("127.0.0.1", 0), backlog=512)
    print(server.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=_answer, args=(server.accept()[0], reply, latency_s), daemon=True).start()


def _answer(connection: socket.socket, reply: bytes, latency_s: float) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection.makefile("rb") as requests:
        for line in requests:
            if line == b"\r\n":
                time.sleep(latency_s)
                connection.sendall(reply)


def measure(base: str, looks: int) -> None:
    """Look at so many sources, each time others, and print the CPU time of one look."""
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(TURNS):
            places = [f"{base}/{PATH.format(number)}" for number in range(turn * looks, (turn + 1) * looks)]
            start = time.process_time()
            sources_at(places, places, None, Pauses(Path(folder)), Progress(quiet=True))
            print(f"{1000 * (time.process_time() - start) / looks:.2f} ms of CPU a look")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--head", type=Path, required=True)
    parser.add_argument("--looks", type=int, default=3000)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--s3", action="store_true", help="look through boto3, as with AWS credentials")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.head, options.latency)
    command = [sys.executable, "-m", "bench.looks", "--serve", "--head", str(options.head)]
    command += ["--latency", str(options.latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        base = f"http://127.0.0.1:{int(server.stdout.readline())}"
        if options.s3:
            os.environ.update(AWS_ENDPOINT_URL=base, AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
            base = "s3://commoncrawl"
        try:
            measure(base, options.looks)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
