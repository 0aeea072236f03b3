"""An engine with the databases of one case, and nothing of the planner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from clickhouse_connect.driver.client import Client

_ALLOWED = (
    "allow_suspicious_low_cardinality_types allow_suspicious_fixed_string_types allow_suspicious_codecs "
    "allow_suspicious_variant_types"
    " allow_suspicious_primary_key allow_suspicious_ttl_expressions allow_suspicious_indices "
    "allow_experimental_variant_type"
    " allow_experimental_dynamic_type allow_experimental_json_type enable_time_time64_type "
    "insert_allow_materialized_columns enable_lightweight_update"
    " allow_experimental_statistics"
)
SETTINGS = dict.fromkeys(_ALLOWED.split(), "1")
SETTINGS |= {
    "optimize_on_insert": "0",
    "async_insert": "0",
    "mutations_sync": "2",
    "max_threads": "1",
    "max_insert_threads": "1",
}
SETTINGS["materialize_statistics_on_insert"] = "1"
"""Otherwise only merged parts have statistics, and what the engine prunes wrongly by them would not show in the table
that is created directly."""


FUNCTION = "fuzzed_"
"""How the names of its functions begin, which belong to no database."""


class Refused(Exception):  # noqa: N818 - reads as a sentence
    """The engine refused a statement of the fuzzer's own."""


class Engine(Protocol):
    """An engine that keeps the settings of its session, and clients without them for the library.

    ``keeps_sessions``: so do the clients.
    """

    keeps_sessions: bool

    def run(self, sql: str) -> str: ...

    def client(self) -> Client: ...


class Ground:
    """``live`` is migrated; in ``want`` the result is created directly."""

    def __init__(self, engine: Engine, client: Client, live: str = "live", want: str = "want") -> None:
        self.engine, self.client = engine, client
        self.live, self.want = live, want
        self.known = frozenset(name for (name,) in self.rows("SELECT name FROM system.settings"))

    def run(self, sql: str) -> None:
        self.engine.run(sql)

    def rows(self, sql: str) -> list[tuple[str, ...]]:
        """An answer as text, field by field."""
        answer = self.engine.run(sql)
        return [tuple(line.split("\t")) for line in answer.split("\n")[:-1]]

    @contextmanager
    def session(self, settings: Sequence[str]) -> Iterator[None]:
        """The library's client has these settings meanwhile; the fuzzer's own statements have not."""
        pairs = [pair for each in settings for pair in each.split(", ") if pair.partition(" ")[0] in self.known]
        if not pairs or not self.engine.keeps_sessions:
            yield
            return
        for pair in pairs:
            self.client.command(f"SET {pair}")
        try:
            yield
        finally:
            for pair in pairs:
                self.client.command(f"SET {pair.partition(' ')[0]} = DEFAULT")

    def create(self) -> None:
        self.drop()
        for database in (self.live, self.want):
            self.run(f"CREATE DATABASE {database}")

    def drop(self) -> None:
        for database in (self.live, self.want):
            self.run(f"DROP DATABASE IF EXISTS {database}")
        for (name,) in self.rows(
            f"SELECT name FROM system.functions WHERE origin = 'SQLUserDefined' AND startsWith(name, '{FUNCTION}')"
        ):
            self.run(f"DROP FUNCTION IF EXISTS {name}")
