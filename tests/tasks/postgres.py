"""A private PostgreSQL for tests and benches: Debian's binaries, a temporary folder, a unix socket, no account."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg

from finest.process import leave_with_parent

START_S = 30.0
STOP_S = 20.0


def binaries() -> Path | None:
    """The newest PostgreSQL's programs: Debian's folder, or where `initdb` is on the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    candidates = [*found, *([Path(on_path)] if on_path else [])]
    return candidates[-1].resolve().parent if candidates else None


def account() -> str | None:
    """Whom to run as: PostgreSQL refuses root. None: as whoever we are."""
    if os.geteuid() != 0:
        return None
    return next(name for name in ("postgres", "nobody") if _exists(name))


class Cluster:
    """One PostgreSQL server of our own; `fresh()` is the URL of an empty database. A context manager.

    `durable=False` skips fsync and vacuuming: quicker, and as correct while the machine stands.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self.bin, self.durable = binaries(), durable
        self.folder = Path(tempfile.mkdtemp(prefix="finest-pg-"))
        self._server: subprocess.Popen[bytes] | None = None
        self._databases = 0

    @cached_property
    def _as(self) -> dict[str, Any]:
        user = account()
        if user is None:
            return {}
        entry = pwd.getpwnam(user)
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [], "cwd": "/"}

    def __enter__(self) -> Cluster:
        assert self.bin
        if self._as:
            os.chown(self.folder, self._as["user"], self._as["group"])
        data = self.folder / "data"
        initdb = [self.bin / "initdb", "-D", data, "-U", "finest", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"]
        subprocess.run(initdb, check=True, capture_output=True, timeout=START_S, **self._as)
        switches = {"listen_addresses": "", "unix_socket_directories": str(self.folder), "max_connections": "100"}
        if not self.durable:
            switches |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}
        options = [word for name, value in switches.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("wb") as log:
            self._server = subprocess.Popen(
                [self.bin / "postgres", "-D", data, *options],
                stderr=log,
                preexec_fn=leave_with_parent,  # noqa: PLW1509 - it takes no lock
                **self._as,
            )
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server:
            self._server.send_signal(2)  # SIGINT: "fast shutdown", clients are cut off
            self._server.wait(STOP_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://finest@/{database}?host={self.folder}"

    def fresh(self, template: str = "template1") -> str:
        """The URL of a new database: empty, or a copy of another one that nobody is connected to."""
        self._databases += 1
        name = f"fresh{self._databases}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            # Copying the files costs the server half of what logging them does. PostgreSQL 14 knows nothing else.
            how = " STRATEGY file_copy" if connection.info.server_version >= 150_000 else ""
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}{how}")
        return self.url(name)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline or (self._server and self._server.poll() is not None):
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.05)


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
