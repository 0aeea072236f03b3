"""SIGTERM, in the command line and in an application's start-up, and holders of the lease whose process is gone."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema
from aaiclick.clients.opening import open_url
from aaiclick.errors import LockHeldError
from aaiclick.events import Event, Note, Waiting
from aaiclick.lease.acquire import Owner, acquire, release, this_process
from aaiclick.lease.lock import Holder, parse_holder
from aaiclick.processes import is_gone, own_traces
from aaiclick.routine import run
from aaiclick.testing import EngineServer

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

ROOT = Path(__file__).parent.parent.parent
SCHEMA = """
from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema

def table(*keys):
    return Table("t", [Column("id", "UInt64"), Column("n", "UInt64")], engine=MergeTree(order_by=list(keys)))

V1 = Schema("shop", version=1, objects=[table("id")])
V2 = Schema("shop", version=2, objects=[table("n", "id")])
"""
START = """
import asyncio, signal, sys
from shop import V2, Policy, ensure_schema
from aaiclick import ensure_schema_async

url, database = sys.argv[1:]
LINE
START
"""
SYNC = "ensure_schema(url, V2, policy=Policy.lossless(), database=database)"
ASYNC = """
async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    await ensure_schema_async(url, V2, policy=Policy.lossless(), database=database)

asyncio.run(main())
"""
ROWS = 4_000_000


@pytest.fixture
def shop(tmp_path: Path, aaiclick_server: EngineServer, aaiclick_server_database: str) -> Path:
    """A directory with the module of a schema; its first version is in the server's database, with rows to copy."""
    (tmp_path / "shop.py").write_text(SCHEMA)
    first = Schema("shop", version=1, objects=[_table("id")])
    ensure_schema(aaiclick_server.url, first, database=aaiclick_server_database)
    aaiclick_server.command(
        f"INSERT INTO {aaiclick_server_database}.t SELECT number, cityHash64(number) FROM numbers({ROWS})"
    )
    return tmp_path


def _table(*keys: str) -> Table:
    return Table("t", [Column("id", "UInt64"), Column("n", "UInt64")], engine=MergeTree(order_by=list(keys)))


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **more}


def _under_way(server: EngineServer, database: str) -> Callable[[], bool]:
    """The copy has begun: its shadow is there."""
    sql = f"SELECT count() FROM system.tables WHERE database = '{database}' AND startsWith(name, '_aaiclick_new')"
    return lambda: server.command(sql) != "0\n"


def _until(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    for _ in range(1000):
        if what():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError("nothing happened")


def _free(server: EngineServer, database: str) -> None:
    """Nothing is locked, no writer is kept out, and no setting is held."""
    assert (
        server.command(f"SELECT count() FROM system.tables WHERE database = '{database}' AND name = '_aaiclick_lock'")
        == "0\n"
    )
    engine = server.command(f"SELECT engine_full FROM system.tables WHERE database = '{database}' AND name = 't'")
    assert engine == "MergeTree ORDER BY id SETTINGS index_granularity = 8192\n"
    server.command(f"OPTIMIZE TABLE {database}.t FINAL SETTINGS optimize_throw_if_noop = 1")  # merges are not stopped
    server.command(f"INSERT INTO {database}.t VALUES (1, 1)")


def _goes_on(server: EngineServer, database: str) -> None:
    ensure_schema(
        server.url, Schema("shop", version=2, objects=[_table("n", "id")]), policy=Policy.lossless(), database=database
    )
    assert server.command(f"SELECT count() FROM {database}.t") == f"{ROWS + 1}\n"
    assert "ORDER BY (n, id)" in server.command(f"SHOW CREATE TABLE {database}.t")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
def test_the_command_line_gives_the_lease_back(
    shop: Path, aaiclick_server: EngineServer, aaiclick_server_database: str, sent: signal.Signals
) -> None:
    command = [
        sys.executable,
        "-m",
        "aaiclick",
        "migrate",
        "--url",
        aaiclick_server.url,
        "--database",
        aaiclick_server_database,
        "--schema",
        "shop:V2",
    ]
    # Below nohup a process is started with SIGHUP ignored, and a command leaves it so.
    ours = signal.signal(sent, signal.SIG_DFL)
    with subprocess.Popen(
        command, cwd=shop, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        signal.signal(sent, ours)
        _until(_under_way(aaiclick_server, aaiclick_server_database), process)
        process.send_signal(sent)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "interrupted. Nothing is lost: the next run resumes" in err
    assert "Traceback" not in err
    assert err.count("interrupted") == 1
    _free(aaiclick_server, aaiclick_server_database)
    _goes_on(aaiclick_server, aaiclick_server_database)


@pytest.mark.parametrize(
    ("line", "start", "code"),
    [
        pytest.param("signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))", SYNC, 143, id="exit"),
        pytest.param("signal.signal(signal.SIGTERM, signal.default_int_handler)", SYNC, -signal.SIGINT, id="interrupt"),
        pytest.param("", ASYNC, 1, id="task"),
    ],
)
def test_the_line_for_an_application(
    shop: Path, aaiclick_server: EngineServer, aaiclick_server_database: str, line: str, start: str, code: int
) -> None:
    program = START.replace("LINE", line).replace("START", start)
    command = [sys.executable, "-c", program, aaiclick_server.url, aaiclick_server_database]
    with subprocess.Popen(
        command, cwd=shop, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        _until(_under_way(aaiclick_server, aaiclick_server_database), process)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    _free(aaiclick_server, aaiclick_server_database)
    _goes_on(aaiclick_server, aaiclick_server_database)


def test_the_library_installs_no_handler(aaiclick_client: Client) -> None:
    def handlers() -> list[object]:
        woken = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(woken)
        return [woken, *(signal.getsignal(number) for number in sorted(signal.valid_signals()))]

    seen: list[list[object]] = []
    before = handlers()
    ensure_schema(
        aaiclick_client, Schema("shop", version=1, objects=[_table("id")]), on_event=lambda _: seen.append(handlers())
    )
    aaiclick_client.command("INSERT INTO t VALUES (1, 1)")
    ensure_schema(
        aaiclick_client,
        Schema("shop", version=2, objects=[_table("n", "id")]),
        Policy.lossless(),
        on_event=lambda _: seen.append(handlers()),
    )
    assert seen
    assert all(each == before for each in [*seen, handlers()])


def _child(program: str = "import sys; print(flush=True); sys.stdin.read()") -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def _began(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


needs_traces = pytest.mark.skipif(not own_traces()[0], reason="this system does not tell its processes apart")


@needs_traces
def test_a_process_that_is_there_and_one_that_is_gone() -> None:
    with _child() as process:
        pid, began = process.pid, _began(process.pid)
        assert not is_gone(pid, began)
        assert is_gone(pid, "1")  # its number was given to another one
        process.kill()
        _until_gone(pid, began)  # a process that nobody has waited for does nothing any more
        process.wait()
        assert is_gone(pid, began)
    assert not is_gone(os.getpid(), own_traces()[1])
    assert not is_gone(1, _began(1))  # another user's, perhaps
    assert not is_gone(0, "1")
    assert not is_gone(pid, "")


def _until_gone(pid: int, began: str) -> None:
    for _ in range(500):
        if is_gone(pid, began):
            return
        time.sleep(0.01)
    raise AssertionError("it is still there")


HOLDING = """
import sys
from aaiclick.lease.acquire import acquire, this_process
from aaiclick.clients.opening import open_url
from aaiclick.routine import run
connection = open_url(sys.argv[1])
assert run(acquire(sys.argv[2], this_process()), connection)
print(flush=True)
sys.stdin.read()
"""


def _takes(server: EngineServer, database: str, me: Owner, wait: float) -> tuple[float, list[Event]]:
    """How long it took to get the lease, and what was said meanwhile."""
    told: list[Event] = []
    connection = open_url(server.url)
    begun = time.monotonic()
    try:
        lease = run(acquire(database, me, max_wait=wait), connection, told.append)
        assert lease is not None
        took = time.monotonic() - begun
        run(release(lease), connection)
        return took, told
    finally:
        connection.close()


@needs_traces
def test_a_holder_whose_process_is_gone_is_not_waited_for(
    aaiclick_server: EngineServer, aaiclick_server_database: str
) -> None:
    command = [sys.executable, "-c", HOLDING, aaiclick_server.url, aaiclick_server_database]
    with subprocess.Popen(
        command, env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "\n"
        with pytest.raises(LockHeldError, match=f"pid {holder.pid} migrates"):
            _takes(aaiclick_server, aaiclick_server_database, this_process(), 0.3)
        holder.kill()
        holder.wait()
        took, told = _takes(aaiclick_server, aaiclick_server_database, this_process(), 20)
        assert took < 15  # the lease has 30 seconds
        assert [event.text for event in told if isinstance(event, Note)] == [
            (
                f"{replace(this_process(), pid=holder.pid)} left a migration of database {aaiclick_server_database} "
                "unfinished: that process is gone; taking over"
            )
        ]


@pytest.mark.parametrize("change", ["host", "place", "nothing-recorded"])
def test_host_and_pid_prove_nothing(aaiclick_server: EngineServer, aaiclick_server_database: str, change: str) -> None:
    """A pod that starts again has the host name and the pid of the one before, and may be somewhere else."""
    me = this_process()
    gone = {
        "host": replace(me, host="another", began="1"),
        "place": replace(me, place="elsewhere", began="1"),
        "nothing-recorded": Owner(me.user, me.host, me.pid),
    }
    connection = open_url(aaiclick_server.url)
    try:
        lease = run(acquire(aaiclick_server_database, gone[change]), connection)
        assert lease is not None
        with pytest.raises(LockHeldError):
            _takes(aaiclick_server, aaiclick_server_database, me, 0.3)
        run(release(lease), connection)
    finally:
        connection.close()


def test_what_is_waited_for_is_said_with_the_time_that_is_left(
    aaiclick_server: EngineServer, aaiclick_server_database: str
) -> None:
    connection = open_url(aaiclick_server.url)
    try:
        lease = run(acquire(aaiclick_server_database, Owner("anne", "host-a", 7), lease_seconds=3), connection)
        assert lease is not None
        _, told = _takes(aaiclick_server, aaiclick_server_database, this_process(), 60)
    finally:
        connection.close()
    said = [event for event in told if isinstance(event, Waiting)]
    assert said[0].what == f"anne@host-a pid 7 migrates database {aaiclick_server_database}"
    assert re.fullmatch(r"its lease ends in [0-3] s unless it is renewed", said[0].ends)


@pytest.mark.parametrize(
    "owner", [Owner("a", "b", 1), Owner("a", "b", 1, "0123", "456"), Owner("a", "b", 1, "", "456")]
)
def test_what_the_lock_says(owner: Owner) -> None:
    told = parse_holder(Holder("abc", owner, 5, 30.0).comment(), "").owner
    assert told == (owner if owner.place else Owner("a", "b", 1))


def test_a_lock_of_an_earlier_release() -> None:
    comment = '{"nonce": "abc", "user": "anne", "host": "a", "pid": 7, "since": 5, "seconds": 30.0}'
    assert parse_holder(comment, "") == Holder("abc", Owner("anne", "a", 7), 5, 30.0)
