"""The checks: what they say, and what they skip."""

from __future__ import annotations

import pytest

from finest.cluster.check_health import CHECKS, Cluster, clock, database, mend_node, node_states, partition
from finest.cluster.check_settings import LOOKS
from finest.cluster.nodes import ClusterConfig, Node, Partition, parse_config, parse_node
from finest.errors import ClusterError
from finest.examination import examine
from finest.findings import Check, State, failure, ok
from tests.cluster.test_nodes import CONFIG

SETTINGS = dict(LOOKS)
BARE = parse_config(
    "SelectType = select/linear\nTaskPlugin = task/none\nMaxArraySize = 0\nReturnToService = 0\n"
    "AccountingStorageType = accounting_storage/none\n"
)
"""Slurm's own defaults, and arrays switched off."""


def a_cluster(
    *nodes: Node, config: ClusterConfig | None = None, partitions: tuple[Partition, ...] = (), ask: str | None = None
) -> Cluster:
    """A cluster whose answers are known already."""
    made = Cluster(ask)
    made.__dict__ |= {"nodes": list(nodes), "partitions": list(partitions), "config": config or parse_config(CONFIG)}
    return made


IDLE = parse_node(["a1", "main", "idle", "8", "32000", "none"])
DRAINED = parse_node(["a2", "main", "drained", "8", "32000", "disk is full"])
DOWN = parse_node(["a3", "main", "down*", "8", "32000", "Not responding"])
SMALL = parse_node(
    ["a4", "main", "inval", "8", "32000", "Low RealMemory (reported:24105 < 100.00% of configured:32000)"]
)
MAIN = Partition("main", True, True, 86400, None)


def test_what_hangs_on_a_dead_part_is_skipped() -> None:
    """A check that would block is not made, and says what it waits for."""
    dead = Check("controller", lambda _: failure("down", "start it"))
    asked = Check("nodes", lambda _: pytest.fail("it was asked"), needs=("controller",))
    found = examine((dead, asked, Check("probe", asked.look, needs=("nodes",))), Cluster(), at_once=1)
    assert [one.state for one in found.values()] == [State.FAILURE, State.SKIPPED, State.SKIPPED]
    assert found["nodes"].line == "needs controller"


def test_an_error_while_looking_is_a_finding() -> None:
    """The other checks go on."""

    def broken(_: Cluster) -> None:
        raise ClusterError("it broke")

    found = examine((Check("a", broken), Check("b", lambda _: ok("fine"))), Cluster(), at_once=1)  # type: ignore[arg-type]
    assert found["a"].state is State.FAILURE and found["a"].line == "it broke"
    assert found["b"].state is State.OK


def test_every_check_waits_only_for_earlier_ones() -> None:
    """One pass in their order is enough."""
    names = [look.name for look in CHECKS]
    for at, look in enumerate(CHECKS):
        assert set(look.needs) <= set(names[:at])


def test_a_drained_node_comes_with_its_reason_and_its_cure() -> None:
    """Where no other node is left it is a failure, else a warning."""
    alone, beside = node_states(a_cluster(DRAINED)), node_states(a_cluster(IDLE, DRAINED))
    assert alone.state is State.FAILURE and beside.state is State.WARNING
    assert "a2 is drained (disk is full)" in alone.line
    assert alone.mend == beside.mend == "sudo scontrol update nodename=a2 state=RESUME"


def test_each_illness_has_its_own_cure() -> None:
    """A dead slurmd is started, a wrong RealMemory is put right; RESUME alone mends neither."""
    assert "systemctl restart slurmd" in mend_node(DOWN)
    assert "slurmd -C" in mend_node(SMALL)


def test_the_partition_is_shown_with_what_it_allows() -> None:
    """The default one, or the one asked for; nodes that are down do not count."""
    line = partition(a_cluster(IDLE, DRAINED, partitions=(MAIN,))).line
    assert line == "main: 1 node with up to 8 cores and 31.2 GiB, jobs of up to 24 h"


def test_a_partition_that_is_not_there_comes_with_those_that_are() -> None:
    """So that the next try is right."""
    found = partition(a_cluster(IDLE, partitions=(MAIN,), ask="gpu"))
    assert found.state is State.FAILURE and "gpu" in found.line and "main" in found.line


def test_a_partition_without_a_node_is_a_failure() -> None:
    """Others may be well; jobs would wait for ever in this one."""
    other = Partition("other", False, True, None, None)
    assert partition(a_cluster(IDLE, partitions=(MAIN, other), ask="other")).state is State.FAILURE


def test_a_closed_partition_is_a_failure() -> None:
    """Jobs are taken and never start."""
    closed = Partition("main", True, False, 86400, None)
    found = partition(a_cluster(IDLE, partitions=(closed,)))
    assert found.state is State.FAILURE and found.mend == "sudo scontrol update partitionname=main state=UP"


@pytest.mark.parametrize("name", SETTINGS)
def test_good_settings_are_ok_and_bare_ones_are_not(name: str) -> None:
    """Each comes with the line that mends it."""
    good = parse_config(CONFIG + "ReturnToService = 2\n")
    assert SETTINGS[name](good).state is State.OK
    bad = SETTINGS[name](BARE)
    assert bad.state in {State.WARNING, State.FAILURE} and bad.mend


def test_no_database_is_a_warning_that_says_what_is_lost() -> None:
    """Work goes on without it."""
    found = database(a_cluster(config=BARE))
    assert found.state is State.WARNING and "forgets" in found.line


@pytest.mark.parametrize(("ahead_s", "state"), [(1, State.OK), (-30, State.WARNING), (3000, State.FAILURE)])
def test_clocks_that_differ_are_found(ahead_s: float, state: State) -> None:
    """A little is nothing; minutes keep munge from believing anybody."""
    cluster = a_cluster()
    cluster.asked_at_s = cluster.config.as_of_s + ahead_s
    assert clock(cluster).state is state
