"""The list of checks, by role. A new check is a function in the file of its subject and a line here."""

from __future__ import annotations

from typing import Literal

from finest.doctor import chain, cluster, crawl, hub, installation, machine, server
from finest.doctor.check import Check
from finest.doctor.subject import SERVER_S, VIEW_S

Role = Literal["miner"]

_NETWORK = "check the network, and the firewall's rules for outgoing connections"
_HERE = (
    Check("python", installation.python),
    Check("packages", installation.packages),
    Check("recipe", installation.recipe, 30),
    Check("known-page", installation.known_page, 180, needs=("packages", "recipe")),  # the first run builds word lists
    Check("processors", machine.processors),
    Check("disk", machine.disk),
    Check("open-files", machine.open_files),
)
_CHAIN = (
    Check("chain-client", chain.client, 60),  # an import from a cold disk
    Check("wallet", chain.wallet, 20, needs=("chain-client",)),
    Check("chain", chain.chain, VIEW_S + chain.LONGEST_WAIT_S + 10, needs=("chain-client",), hint=_NETWORK),
    Check("registration", chain.registration, 30, needs=("wallet", "chain"), hint=_NETWORK),
)
_SERVER = (
    Check("task-server", server.task_server, SERVER_S + 5, hint=_NETWORK),
    Check("subnet", server.subnet, needs=("task-server",)),
    Check("server-hotkey", server.server_hotkey, needs=("task-server",)),
    Check("clock", server.clock, needs=("task-server",)),
)
_HUB = (
    Check("hub-token", hub.token, 40, hint=_NETWORK),
    Check("hub-repository", hub.repository, 40, needs=("hub-token",), hint=_NETWORK),
    Check("commitment", chain.commitment, 40, hint=_NETWORK),
)
_CRAWL = (Check("common-crawl", crawl.common_crawl, 45, hint=_NETWORK),)
_CLUSTER = (Check("slurm", cluster.slurm, 60, hint="scontrol ping"),)

_BY_ROLE: dict[Role, tuple[Check, ...]] = {"miner": (*_HERE, *_CHAIN, *_SERVER, *_HUB, *_CRAWL, *_CLUSTER)}


def checks_for(role: Role) -> tuple[Check, ...]:
    """What is looked at for whoever plays that role on the subnet, in the order in which it is shown."""
    return _BY_ROLE[role]
