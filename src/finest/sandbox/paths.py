"""The files that a confined Python must read: its own, the system's libraries, and the system files these use.

On an ordinary machine none of them holds a secret. The lists exclude home folders, /etc as a whole, /proc of other
processes and the folder in which the command was started.
"""

from __future__ import annotations

import os
import stat
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import finest

_SYSTEM = (
    "/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/nix/store", "/gnu/store", "/etc/ld.so.cache",
    "/etc/ld.so.preload", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/timezone", "/etc/passwd",
    "/etc/group", "/etc/nsswitch.conf", "/etc/locale.alias", "/etc/mime.types", "/etc/os-release", "/dev/zero",
    "/dev/urandom", "/dev/random", "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems",
    "/proc/sys/vm", "/proc/sys/kernel/cap_last_cap", "/sys/devices/system", "/sys/fs/cgroup",
)  # fmt: skip
_NETWORK = (
    "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/gai.conf", "/etc/services", "/etc/protocols",
    "/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/openssl.cnf", "/etc/pki/ca-trust", "/etc/ca-certificates", "/run/systemd/resolve",
    "/run/resolvconf", "/run/NetworkManager/resolv.conf",
)  # fmt: skip
"""Files for name lookups and TLS. Only public certificates are included; /etc/ssl/private and similar folders are
not."""
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE")
_HTTPS, _DOMAIN = 443, 53
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_DEFAULT_PORTS = {"http": 80, "https": _HTTPS, "socks5": 1080, "socks5h": 1080, "socks4": 1080}

NULL = Path("/dev/null")
"""The null device, which every program may read and write."""


def runtime(environment: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Return the paths that this Python reads when it runs and imports."""
    libraries = environment.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    return _existing([*_SYSTEM, *_python(), *(path for path in libraries if path and _is_narrow(Path(path)))])


def network(environment: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Return the paths that name lookups and certificate checks read."""
    return _existing([*_NETWORK, *(environment[name] for name in _CERTIFICATES if environment.get(name))])


def public_settings() -> tuple[Path, ...]:
    """Return the world-readable files directly in /etc, from which programs learn which system this is."""
    try:
        found = [Path(entry) for entry in os.scandir("/etc") if entry.is_file() and entry.stat().st_mode & stat.S_IROTH]
    except OSError:
        return ()
    return (*found, *_existing(["/etc/alternatives"]))


def graphics() -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the device files of GPUs (NVIDIA and AMD) and the paths that describe these devices."""
    told = ("/sys", "/proc/driver", "/proc/devices", "/proc/modules")
    return (*Path("/dev").glob("nvidia*"), *_existing(["/dev/dri", "/dev/kfd"])), _existing(told)


def ports(addresses: Iterable[str], environment: Mapping[str, str] = os.environ) -> tuple[int, ...]:
    """Return the ports of HTTPS, of DNS over TCP, of `addresses` and of the proxies in the environment."""
    proxies = [environment.get(name, "") or environment.get(name.lower(), "") for name in _PROXIES]
    named = {_port(address) for address in (*addresses, *proxies) if address}
    return tuple(sorted({_HTTPS, _DOMAIN} | {port for port in named if port}))


def _port(address: str) -> int | None:
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        return parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None


def _python() -> list[str]:
    """Return the interpreter, its libraries and the folders on its import path.

    `python -m` puts the current folder first on that path. It may be a home folder, so it is included only if this
    package itself is in it.
    """
    here, own = os.path.realpath(os.getcwd()), str(Path(finest.__file__).parents[1])  # noqa: PTH109 - as sys.path has it
    imported = [path for path in sys.path if path and os.path.realpath(path) != here and _is_narrow(Path(path))]
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    program = os.path.realpath(sys.executable)
    return [
        *filter(lambda path: _is_narrow(Path(path)), prefixes),
        *sysconfig.get_paths().values(),
        *imported,
        own,
        program,
    ]


def _is_narrow(path: Path) -> bool:
    """Whether a folder may be allowed as a whole: it is neither the root nor this user's home or a parent of it."""
    folder = path.resolve()
    return folder != Path("/") and folder not in (Path.home(), *Path.home().parents)


def _existing(paths: Iterable[str]) -> tuple[Path, ...]:
    return tuple(path for path in dict.fromkeys(map(Path, paths)) if path.exists())
