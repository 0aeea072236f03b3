"""The application on an engine inside the test process: real tables, no server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from aaiclick.testing import EmbeddedEngine
from analytics.app import app


@pytest.fixture
def web(aaiclick_engine: EmbeddedEngine, aaiclick_database: str) -> Iterator[TestClient]:
    """The application over an empty database; its start makes the tables."""
    app.state.client = aaiclick_engine.client(database=aaiclick_database)
    with TestClient(app) as client:
        yield client
    del app.state.client


def test_hits_are_counted_by_page_and_day(web: TestClient) -> None:
    for path, agent in [("/", "one"), ("/", "one"), ("/", "two"), ("/prices", "two")]:
        sent = web.post("/hits", json={"url": f"https://a.example{path}?x=1"}, headers={"user-agent": agent})
        assert sent.status_code == 202
    found = web.get("/pages/a.example").json()
    assert [(page["path"], page["views"], page["visitors"]) for page in found] == [("/", 3, 2), ("/prices", 1, 1)]


def test_a_site_that_nobody_knows(web: TestClient) -> None:
    assert web.get("/pages/b.example").status_code == 404


def test_what_is_no_address_is_refused(web: TestClient) -> None:
    assert web.post("/hits", json={"url": "prices"}).status_code == 422
