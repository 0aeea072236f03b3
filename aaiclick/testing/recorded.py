"""Databases with a given schema: made by ``ensure_schema`` the first time, from then on from the statements that it led
to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aaiclick.errors import UsageError
from aaiclick.sql.hex_text import unhexed
from aaiclick.sql.quoting import quote_name
from aaiclick.testing.engine import EmbeddedEngine, fresh_name

if TYPE_CHECKING:
    from aaiclick import Schema

# What the engine shows of these cannot be sent back to it: secrets are hidden, and an Alias takes no column list.
_NOT_REPEATABLE = ("[HIDDEN]", "ENGINE = Alias")
# Rows go in before there is a view that would see them inserted.
_OBJECTS = """
SELECT hex(name), hex(create_table_query), multiIf(as_select != '', 2, engine = 'Dictionary', 1, 0) AS stage, ifNull(total_rows, 0)
FROM system.tables WHERE database = '{database}' AND NOT startsWith(name, '.inner')
ORDER BY stage, metadata_modification_time, name FORMAT TabSeparated
"""  # noqa: E501
_STORED = """
SELECT hex(name) FROM system.columns WHERE database = '{database}' AND table = unhex('{table}') AND default_kind IN ('', 'DEFAULT')
ORDER BY position FORMAT TabSeparated
"""  # noqa: E501
_NEW = "\0"
"""Stands for the new database in a recorded statement; it cannot occur in SQL text."""


@dataclass(frozen=True)
class EngineTarget:
    """Where databases are made: ``run`` carries out one statement (``several``: or many) and gives its answer as text;
    ``client`` opens what ``ensure_schema`` is handed."""

    key: str
    client: Callable[[], AbstractContextManager[object]]
    run: Callable[[str], str]
    several: bool


def engine_target(engine: EmbeddedEngine, client: object = None) -> EngineTarget:
    """The engine of this process, which takes many statements at once; ``client`` is one that the caller has on it."""

    def opened() -> AbstractContextManager[object]:
        return closing(engine.client()) if client is None else nullcontext(client)

    return EngineTarget(engine.url, opened, engine.command, several=True)


def is_embedded(client: object) -> bool:
    """Whether this is a client or session of the engine in this process."""
    return str(getattr(client, "uri", "")).startswith("chdb:") or type(client).__module__.startswith("chdb.")


def server_target(client: object) -> EngineTarget:
    """A sync clickhouse-connect client over HTTP. UsageError for anything else."""
    raw_query: object = getattr(client, "raw_query", None)
    if not callable(raw_query) or type(client).__name__.startswith("Async"):
        raise UsageError(f"via= takes a sync clickhouse-connect client or a chdb Session, not {type(client).__name__}")

    def run(sql: str) -> str:
        answer: object = raw_query(sql)
        return answer.decode("utf-8", "surrogateescape") if isinstance(answer, bytes) else ""

    return EngineTarget(str(getattr(client, "uri", "") or id(client)), lambda: nullcontext(client), run, several=False)


class SchemaRecorder:
    """Makes databases that hold exactly a schema, its version record included."""

    def __init__(self) -> None:
        self._recorded: dict[tuple[str, str], list[str] | None] = {}
        self._ordered: set[tuple[str, str]] = set()

    def create(self, target: EngineTarget, schema: Schema) -> str:
        """A fresh database with this schema; its name. Whoever asked for it drops it."""
        key = (target.key, repr(schema))
        if key not in self._recorded:
            database = fresh_name("schema")
            _ensure(target, schema, database)
            self._recorded[key] = _record(target, database)
            return database
        statements = self._recorded[key]
        if statements is not None:
            database = fresh_name("schema")
            if self._replay(key, target, statements, database):
                return database
            drop_database(target, database)
            self._recorded[key] = None
        database = fresh_name("schema")
        _ensure(target, schema, database)
        return database

    def _replay(self, key: tuple[str, str], target: EngineTarget, statements: list[str], database: str) -> bool:
        """Whether all statements went through; the first time finds the order in which they do (views read other
        views)."""
        texts = [text.replace(_NEW, database) for text in statements]
        target.run(f"CREATE DATABASE {quote_name(database)}")
        if key in self._ordered:
            for text in [";\n".join(texts)] if target.several and texts else texts:
                target.run(text)
            return True
        order: list[int] = []
        waiting = list(range(len(texts)))
        while waiting:
            refused: list[int] = []
            for index in waiting:
                try:
                    target.run(texts[index])
                    order.append(index)
                except Exception:
                    refused.append(index)
            if len(refused) == len(waiting):
                return False
            waiting = refused
        self._recorded[key] = [statements[index] for index in order]
        self._ordered.add(key)
        return True


def drop_database(target: EngineTarget, database: str) -> None:
    """Drops a database with all it holds, at once (no files are left waiting for a delayed removal)."""
    target.run(f"DROP DATABASE IF EXISTS {quote_name(database)} SYNC")


def _ensure(target: EngineTarget, schema: Schema, database: str) -> None:
    from aaiclick import ensure_schema

    target.run(f"CREATE DATABASE {quote_name(database)}")
    try:
        with target.client() as client:
            ensure_schema(client, schema, database=database)
    except BaseException:
        with suppress(Exception):
            drop_database(target, database)
        raise


def _record(target: EngineTarget, database: str) -> list[str] | None:
    """The statements that make another database like this one; None when they cannot be had."""
    tables: list[str] = []
    rows: list[str] = []
    views: list[str] = []
    for line in target.run(_OBJECTS.format(database=database)).splitlines():
        name, create, stage, total = line.split("\t")
        text = unhexed(create)
        if any(mark in text for mark in _NOT_REPEATABLE):
            return None
        (views if stage == "2" else tables).append(text)
        if stage == "0" and int(total):
            table = quote_name(unhexed(name))
            names = target.run(_STORED.format(database=database, table=name)).split()
            columns = ", ".join(quote_name(unhexed(column)) for column in names)
            values = target.run(f"SELECT {columns} FROM {quote_name(database)}.{table} FORMAT Values")
            rows.append(f"INSERT INTO {quote_name(database)}.{table} ({columns}) VALUES {values}")
    # The name is a random one, so it stands for nothing else in these texts.
    return [text.replace(database, _NEW) for text in (*tables, *rows, *views)]
