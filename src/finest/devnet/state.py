"""`devnet.json`: the settings, addresses and secrets of a devnet; only its owner may read the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finest.devnet.bucket import Keys
from finest.devnet.processes import free_port, write_private
from finest.errors import DevnetError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "devnet.json"

Service = Literal["bucket", "crawl", "hub", "chain"]
SERVICES: tuple[Service, ...] = ("bucket", "crawl", "hub", "chain")

SCHEMES: dict[Service, str] = {"bucket": "http", "crawl": "http", "hub": "http", "chain": "ws"}

ABOUT: dict[Service, str] = {
    "bucket": "S3 with checked signatures; bucket commoncrawl",
    "crawl": "the same files over HTTP",
    "hub": "Hugging Face Hub",
    "chain": "Bittensor chain",
}


class State(BaseModel):
    """The settings and secrets of a devnet."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["finest-devnet/1"] = "finest-devnet/1"
    netuid: int = 63
    users: list[str] = ["devnet"]
    """Users of the Hub; `finest devnet env` prints the first one's token."""
    access_key: str
    secret_key: str = Field(repr=False)
    ports: dict[Service, int]

    @property
    def keys(self) -> Keys:
        return Keys(self.access_key, self.secret_key)

    def address(self, service: Service) -> str:
        """Return the address at which a service listens."""
        return f"{SCHEMES[service]}://127.0.0.1:{self.ports[service]}"


def new_state(netuid: int) -> State:
    """Return the state of a new devnet, with new credentials and free ports."""
    keys = Keys.make()
    return State(netuid=netuid, access_key=keys.access_key, secret_key=keys.secret_key, ports=_ports())


def _ports() -> dict[Service, int]:
    ports: set[int] = set()
    while len(ports) < len(SERVICES):
        ports.add(free_port())
    return dict(zip(SERVICES, ports, strict=True))


def read_state(folder: Path) -> State:
    """Read the state of the devnet in a folder; raise DevnetError if it is missing or of another version."""
    try:
        return State.model_validate_json((folder / NAME).read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DevnetError(f"{folder}: no devnet here; start one with `finest devnet up`") from error
    except ValidationError as error:
        raise DevnetError(
            f"{folder / NAME}: not the devnet.json of this version ({error.errors()[0]['msg']}); remove the folder and "
            "run `finest devnet up`"
        ) from error


def write_state(folder: Path, state: State) -> None:
    """Write `devnet.json`."""
    write_private(folder / NAME, state.model_dump_json(indent=1) + "\n")
