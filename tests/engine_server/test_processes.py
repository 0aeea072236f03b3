"""Several processes on one server, and servers that end in every way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from aaiclick.engine_server import server as server_script
from aaiclick.errors import ConnectionFailed, StatementError, UsageError
from aaiclick.testing import EngineServer

WRITER = """
import sys
import clickhouse_connect
port, database, number = sys.argv[1:]
client = clickhouse_connect.get_client(host="127.0.0.1", port=int(port), database=database, dedicated_pool=True)
client.command(f"SET max_block_size = {1000 + int(number)}")
client.command(f"CREATE TABLE IF NOT EXISTS t (writer UInt8, n UInt32) ENGINE = MergeTree ORDER BY n")
for start in range(0, 1000, 250):
    client.insert("t", [(int(number), n) for n in range(start, start + 250)])
print(client.command("SELECT getSetting('max_block_size')"))
client.close()
"""


def test_four_processes_at_once(aaiclick_server: EngineServer, aaiclick_server_database: str) -> None:
    arguments = [str(aaiclick_server.port), aaiclick_server_database]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, *arguments, str(n)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for n in range(4)
    ]
    results = [writer.communicate(timeout=120) for writer in writers]
    assert [(int(out), err) for out, err in results] == [(1000 + n, b"") for n in range(4)]
    counts = aaiclick_server.command(
        f"SELECT writer, count(), uniqExact(n) FROM {aaiclick_server_database}.t GROUP BY writer ORDER BY writer"
    )
    assert counts == "".join(f"{n}\t1000\t1000\n" for n in range(4))


def test_a_killed_server_comes_back_with_its_rows(own_server: EngineServer) -> None:
    url = own_server.url
    client = own_server.client()
    try:
        client.command("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
        client.insert("t", [(n,) for n in range(1000)])
        pid = own_server.pid
        own_server.kill()
        assert not own_server.running
        assert not own_server.ping()
        with pytest.raises(ConnectionFailed):
            own_server.command("SELECT 1")
        own_server.start()
        assert (own_server.url, own_server.pid != pid) == (url, True)
        assert client.command("SELECT count() FROM t") == 1000
        own_server.restart()
        assert own_server.url == url
        assert client.command("SELECT sum(a) FROM t") == 499500
    finally:
        client.close()


def test_a_kill_in_the_middle_of_a_statement(own_server: EngineServer) -> None:
    own_server.command("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
    failures: list[Exception] = []

    def insert() -> None:
        try:
            own_server.command(
                "INSERT INTO t SELECT number + sleepEachRow(0.05) FROM numbers(1000) SETTINGS max_block_size = 1, "
                "min_insert_block_size_rows = 1"
            )
        except (ConnectionFailed, StatementError) as error:
            failures.append(error)

    thread = threading.Thread(target=insert)
    thread.start()
    deadline = time.monotonic() + 30
    while own_server.command("SELECT count() > 0 FROM t") != "1\n" and time.monotonic() < deadline:
        time.sleep(0.02)
    own_server.kill()
    thread.join()
    assert [type(failure) for failure in failures] == [ConnectionFailed]
    own_server.start()
    assert 0 < int(own_server.command("SELECT count() FROM t")) < 1000


def test_stopping_cancels_what_still_runs(own_server: EngineServer) -> None:
    results: list[Exception] = []

    def wait() -> None:
        try:
            own_server.command(
                "SELECT sleepEachRow(0.5) FROM numbers(1000) SETTINGS max_block_size = 1, "
                "function_sleep_max_microseconds_per_block = 0"
            )
        except (ConnectionFailed, StatementError) as error:
            results.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    deadline = time.monotonic() + 30
    while own_server.command("SELECT count() FROM system.processes") != "2\n" and time.monotonic() < deadline:
        time.sleep(0.02)
    own_server.stop()
    thread.join(60)
    assert not thread.is_alive()
    assert len(results) == 1


def test_directories(tmp_path: Path) -> None:
    with EngineServer(tmp_path / "data") as server:
        assert server.path == str(tmp_path / "data")
        with pytest.raises(ConnectionFailed, match="Cannot lock file"):
            EngineServer(tmp_path / "data").start()
        server.command("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
    with EngineServer(tmp_path / "data") as server:
        assert server.command("SELECT count() FROM t") == "0\n"
    own = EngineServer().start()
    directory = Path(own.path)
    assert directory.is_dir()
    own.stop()
    assert not directory.exists()
    with EngineServer(":memory:") as server:
        assert server.command("SELECT 1") == "1\n"


def test_using_it_wrongly(tmp_path: Path) -> None:
    server = EngineServer()
    with pytest.raises(UsageError, match=r"call start\(\) first"):
        _ = server.url
    with pytest.raises(UsageError, match=r"call start\(\) first"):
        _ = server.pid
    server.stop()
    broken = EngineServer(python="/usr/bin/false")
    with pytest.raises(ConnectionFailed, match="could not start"):
        broken.start()
    file = tmp_path / "file"
    file.write_text("no directory")
    with pytest.raises(ConnectionFailed, match="could not start"):
        EngineServer(file).start()


def test_the_server_ends_with_its_parent(tmp_path: Path) -> None:
    program = """
    import os, sys
    from aaiclick.testing import EngineServer
    server = EngineServer(":memory:").start()
    print(server.pid, flush=True)
    os.kill(os.getpid(), 9)
    """
    parent = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        timeout=60,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    pid = int(parent.stdout)
    deadline = time.monotonic() + 30
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(pid)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_from_the_command_line(tmp_path: Path, ask: Any) -> None:
    for start in (["-m", "aaiclick.engine_server.server"], [str(Path(server_script.__file__))]):
        process = subprocess.Popen(
            [sys.executable, *start, "--port", "0", "--path", str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            port = int(line.split(b'"port": ')[1].split(b",")[0])
            assert line.startswith(b'{"url": "http://127.0.0.1:')
            assert ask("SELECT 1", port=port).text == "1\n"
        finally:
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, b"")


def test_lz4_without_a_python_module_for_it(tmp_path: Path, ask: Any) -> None:
    """An environment with nothing but chdb has no lz4, which clickhouse-connect sends by default: the engine unpacks
    it."""
    frame = pytest.importorskip("lz4.frame")
    (tmp_path / "lz4.py").write_text("raise ImportError('not installed here')\n")
    script = str(Path(server_script.__file__))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment
    )
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline().split(b'"port": ')[1].split(b",")[0])
        body = frame.compress(b"SELECT 'packed\n\n'")
        assert ask(body=body, port=port, headers={"Content-Encoding": "lz4"}).text == "packed\\n\\n\n"
        reply = ask("SELECT 1", port=port, headers={"Accept-Encoding": "lz4, gzip"}, enable_http_compression="1")
        assert reply.headers["content-encoding"] == "gzip"
        assert ask(body=b"no lz4", port=port, headers={"Content-Encoding": "lz4"}).status >= 400
    finally:
        process.terminate()
        process.communicate(timeout=60)
