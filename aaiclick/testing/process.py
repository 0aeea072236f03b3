"""Starts the test server as a child process and ends it, gently or not."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, cast
from urllib.parse import urlencode, urlsplit

from typing_extensions import Self

from aaiclick.errors import ConnectionFailed, StatementError, UsageError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_SCRIPT = Path(__file__).parent.parent / "engine_server" / "server.py"
_PASSWORD_VARIABLE = "AAICLICK_TEST_SERVER_PASSWORD"  # noqa: S105 - the name of a variable
START_TIMEOUT = 60.0
"""How long a start may take before it counts as failed; seconds."""
STOP_TIMEOUT = 20.0
"""How long a stop may take before the process is killed; seconds."""


class EngineServer:
    """The embedded engine behind ClickHouse's HTTP interface, in a process of its own, on 127.0.0.1.

    ``path`` is the data directory: None for a temporary one that goes away with ``stop()``, ``":memory:"`` for none at
    all. ``python`` runs the server in another environment, which needs nothing but some version of chdb. ``user`` and
    ``password`` shut everybody else out (code 516), ``read_only`` refuses writes (code 164). Use it as a context
    manager::

        with EngineServer() as server:
            client = clickhouse_connect.get_client(dsn=server.url)

    The child ends when this process ends, however that happens.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        python: str | os.PathLike[str] | None = None,
        user: str | None = None,
        password: str = "",
        read_only: bool = False,
        port: int = 0,
    ) -> None:
        self._own_directory = path is None
        self._path = "" if path is None else os.fspath(path)
        self._python = os.fspath(python) if python is not None else sys.executable
        self._user = user
        self._password = password
        self._read_only = read_only
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch = ""
        self._version = ""

    def __repr__(self) -> str:
        state = f"at {self.url}" if self.running else "not running"
        return f"<EngineServer {state}, {self._path or 'temporary directory'}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``; the same after a restart. UsageError before the first start."""
        if not self._port:
            raise UsageError("The server has no address yet: call start() first")
        return f"http://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """The port it listens on; UsageError before the first start."""
        return urlsplit(self.url).port or 0

    @property
    def pid(self) -> int:
        """The process id of the child; UsageError while it is not running."""
        if self._process is None or not self.running:
            raise UsageError("The server is not running: call start() first")
        return self._process.pid

    @property
    def path(self) -> str:
        """The data directory, or ``:memory:``."""
        return self._path

    @property
    def version(self) -> str:
        """The engine's version, as SELECT version() gives it; '' before the first start."""
        return self._version

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Returns when the server answers. ConnectionFailed with the child's own words when it cannot start."""
        if self.running:
            return self
        self._reap()
        if not self._scratch:
            self._scratch = tempfile.mkdtemp(prefix="aaiclick-server-")
        if not self._path:
            self._path = os.path.join(self._scratch, "data")
        work = os.path.join(self._scratch, "work")
        # A server that was killed has left bodies of requests there, which nobody will ask about.
        shutil.rmtree(work, ignore_errors=True)
        os.mkdir(work)
        # The child ends when this end of its stdin closes, so it does not outlive this process.
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                self._command(work), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=self._environment()
            )
        try:
            line = self._first_line(self._process)
            said: dict[str, object] = json.loads(line) if line.startswith(b"{") else {}
            if "url" not in said:
                words = [str(word) for word in (said.get("error"), self._last_words()) if word]
                reason = "; ".join(words) or f"it said nothing and ended with status {self._process.poll()}"
                raise ConnectionFailed(f"The test server could not start: {reason}")
        except BaseException:
            self.kill()
            # One that ran before keeps its directory: whoever starts it again wants what is in it.
            if not self._version:
                self._forget_directory()
            raise
        self._port = int(str(said["port"]))
        self._version = str(said["version"])
        return self

    def stop(self) -> None:
        """Ends the server in order; statements that still run are cancelled. Does nothing when it is not running."""
        process = self._process
        if process is not None and process.poll() is None and process.stdin is not None:
            process.stdin.close()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
        self._reap()
        self._forget_directory()

    def kill(self) -> None:
        """kill -9: nothing is finished, nothing is tidied up. The directory stays for ``start()``."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        self._reap()

    def restart(self) -> Self:
        """Stops (unless killed before) and starts on the same directory and port."""
        if self.running and self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self.start()

    def ping(self, timeout: float = 5.0) -> bool:
        """Whether it answers within ``timeout`` seconds."""
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=timeout) as answer:
                return bool(answer.read() == b"Ok.\n")
        except (urllib.error.URLError, OSError):
            return False

    def command(self, sql: str, settings: Mapping[str, str | int] | None = None) -> str:
        """Runs one statement and gives its answer as text (TabSeparated). ``settings`` hold for it alone.
        StatementError when the server refuses it."""
        url = f"{self.url}/?{urlencode(settings)}" if settings else self.url
        request = urllib.request.Request(url, data=sql.encode("utf-8", "surrogateescape"))
        if self._user is not None:
            request.add_header("X-ClickHouse-User", self._user)
            request.add_header("X-ClickHouse-Key", self._password)
        try:
            with urllib.request.urlopen(request) as answer:
                return bytes(answer.read()).decode("utf-8", "surrogateescape")
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode("utf-8", "replace").strip()
            raise StatementError(text, int(error.headers.get("X-ClickHouse-Exception-Code") or 0), sql=sql) from None
        except OSError as error:
            raise ConnectionFailed(f"The test server at {self.url} does not answer: {error}") from error

    def client(self, database: str | None = None, **options: object) -> Client:
        """A clickhouse-connect client with connections of its own; ``options`` go to ``get_client``. Close it after
        use."""
        get_client = cast("Callable[..., Client]", import_module("clickhouse_connect").get_client)
        if self._user is not None:
            options = {"username": self._user, "password": self._password, **options}
        return get_client(host="127.0.0.1", port=self.port, database=database, dedicated_pool=True, **options)

    @property
    def _log(self) -> str:
        return os.path.join(self._scratch, "stderr.txt")

    def _command(self, work: str) -> Sequence[str]:
        # By path, not with -m: an environment with nothing but chdb cannot import this package.
        command = [
            self._python,
            str(_SCRIPT),
            "--path",
            self._path,
            "--port",
            str(self._port),
            "--scratch",
            work,
            "--with-parent",
        ]
        if self._user is not None:
            command += ["--user", self._user]
        if self._read_only:
            command.append("--readonly")
        return command

    def _environment(self) -> dict[str, str]:
        environment = {**os.environ, _PASSWORD_VARIABLE: self._password}
        # The other environment has to find its own packages, not those of this one.
        if self._python != sys.executable:
            for name in ("PYTHONPATH", "PYTHONHOME"):
                environment.pop(name, None)
        return environment

    def _first_line(self, process: subprocess.Popen[bytes]) -> bytes:
        """What the child says first; b'' when it ends or stays silent for too long."""
        assert process.stdout is not None
        line = b""
        deadline = time.monotonic() + START_TIMEOUT
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n") and selector.select(max(0.0, deadline - time.monotonic())):
                # Past Python's buffer: what waits there the selector would not show.
                piece = os.read(process.stdout.fileno(), 65536)
                if not piece:
                    process.wait()
                    break
                line += piece
        return line

    def _last_words(self) -> str:
        with open(self._log, encoding="utf-8", errors="replace") as log:
            lines = [line.strip() for line in log.read().splitlines() if line.strip()]
        return next((line for line in lines if "Cannot lock file" in line), lines[-1] if lines else "")

    def _reap(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def _forget_directory(self) -> None:
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = ""
            if self._own_directory:
                self._path = ""
