"""The database: a directory on a laptop, a server in production."""

from __future__ import annotations

import os

from clickhouse_connect import get_client
from clickhouse_connect.driver.client import Client

URL = os.environ.get("ANALYTICS_URL", "chdb://data")


def connect(url: str = URL) -> Client:
    """A client for ``chdb://DIRECTORY`` or ``clickhouse://user:password@host:8123/database``."""
    kind, _, rest = url.partition("://")
    if kind == "chdb":
        return get_client(interface="chdb", path=rest)
    return get_client(dsn=url)
