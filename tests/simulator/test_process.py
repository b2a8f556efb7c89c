"""The simulator in a process of its own: ready when it says so, gone when its parent is."""

import os
import select
import subprocess
import sys
import textwrap

import pytest

from batch_deployer.errors import InputError
from batch_deployer.simulator.process import SimulatorProcess, fetch

_PARENT = """
    import sys
    from batch_deployer.simulator.process import SimulatorProcess
    from batch_deployer.simulator.world.world import World
    process = SimulatorProcess(World.generated(clusters=1), outlive={outlive}).__enter__()
    print(process.pid, process.url, process.admin_token, flush=True)
    sys.stdin.read()
"""


def test_it_serves_from_the_moment_it_says_so(simulator):
    assert simulator.ledger()["peaks"].keys() == {"north", "south"}
    assert simulator.get("stats")["speed"] == 1000.0


def test_faults_seed_and_ledger_file_reach_the_child(make_world, tmp_path):
    with SimulatorProcess(
        make_world(), seed=7, speed=3.0, faults="outage", ledger_file=tmp_path / "ledger.jsonl"
    ) as process:
        stats = process.get("stats")
        assert (stats["seed"], stats["speed"]) == (7, 3.0)
        assert (tmp_path / "ledger.jsonl").exists()
        assert process.post("phase", {"cluster_id": process.world.clusters[0].id, "phase": "Deleting"}) == {}
        pid = process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    process.stop()


def test_a_child_that_cannot_serve_says_why(simulator):
    port = int(simulator.url.rsplit(":", 1)[1])
    with (
        pytest.raises(InputError, match=f"cannot listen on 127.0.0.1 port {port}"),
        SimulatorProcess(simulator.world, port=port),
    ):
        pass


def _parent(*, outlive):
    """A parent that starts a simulator; with the simulator's pid and URL."""
    source = textwrap.dedent(_PARENT.format(outlive=outlive))
    parent = subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    pid, url, token = parent.stdout.readline().decode().split()
    return parent, int(pid), url, token


def _kill(parent):
    parent.kill()
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()


def test_it_dies_with_a_parent_that_was_killed():
    parent, pid, url, token = _parent(outlive=False)
    descriptor = os.pidfd_open(pid)
    assert fetch(url, "stats", token)["entries"] == 0
    _kill(parent)
    assert select.select([descriptor], [], [], 30)[0], "still there"
    os.close(descriptor)


def test_it_outlives_a_killed_parent_when_told_to():
    parent, pid, url, token = _parent(outlive=True)
    _kill(parent)
    assert fetch(url, "stats", token)["entries"] == 0
    descriptor = os.pidfd_open(pid)
    fetch(url, "stop", token, b"")
    assert select.select([descriptor], [], [], 30)[0], "still there"
    os.close(descriptor)


def test_nobody_at_the_address_is_one_clear_line():
    with pytest.raises(InputError, match=r"the simulator at http://127\.0\.0\.1:1 does not answer: "):
        fetch("http://127.0.0.1:1", "ledger", "")
