"""What surrounds the hosts of the rig: when there is none, whose end is whose, and servers in place of them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.outcomes import Skipped

from tests.cluster.conftest import LOGS, REQUIRED, ClusterFactory
from tests.cluster.rig import addresses, engines, ports
from tests.cluster.rig.errors import NoClusterError
from tests.cluster.rig.servers import VARIABLE, ServerCluster
from tests.cluster.rig.waiting import wait_until

ROOT = Path(__file__).parents[2]


def run_one_test(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), VARIABLE: "", **variables}
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(("required", "ends"), [("", 0), ("1", 1)])
def test_without_zookeeper_a_test_is_skipped_unless_it_is_required(required: str, ends: int) -> None:
    one = "tests/cluster/test_rig.py::test_exchange_is_of_one_host"
    done = run_one_test(one, AAICLICK_ZOOKEEPER_JAR="/nowhere.jar", **{REQUIRED: required})
    assert done.returncode == ends, done.stdout
    assert "there is no ZooKeeper here: /nowhere.jar is missing" in done.stdout


def test_the_logs_of_a_failed_test_are_kept(aaiclick_cluster: ClusterFactory, tmp_path: Path) -> None:
    if not aaiclick_cluster(1, 2).can_be_broken:
        pytest.skip("the logs of other servers are not ours")
    test = tmp_path / "test_fails.py"
    test.write_text("def test_one(aaiclick_cluster):\n    aaiclick_cluster(1, 1)\n    raise AssertionError\n")
    done = run_one_test("-p", "tests.cluster.conftest", "--rootdir", str(tmp_path), str(test))
    assert done.returncode == 1, done.stdout
    found = re.search(r"cluster logs -+\nkept in (.*)\n", done.stdout)
    assert found is not None, done.stdout
    kept = Path(found.group(1))
    assert kept.parent == tmp_path / LOGS
    assert (kept / "shard1-replica1" / "server.log").stat().st_size > 1000
    assert (kept / "ZooKeeper" / "output").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the end of a parent is a signal on Linux only")
def test_a_child_ends_with_its_parent_even_while_it_is_paused(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, signal, sys, time\n"
        "from tests.cluster.rig import children\n"
        "child = children.start(['sleep', '300'], {}, pathlib.Path(sys.argv[1]))\n"
        "time.sleep(0.5)\n"
        "child.send_signal(signal.SIGSTOP)\n"
        "print(child.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "log")], env=environment, capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL
    status = Path("/proc") / done.stdout.strip() / "status"
    wait_until(lambda: not status.exists() or "zombie" in status.read_text(), "the child has ended", 10)


@pytest.mark.skipif(sys.platform != "linux", reason="ports are claimed on Linux only")
def test_a_port_is_claimed_until_the_process_ends() -> None:
    port = ports.claim_port()
    assert ports.FIRST <= port < ports.LAST
    asked = (
        "import random\n"
        "from tests.cluster.rig import ports\n"
        f"random.sample = lambda *_: [{port}, {port + 1 if port + 1 < ports.LAST else ports.FIRST}]\n"
        "print(ports.claim_port())\n"
    )
    done = children_output(asked)
    assert done != str(port)
    ports.release_port(port)
    assert children_output(asked) == str(port)


def children_output(script: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    ).stdout.strip()


def test_a_release_without_addresses_is_a_sentence() -> None:
    with pytest.raises(NoClusterError, match=r"addresses of chdb-core 1\.2\.3 are not known|x86-64 Linux only"):
        engines.find("1.2.3")


def test_addresses_are_read_as_they_were_written() -> None:
    for path in addresses.FOLDER.glob("*.json"):
        kept = addresses.read(path)
        assert path.name == f"chdb-core-{kept.release}.json"
        assert re.fullmatch("[0-9a-f]{40}", kept.build_id)


def test_servers_are_taken_by_their_own_word(aaiclick_cluster: ClusterFactory) -> None:
    """The hosts of the rig stand for servers that somebody else runs."""
    hosts = aaiclick_cluster(1, 2)
    if not hosts.can_be_broken:
        pytest.skip("the other tests show it, on the servers themselves")
    urls = [host.url for host in reversed(hosts.hosts)]
    servers = ServerCluster(urls, 1, 2)
    assert servers.name == hosts.name
    assert [host.url for host in servers.hosts] == hosts.urls
    servers.remember()
    database = servers.atomic_database()
    servers.hosts[0].q(f"CREATE DATABASE {database}_beside")
    servers.hosts[0].q("CREATE DATABASE of_somebody_else")
    with pytest.raises(Skipped, match="kills and pauses only what it has started itself"):
        servers.hosts[0].kill()
    servers.clean()
    left = hosts.hosts[0].q("SELECT name FROM system.databases").splitlines()
    assert "of_somebody_else" in left
    assert not [name for name in left if name.startswith(database)]
    with pytest.raises(NoClusterError, match=r"none of the clusters rig has 2 shard\(s\) of 2 replica\(s\)"):
        ServerCluster(urls, 2, 2)
    with pytest.raises(NoClusterError, match="none of the clusters"):
        ServerCluster(urls[:1], 1, 1)
