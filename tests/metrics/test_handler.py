"""``/metrics`` as a server asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from wsgiref.util import setup_testing_defaults

import pytest
from prometheus_client.parser import text_string_to_metric_families

from aaiclick.metrics import handler
from tests.metrics.conftest import Registry


def by_wsgi(registry: Registry, path: str, method: str = "GET", accept: str = "") -> tuple[str, dict[str, str], bytes]:
    environ: dict[str, object] = {"PATH_INFO": path, "REQUEST_METHOD": method, "HTTP_ACCEPT": accept}
    setup_testing_defaults(environ)
    began: list[tuple[str, list[tuple[str, str]]]] = []
    body = b"".join(handler.wsgi(registry)(environ, lambda status, headers: began.append((status, headers))))
    return began[0][0], dict(began[0][1]), body


def by_asgi(registry: Registry, path: str, method: str = "GET", root: str = "") -> tuple[int, bytes]:
    sent: list[MutableMapping[str, object]] = []

    async def receive() -> MutableMapping[str, object]:
        return {"type": "http.request"}

    async def send(message: MutableMapping[str, object]) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "method": method, "root_path": root, "headers": [(b"Accept", b"text/plain")]}

    async def ask() -> None:
        await handler.asgi(registry)(scope, receive, send)

    asyncio.run(ask())
    body = sent[1]["body"]
    assert isinstance(body, bytes)
    return int(str(sent[0]["status"])), body


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/", ""])
def test_the_registry_is_shown(registry: Registry, path: str) -> None:
    status, headers, body = by_wsgi(registry, path)
    assert status == "200 OK"
    assert int(headers["Content-Length"]) == len(body)
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    assert families["aaiclick_build_info"].samples[0].value == 1
    assert by_asgi(registry, path) == (200, body)


def test_a_client_that_takes_openmetrics_gets_it(registry: Registry) -> None:
    _, headers, body = by_wsgi(registry, "/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_what_is_no_request_for_metrics(registry: Registry) -> None:
    assert by_wsgi(registry, "/secrets")[0] == "404 Not Found"
    assert by_wsgi(registry, "/metrics", "POST")[0] == "405 Method Not Allowed"
    status, headers, body = by_wsgi(registry, "/metrics", "HEAD")
    assert (status, body) == ("200 OK", b"")
    assert int(headers["Content-Length"]) > 0
    assert by_asgi(registry, "/metrics", "HEAD") == (200, b"")
    assert by_asgi(registry, "/other")[0] == 404


def test_mounted_below_another_application(registry: Registry) -> None:
    assert by_asgi(registry, "/inside/metrics", root="/inside")[0] == 200


def test_a_server_may_start_and_stop_it() -> None:
    asked = iter(["lifespan.startup", "lifespan.shutdown"])
    sent: list[object] = []

    async def receive() -> MutableMapping[str, object]:
        return {"type": next(asked)}

    async def send(message: MutableMapping[str, object]) -> None:
        sent.append(message["type"])

    async def live() -> None:
        await handler.asgi()({"type": "lifespan"}, receive, send)

    asyncio.run(live())
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
