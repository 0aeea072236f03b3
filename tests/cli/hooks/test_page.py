"""docs/hooks.md is what happens."""

from __future__ import annotations

import dataclasses
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, get_args

import pytest

from aaiclick.cli.hooks.declared import EVENTS, TIMEOUT
from aaiclick.cli.hooks.facts import no_facts, variables
from aaiclick.events import Event, Note, PlanReady, StepDone
from tests.support.pages import ROOT, play

PAGE = ROOT / "docs" / "hooks.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_session_is_what_happens(tmp_path: Path) -> None:
    assert play(PAGE, tmp_path) == 4
    assert (tmp_path / "told.txt").read_text(encoding="utf-8").splitlines() == [
        "backup shop v0 to v1 ",
        "announce shop v0 to v1 ",
        "backup shop v1 to v2 ",
        "page shop v to v2 SchemaVersionError",
    ]


def test_every_hook_every_variable_and_every_event_is_there() -> None:
    assert all(f"`{event}`" in TEXT for event in EVENTS)
    assert set(re.findall(r"`(AAICLICK_HOOK_\w+)`", TEXT)) == set(variables(no_facts("migrate")))
    assert TIMEOUT == 300
    for kind in get_args(Event):
        fields = ", ".join(f"`{field.name}`" for field in dataclasses.fields(kind))
        assert f"| `{kind.__name__}` | {fields} | {' '.join(kind.__doc__.split())} |" in TEXT


def test_the_webhook_posts_and_never_fails() -> None:
    received: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if len(received) == 1 else 200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    found = re.search(r"```python webhook\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        webhook = names["Webhook"](f"http://127.0.0.1:{server.server_port}/")
        for event in (StepDone(1, 1, "t", "alter", 0, 0.1), PlanReady("s", 1, 0), Note("done")):
            webhook(event)
        webhook.close()
        server.shutdown()
        serving.join()
    assert [each["event"] for each in received] == ["StepDone", "Note"]
    gone = names["Webhook"]("http://127.0.0.1:1/")
    gone(Note("nobody hears it"))
    gone.close()
