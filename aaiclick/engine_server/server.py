"""A test server: the embedded engine behind ClickHouse's HTTP interface, for code that needs several processes.

``python -m aaiclick.engine_server.server --port 0 --path DIR`` prints one line of JSON with its ``url`` when it is
ready. It listens on the loopback interface only, and is meant for tests: results are built up whole in memory, and
there is no TLS. It also runs as a stand-alone script in an environment that holds nothing but chdb (an older one, say).
"""

from __future__ import annotations

import argparse
import base64
import binascii
import errno
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

if TYPE_CHECKING or __package__:
    from aaiclick.engine_server.http_protocol import (
        EngineError,
        can_decompress,
        choose_encoding,
        compress,
        decompress,
        form_parts,
        read_body,
    )
    from aaiclick.engine_server.worker import Engine, External, Request
else:
    from http_protocol import EngineError, can_decompress, choose_encoding, compress, decompress, form_parts, read_body
    from worker import Engine, External, Request

# URL parameters that are no settings: https://clickhouse.com/docs/interfaces/http
_TRANSPORT = frozenset(
    {
        "buffer_size",
        "client_protocol_version",
        "close_session",
        "compress",
        "database",
        "decompress",
        "default_format",
        "password",
        "query",
        "query_id",
        "quota_key",
        "role",
        "session_check",
        "session_id",
        "session_timeout",
        "stacktrace",
        "user",
        "wait_end_of_query",
    }
)
_EXTERNAL = ("_format", "_types", "_structure")


class HttpServer(ThreadingHTTPServer):
    """Carries the engine; ``user`` None means that every name and password is welcome."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, engine: Engine, user: str | None, password: str) -> None:
        self.engine = engine
        self.user = user
        self.password = password
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away in the middle is no event; anything else goes to stderr."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(cast("socket.socket", request), cast("tuple[str, int]", client_address))


class Handler(BaseHTTPRequestHandler):
    """One keep-alive connection of a client, in a thread of its own."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Buffered: head and body of an answer leave together.
    wbufsize = -1

    def log_message(self, format: str, *args: object) -> None:
        """No access log."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        engine = cast("HttpServer", self.server).engine
        url = urlsplit(self.path)
        try:
            body = read_body(
                cast("BinaryIO", self.rfile),
                self.headers.get("Content-Length"),
                self.headers.get("Transfer-Encoding", ""),
            )
        except ValueError as error:
            # Closed: nobody knows where in the stream the next request would begin.
            self._reply(400, f"Cannot read the request body: {error}\n".encode(), {"Connection": "close"})
            return
        params = dict(parse_qsl(url.query, keep_blank_values=True, encoding="utf-8", errors="surrogateescape"))
        if url.path in ("/ping", "/replicas_status"):
            self._reply(200, b"Ok.\n", {})
            return
        if url.path not in ("", "/", "/query"):
            self._reply(404, f"There is no handle {url.path}\n".encode(), {})
            return
        query_id = params.get("query_id") or str(uuid.uuid4())
        headers = {
            "X-ClickHouse-Server-Display-Name": engine.host,
            "X-ClickHouse-Query-Id": query_id,
            "X-ClickHouse-Timezone": engine.timezone,
        }
        try:
            self._authenticate(params)
            request = self._request(params, query_id, body)
            if request is None:
                self._reply(200, b"Ok.\n", {})
                return
            answer = engine.run(request)
        except EngineError as error:
            headers["X-ClickHouse-Exception-Code"] = str(error.code)
            self._reply(error.status, error.body(engine.version), headers)
            return
        if answer.format:
            headers["X-ClickHouse-Format"] = answer.format
        headers["X-ClickHouse-Summary"] = json.dumps(dict(answer.summary), separators=(",", ":"))
        encoding = (
            choose_encoding(self.headers.get("Accept-Encoding", ""))
            if params.get("enable_http_compression") == "1"
            else ""
        )
        if encoding and answer.body:
            headers["Content-Encoding"] = encoding
        self._reply(200, compress(answer.body, encoding) if answer.body else b"", headers)

    def _authenticate(self, params: dict[str, str]) -> None:
        """Names and passwords from the URL, the X-ClickHouse headers or basic authentication, as ClickHouse takes
        them."""
        server = cast("HttpServer", self.server)
        if server.user is None:
            return
        user = self.headers.get("X-ClickHouse-User") or params.get("user") or "default"
        password = self.headers.get("X-ClickHouse-Key") or params.get("password") or ""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                user, _, password = base64.b64decode(token).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                user, password = "", ""
        if (user, password) != (server.user, server.password):
            problem = f"{user}: Authentication failed: password is incorrect, or there is no user with such name"
            raise EngineError.make(516, problem, "AUTHENTICATION_FAILED")

    def _request(self, params: dict[str, str], query_id: str, body: bytes) -> Request | None:
        """What the client asks for, put together from URL, headers, form and body; None for an empty GET of /."""
        engine = cast("HttpServer", self.server).engine
        if params.get("compress") == "1" or params.get("decompress") == "1":
            raise EngineError.make(
                48,
                "compress=1 and decompress=1 are not supported here: use Content-Encoding and Accept-Encoding",
                "NOT_IMPLEMENTED",
            )
        encoding = self.headers.get("Content-Encoding", "").lower()
        by_engine = encoding in ("lz4", "zstd", "br") and not can_decompress(encoding)
        body = engine.decompress(body, encoding) if by_engine else decompress(body, encoding)
        query = _raw_query(urlsplit(self.path).query)
        files: list[tuple[str, bytes]] = []
        content_type = self.headers.get("Content-Type", "")
        if content_type.lower().startswith("multipart/form-data"):
            for part in form_parts(content_type, body):
                if part.file:
                    files.append((part.name, part.data))
                elif part.name == "query":
                    query += part.data
                else:
                    params[part.name] = part.data.decode("utf-8", "surrogateescape")
            body = b""
        # An INSERT in the URL has its data in the body.
        sql = query + b"\n" + body if query and body else query or body
        if not sql.strip() and self.command in ("GET", "HEAD"):
            return None
        external = tuple(_external(name, data, params) for name, data in files)
        return Request(
            sql=sql,
            database=params.get("database") or self.headers.get("X-ClickHouse-Database") or "",
            default_format=params.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated",
            query_id=query_id,
            params={name[6:]: value for name, value in params.items() if name.startswith("param_")},
            settings=_settings(params, [name for name, _ in files]),
            external=external,
            session_id=params.get("session_id", ""),
            session_timeout=_seconds(params.get("session_timeout", "60")),
            session_check=params.get("session_check") == "1",
            reading_only=self.command != "POST",
        )

    def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=UTF-8")
        for name, value in headers.items():
            self.send_header(name, "".join(" " if ord(letter) < 32 else letter for letter in value))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()


def _raw_query(query_string: str) -> bytes:
    """The ``query`` parameter as the bytes it stands for: a statement may hold bytes that are no text."""
    for item in query_string.split("&"):
        name, _, value = item.partition("=")
        if name == "query":
            return unquote_to_bytes(value.replace("+", " "))
    return b""


def _settings(params: dict[str, str], files: list[str]) -> dict[str, str]:
    about_files = {name + suffix for name in files for suffix in _EXTERNAL}
    return {
        name: value
        for name, value in params.items()
        if name not in _TRANSPORT and name not in about_files and not name.startswith("param_")
    }


def _external(name: str, data: bytes, params: dict[str, str]) -> External:
    structure = params.get(f"{name}_structure", "")
    if not structure:
        types = params.get(f"{name}_types", "")
        structure = ", ".join(f"_{index} {item}" for index, item in enumerate(types.split(",") if types else [], 1))
    if not structure:
        raise EngineError.make(
            36,
            f"The structure of external table {name} is not specified: give {name}_structure or {name}_types",
            "BAD_ARGUMENTS",
        )
    return External(name, structure, params.get(f"{name}_format") or "TabSeparated", data)


def _seconds(text: str) -> float:
    if not text.isdecimal() or len(text) > 9 or int(text) > 3600:
        raise EngineError.make(374, f"Invalid session timeout: '{text}'", "INVALID_SESSION_TIMEOUT")
    return float(text)


def _bind(port: int, engine: Engine, user: str | None, password: str, patience: float) -> HttpServer:
    """A server that comes back on its old port may find the last connections of its predecessor still closing."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return HttpServer(port, engine, user, password)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _take_stdin() -> int:
    """Another descriptor for stdin, which the engine is not to read from."""
    taken = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return taken


def _leave_with_parent(stdin: int, stop: threading.Event) -> None:
    """Waits until whoever started this process closes its end of stdin, or ends in any way."""
    try:
        while os.read(stdin, 4096):
            pass
    except OSError:
        pass
    stop.set()


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGTERM, SIGINT or, with --with-parent, the end of stdin."""
    about = "The embedded engine behind ClickHouse's HTTP interface, on 127.0.0.1"
    parser = argparse.ArgumentParser(prog="python -m aaiclick.engine_server.server", description=about)
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--path", default=":memory:", help="data directory, or :memory:")
    parser.add_argument("--user", default=None, help="the only user to let in (default: everyone)")
    parser.add_argument(
        "--password",
        default="",
        help="the password of --user (or the environment variable AAICLICK_TEST_SERVER_PASSWORD)",
    )
    parser.add_argument("--readonly", action="store_true", help="refuse writes (code 164)")
    parser.add_argument("--scratch", default=None, help="where to keep request bodies while they are inserted")
    parser.add_argument("--with-parent", action="store_true", help="end when stdin ends")
    options = parser.parse_args(arguments)
    password = options.password or os.environ.get("AAICLICK_TEST_SERVER_PASSWORD", "")
    stop = threading.Event()

    def on_signal(number: int, frame: object) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    stdin = _take_stdin()
    scratch = tempfile.TemporaryDirectory(prefix="aaiclick-server-") if options.scratch is None else None
    try:
        engine = Engine(
            options.path, options.scratch or cast("tempfile.TemporaryDirectory[str]", scratch).name, options.readonly
        )
        server = _bind(options.port, engine, options.user, password, 10.0)
    except (EngineError, OSError) as error:
        print(json.dumps({"error": str(error)}), flush=True)
        if scratch is not None:
            scratch.cleanup()
        return 2
    port = server.server_address[1]
    print(
        json.dumps({"url": f"http://127.0.0.1:{port}", "port": port, "pid": os.getpid(), "version": engine.version}),
        flush=True,
    )
    # Whoever read that line may close the pipe: nothing is written to it any more.
    os.dup2(2, 1)
    if options.with_parent:
        threading.Thread(target=_leave_with_parent, args=(stdin, stop), daemon=True).start()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    stop.wait()
    # In this order no request reaches an engine that is closing.
    server.shutdown()
    server.server_close()
    engine.close()
    if scratch is not None:
        scratch.cleanup()
    sys.stderr.flush()
    # Threads of the engine or of a client may still be inside native code: leave without waiting for them.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
