"""The checks of each role. To add a check, write a function in its subject's module and add a line here."""

from __future__ import annotations

from finest.doctor import chain, cluster, crawl, database, hub, installation, machine, server
from finest.doctor.subject import SERVER_S, VIEW_S, Role, Subject
from finest.findings import Check

_NETWORK = "check the network, and the firewall's rules for outgoing connections"
_INSTALLATION = (
    Check("python", installation.python),
    Check("packages", installation.packages),
    Check("recipe", installation.recipe, 30),  # covers refining; the packages of the subnet may still be missing
    Check("compiled-core", installation.native, 30, needs=("recipe",)),
    Check("known-page", installation.known_page, 180, needs=("recipe",)),  # the first run builds word lists
)
_MINING_MACHINE = (
    Check("processors", machine.processors),
    Check("disk", machine.disk),
    Check("open-files", machine.open_files),
)
_CHAIN = (
    Check("chain-client", chain.client, 60),  # importing from a cold disk is slow
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
_MEASURE = (Check("quality-model", installation.quality_model, 30, needs=("packages",)),)
_JUDGING_MACHINE = (
    Check("memory", machine.memory),
    Check("room", machine.room),
    Check("confinement", machine.confinement),
    Check("open-files", machine.open_files),
    Check("gpu", machine.gpu, 60),  # importing from a cold disk is slow
)
_RIGHTS = (
    Check("permit", chain.permit, 40, needs=("registration",), hint=_NETWORK),
    Check("weights", chain.weights, 40, needs=("registration",), hint=_NETWORK),
)
_QUEUE = (Check("database", database.database, 30, needs=("packages",), hint="is the database's server up?"),)
_HUB_READ = (Check("hub", hub.public, 40, hint=_NETWORK),)
_CLUSTER = (Check("slurm", cluster.slurm, 60, hint="scontrol ping"),)

_BY_ROLE: dict[Role, tuple[Check[Subject], ...]] = {
    "miner": (*_INSTALLATION, *_MINING_MACHINE, *_CHAIN, *_SERVER, *_HUB, *_CRAWL, *_CLUSTER),
    "validator": (
        *_INSTALLATION, *_MEASURE, *_JUDGING_MACHINE, *_CHAIN, *_RIGHTS, *_SERVER, *_QUEUE, *_HUB_READ, *_CRAWL,
    ),
}  # fmt: skip
_INSTALLATION_OF: dict[Role, tuple[Check[Subject], ...]] = {
    "miner": _INSTALLATION, "validator": (*_INSTALLATION, *_MEASURE)
}  # fmt: skip


def checks_for(role: Role, *, installation_only: bool = False) -> tuple[Check[Subject], ...]:
    """Return the checks of a role on the subnet, in display order.

    With `installation_only`, return only those that need no network, no account and no particular machine.
    """
    return (_INSTALLATION_OF if installation_only else _BY_ROLE)[role]
