"""A host as a test sees it, whether a process of the rig or a real server: an HTTP address."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aaiclick.clients.url import ServerUrl, parse_url
from tests.cluster.rig.errors import AwayError, RefusedError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


class Host:
    """One replica of one shard.

    ``q`` gives the answer as text, ``rows`` and ``one`` as values; each statement goes by itself, without a session, and
    raises ``RefusedError`` or ``AwayError``. Keywords are settings of the statement; ``timeout`` is in seconds.
    """

    def __init__(self, url: str, shard: int, replica: int, opened: Callable[[Client], None]) -> None:
        parsed = parse_url(url)
        assert isinstance(parsed, ServerUrl), url
        self.shard = shard
        self.replica = replica
        self._at = parsed
        self._opened = opened

    def __repr__(self) -> str:
        return f"<shard {self.shard}, replica {self.replica}, {self._at.place}>"

    @property
    def url(self) -> str:
        """For ``ensure_schema`` and the command line; ``database_url`` with a database."""
        return self.database_url("")

    def database_url(self, database: str, user: str = "", password: str = "") -> str:
        """The same with a current database, and with another user."""
        who = user or (self._at.user if self._at.user != "default" or self._at.password else "")
        word = password if user else self._at.password
        return f"clickhouse://{f'{who}:{word}@' if who else ''}{self._at.host}:{self._at.port}/{database}".rstrip("/")

    def client(self, database: str | None = None, **options: Any) -> Client:
        """A clickhouse-connect client on this host, closed at the end of the test."""
        import clickhouse_connect

        at = self._at
        options = {"username": at.user, "password": at.password, "autogenerate_session_id": False, **options}
        made = clickhouse_connect.get_client(
            host=at.host, port=at.port, secure=at.secure, database=database or "default", **options
        )
        self._opened(made)
        return made

    def q(self, sql: str, *, timeout: float = 60, database: str = "", **settings: str | int) -> str:
        """The answer as text (TabSeparated), without the last line's end."""
        connect = http.client.HTTPSConnection if self._at.secure else http.client.HTTPConnection
        connection = connect(self._at.host, self._at.port, timeout=timeout)
        # Answered at the end only: one host's line of an ON CLUSTER would go out with status 200 before the other one's error.
        parameters: dict[str, str | int] = {"wait_end_of_query": 1, **settings}
        if database:
            parameters["database"] = database
        headers = {"X-ClickHouse-User": self._at.user, "X-ClickHouse-Key": self._at.password}
        try:
            connection.request("POST", f"/?{urlencode(parameters)}", sql.encode(), headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise AwayError(f"{self!r}: {type(error).__name__}: {error}") from error
        finally:
            connection.close()
        code = answer.getheader("X-ClickHouse-Exception-Code")
        if code is not None or answer.status != 200:
            raise RefusedError(int(code or 0), text)
        return text.removesuffix("\n")

    def rows(self, sql: str, **settings: Any) -> list[list[Any]]:
        """The answer as rows of values, numbers as numbers."""
        lines = self.q(f"{sql} FORMAT JSONCompactEachRow", output_format_json_quote_64bit_integers=0, **settings)
        return [json.loads(line) for line in lines.splitlines()]

    def one(self, sql: str, **settings: Any) -> Any:
        """The first value of the first row."""
        return self.rows(sql, **settings)[0][0]

    @property
    def answers(self) -> bool:
        """Whether it carries out a statement within five seconds."""
        try:
            return self.q("SELECT 1", timeout=5) == "1"
        except (RefusedError, AwayError):
            return False
