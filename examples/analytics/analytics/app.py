"""The web application: hits come in, numbers go out.

uvicorn analytics.app:app
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timezone
from threading import Lock
from urllib.parse import urlsplit

from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, HttpUrl

from aaiclick import ensure_schema
from analytics.database import connect
from analytics.schema import ANALYTICS


class Hit(BaseModel):
    """What the script on a page sends."""

    url: HttpUrl
    referrer: str = ""


class Page(BaseModel):
    """A page on one day."""

    day: date
    path: str
    views: int
    visitors: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The tables first: where a migration has to be run by hand, the application stops here with the sentence that says
    so."""
    client = getattr(app.state, "client", None) or connect()
    await run_in_threadpool(ensure_schema, client, ANALYTICS)
    app.state.client, app.state.lock = client, Lock()
    yield
    client.close()


app = FastAPI(title="analytics", lifespan=lifespan)


@app.post("/hits", status_code=202)
def add_hit(hit: Hit, request: Request) -> None:
    """Note that somebody looked at a page."""
    parts = urlsplit(str(hit.url))
    agent = request.headers.get("user-agent", "")
    told = f"{request.client.host if request.client else ''} {agent}"
    visitor = int.from_bytes(hashlib.blake2b(told.encode(), digest_size=8).digest(), "big")
    row = (datetime.now(timezone.utc), parts.hostname or "", parts.path or "/", hit.referrer, visitor, agent)
    names = ["at", "host", "path", "referrer", "visitor", "user_agent"]
    with request.app.state.lock:  # a client is for one thread at a time
        request.app.state.client.insert("hits", [row], column_names=names)


@app.get("/pages/{host}")
def pages(host: str, request: Request, since: date = date(1970, 1, 1)) -> list[Page]:
    """Views and visitors of each page of a site, day by day."""
    with request.app.state.lock:
        found = request.app.state.client.query(
            "SELECT day, path, views, visitors FROM pages_per_day WHERE host = {host:String} AND day >= {since:Date} "
            "ORDER BY day, views DESC, path LIMIT 1000",
            parameters={"host": host, "since": since},
        )
    if not found.result_rows:
        raise HTTPException(404, f"nobody has looked at {host} since {since}")
    return [Page(day=row[0], path=row[1], views=row[2], visitors=row[3]) for row in found.result_rows]
