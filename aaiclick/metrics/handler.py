"""``/metrics`` for an application that has no such endpoint: a WSGI or an ASGI application of its own.

    app.mount("/metrics", aaiclick.metrics.handler.asgi())                    # Starlette, FastAPI
    wsgiref.simple_server.make_server("127.0.0.1", 9464, wsgi()).serve_forever()

It shows the whole registry, and nothing that is not in it: no database is asked.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, TypeAlias, cast

from aaiclick.errors import UsageError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    StartResponse: TypeAlias = Callable[[str, list[tuple[str, str]]], object]
    Wsgi: TypeAlias = Callable[[dict[str, object], StartResponse], Iterable[bytes]]
    Message: TypeAlias = MutableMapping[str, object]
    Receive: TypeAlias = Callable[[], Awaitable[Message]]
    Send: TypeAlias = Callable[[Message], Awaitable[None]]
    Asgi: TypeAlias = Callable[[Mapping[str, object], Receive, Send], Awaitable[None]]

_PATHS = ("", "/", "/metrics", "/metrics/")
_TEXT = "text/plain; charset=utf-8"


def wsgi(registry: CollectorRegistry | None = None) -> Wsgi:
    """A WSGI application. ``registry``: None is the one that ``instrument`` takes by default.

    Raises ``UsageError`` where ``prometheus_client`` is not installed.
    """
    page = _page(registry)

    def application(environ: dict[str, object], start_response: StartResponse) -> Iterable[bytes]:
        path, method = str(environ.get("PATH_INFO", "")), str(environ.get("REQUEST_METHOD", "GET"))
        status, kind, body = page(path, method, str(environ.get("HTTP_ACCEPT", "")))
        start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [b"" if method == "HEAD" else body]

    return application


def asgi(registry: CollectorRegistry | None = None) -> Asgi:
    """An ASGI application. ``registry``: as for ``wsgi``.

    Raises ``UsageError`` where ``prometheus_client`` is not installed.
    """
    page = _page(registry)

    async def application(scope: Mapping[str, object], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        # In an application that has it mounted, the path of the mount stands in front.
        path = str(scope.get("path", "")).removeprefix(str(scope.get("root_path", "")))
        method = str(scope.get("method", "GET"))
        status, kind, body = page(path, method, _accepted(scope.get("headers")))
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": int(status[:3]), "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})

    return application


async def _lifespan(receive: Receive, send: Send) -> None:
    """A server asks this where the handler is its whole application."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _accepted(headers: object) -> str:
    pairs = cast("Iterable[tuple[bytes, bytes]]", headers or ())
    return next((value.decode("latin-1") for name, value in pairs if name.lower() == b"accept"), "")


def _page(registry: CollectorRegistry | None) -> Callable[[str, str, str], tuple[str, str, bytes]]:
    """What is answered to a path, a method and what the client accepts: status, content type, body."""
    try:
        from prometheus_client import REGISTRY, CollectorRegistry
        from prometheus_client.exposition import choose_encoder
        from prometheus_client.multiprocess import MultiProcessCollector
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "prometheus_client":
            raise
        raise UsageError("metrics need prometheus_client: pip install 'aaiclick[metrics]'") from error

    def page(path: str, method: str, accept: str) -> tuple[str, str, bytes]:
        if path not in _PATHS:
            return "404 Not Found", _TEXT, b"the metrics are at /metrics\n"
        if method not in ("GET", "HEAD"):
            return "405 Method Not Allowed", _TEXT, b"the metrics are read with GET\n"
        shown = registry if registry is not None else REGISTRY
        if registry is None and "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            # Several processes behind one endpoint (gunicorn): what all of them have counted.
            shown = CollectorRegistry()
            MultiProcessCollector(shown)  # type: ignore[no-untyped-call] # its package leaves it without types
        encode, kind = choose_encoder(accept)
        return "200 OK", kind, encode(shown)

    return page
