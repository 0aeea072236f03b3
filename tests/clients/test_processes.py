"""What needs a process of its own: locked directories, forks, the engine in memory, a second directory."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
PRELUDE = """
import os, signal, sys, warnings
warnings.simplefilter("ignore")
from aaiclick.clients import open_connection, parse_url
from aaiclick.errors import AaiclickError
from aaiclick.routine import Command, Query
def ask(connection): return connection.query(Query("SELECT 1 AS a"))
def told(client):
    try:
        return ask(open_connection(client))
    except AaiclickError as error:
        return f"{type(error).__name__}: {error}"
def forked(work):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        print("child:", work(), flush=True)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


def python(code: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    text = PRELUDE + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", text, *arguments], capture_output=True, text=True, check=check, cwd=ROOT, timeout=120
    )


def test_a_locked_directory_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "data"
    code = "held = open_connection(f'chdb://{sys.argv[1]}'); print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", PRELUDE + code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "ready\n"
        second = python("print(told(f'chdb://{sys.argv[1]}')); print('chdb' in sys.modules)", str(path))
        holder.stdin.close()
    sentence, loaded = second.stdout.splitlines()
    on_linux = f" (pid {holder.pid})" if sys.platform == "linux" else ""
    assert sentence == (
        f"ConnectionFailed: the embedded database {path} is in use by another process{on_linux}. Close it, or give "
        "the other process's server as a URL"
    )
    if sys.platform == "linux":
        assert loaded == "False"
        assert second.stderr == ""
    assert python("print(told(f'chdb://{sys.argv[1]}'))", str(path)).stdout == "((1,),)\n"


def test_the_engines_own_word_for_a_lock_is_understood(tmp_path: Path) -> None:
    """Where the kernel does not tell who holds a lock (containers, macOS), chdb fails without a reason."""
    code = """
    import aaiclick.clients.chdb_session as engine
    engine.lock_holder = lambda path: None
    print(told(f'chdb://{sys.argv[1]}'))
    """
    holder_code = "held = open_connection(f'chdb://{sys.argv[1]}'); print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", PRELUDE + holder_code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "ready\n"
        second = python(code, str(tmp_path))
        holder.stdin.close()
    assert second.stdout.startswith(
        f"ConnectionFailed: the embedded database {tmp_path} is in use by another process. Close it"
    )


def test_a_second_directory_is_refused_naming_both(tmp_path: Path) -> None:
    code = """
    first = open_connection(f'chdb://{sys.argv[1]}/one')
    print(told(f'chdb://{sys.argv[1]}/two'))
    print(told('chdb://memory'))
    print(os.path.exists(f'{sys.argv[1]}/two'))
    print(ask(first), told(f'chdb://{sys.argv[1]}/one'))
    first.close()
    print(told(f'chdb://{sys.argv[1]}/two'))
    """
    lines = python(code, str(tmp_path)).stdout.splitlines()
    assert lines[0].startswith(
        f"ConnectionFailed: the embedded engine of this process already runs on {tmp_path}/one and can open no "
        "second place"
    )
    assert f"{tmp_path}/two" in lines[0]
    assert "chdb://memory" in lines[1]
    assert lines[2:] == ["False", "((1,),) ((1,),)", "((1,),)"]


def test_directories_are_made_with_their_parents(tmp_path: Path) -> None:
    python("open_connection(f'chdb://{sys.argv[1]}/a/b c/d').command(Command('CREATE DATABASE x'))", str(tmp_path))
    assert (tmp_path / "a" / "b c" / "d" / "metadata").is_dir()
    (tmp_path / "file").touch()
    told = python("print(told(f'chdb://{sys.argv[1]}/file/x'))", str(tmp_path))
    assert (
        told.stdout == f"ConnectionFailed: the directory {tmp_path}/file/x cannot be made (Not a directory). Choose "
        "another one in the URL\n"
    )
    assert told.stderr == ""


def test_the_same_directory_under_another_spelling(tmp_path: Path) -> None:
    code = """
    from chdb.session import Session
    os.chdir(sys.argv[1])
    os.mkdir('real'); os.symlink('real', 'link')
    session = Session('link')
    session.query("CREATE DATABASE d"); session.query("USE d")
    os.chdir('/')
    handed = open_connection(session)
    handed.command(Command("CREATE TABLE t (a UInt8) ENGINE = Memory", settings={"max_threads": 1}))
    for url in ('real', 'link', './real/../link/'):
        other = open_connection(f'chdb://{sys.argv[1]}/{url}?database=d')
        print(other.query(Query("SELECT name FROM system.tables WHERE database = currentDatabase()")), other.identity == handed.identity)
    """
    lines = python(code, str(tmp_path)).stdout.splitlines()
    assert lines[0].startswith("(('t',),)")
    assert [line.split()[0] for line in lines] == ["(('t',),)"] * 3


def test_the_engine_in_memory() -> None:
    code = """
    import asyncio, clickhouse_connect
    from chdb.session import Session
    from aaiclick.clients import open_async_connection
    from tests.clients.shims import BlockingChdbClient
    url = open_connection('chdb://memory')
    url.command(Command("CREATE TABLE t (a UInt8) ENGINE = Memory", settings={"max_threads": 1}))
    session = Session()
    connections = [url, open_connection(session), open_connection(clickhouse_connect.get_client(interface='chdb'))]
    foreign = asyncio.run(open_async_connection(BlockingChdbClient(session)))
    names = "SELECT name FROM system.tables WHERE database = currentDatabase()"
    print([c.query(Query(names)) for c in connections], asyncio.run(foreign.query(Query(names))))
    print(len({c.identity for c in [*connections, foreign]}), url.identity.startswith('chdb:///'), all(c.embedded for c in [*connections, foreign]))
    for connection in connections: connection.close()
    print(connections[1].query(Query(names)))
    """
    lines = python(code).stdout.splitlines()
    assert lines == [f"{[(('t',),)] * 3} (('t',),)", "1 True True", "(('t',),)"]


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
@pytest.mark.parametrize(
    "before",
    [
        "client = open_connection('chdb://memory'); work = lambda: told_query(client)",
        "from chdb.session import Session; client = Session(); work = lambda: told(client)",
        (
            "from chdb.session import Session; client = Session(); first = open_connection(client); work = lambda: "
            "told_query(first)"
        ),
        (
            "import clickhouse_connect; client = clickhouse_connect.get_client(interface='chdb'); work = lambda: "
            "told(client)"
        ),
        "import chdb; work = lambda: told('chdb://memory')",
        "first = open_connection('chdb://memory'); first.close(); work = lambda: told('chdb://memory')",
        "first = open_connection('chdb://memory'); work = lambda: first.close() or told('chdb://memory')",
    ],
)
def test_a_forked_child_is_refused_instead_of_hanging(before: str) -> None:
    code = """
    def told_query(connection):
        try:
            return ask(connection)
        except AaiclickError as error:
            return f"{type(error).__name__}: {error}"
    """
    text = textwrap.dedent(code) + before + "\nprint('exit', forked(work))"
    lines = python(text).stdout.splitlines()
    assert lines[0].startswith("child: UsageError: chdb was loaded before this process was forked")
    assert "spawn" in lines[0]
    assert lines[1] == "exit 0"


def test_a_child_forked_before_chdb_was_loaded_works() -> None:
    lines = python("print('exit', forked(lambda: told('chdb://memory')))").stdout.splitlines()
    assert lines == ["child: ((1,),)", "exit 0"]


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_a_session_from_before_the_fork_is_seen_without_the_hook() -> None:
    """The library is imported only in the child."""
    code = """
    import os, signal, sys
    from chdb.session import Session
    session = Session()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        from aaiclick.clients import open_connection
        try:
            open_connection(session)
        except Exception as error:
            print(type(error).__name__, error, flush=True)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=120,
    )
    lines = done.stdout.splitlines()
    assert lines[0].startswith("UsageError the chdb session was opened before this process was forked")
    assert lines[1] == "0"


def test_a_missing_database_in_the_url_is_one_sentence(tmp_path: Path) -> None:
    told = python(
        "print(told(f'chdb://{sys.argv[1]}?database=nowhere')); print(told(f'chdb://{sys.argv[1]}?no_such_setting=1'))",
        str(tmp_path),
    )
    first, second = told.stdout.splitlines()
    assert (
        first == f"ConnectionFailed: there is no database 'nowhere' in {tmp_path}. Create it (aaiclick migrate "
        "--create-database), or name another one in the URL"
    )
    assert second.startswith("UsageError: a setting in the URL was refused: ")
    assert "no_such_setting" in second


def test_importing_the_adapters_loads_no_driver() -> None:
    code = (
        "print(sorted(m for m in ('chdb', 'clickhouse_connect', 'numpy', 'pandas', 'pyarrow', 'aiohttp') if m in "
        "sys.modules))"
    )
    assert python(code).stdout == "[]\n"


def test_the_engine_of_a_rehearsal_ends_with_whoever_started_it() -> None:
    """Also where that is killed: it listens without a password."""
    code = """
    from aaiclick.clients import temporary_engine
    temporary_engine.open_url = lambda url: print(url, flush=True) or sys.stdin.read()
    with temporary_engine.temporary_engine():
        pass
    """
    with subprocess.Popen(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as starter:
        assert starter.stdout is not None
        place = urlsplit(starter.stdout.readline().strip())
        # Its own connection tells: the port may soon be another server's.
        with socket.create_connection((place.hostname or "", place.port or 0), timeout=20) as held:
            starter.kill()
            with suppress(ConnectionResetError):
                assert not held.recv(1)
