"""A clause of a newer server's: the object is reported by name and clause, and never altered, whatever the policy
allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MaterializedView, MergeTree, Policy, Schema, Table, View, ensure_schema
from aaiclick.catalog.forms import UnsupportedForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.read import read_catalog
from aaiclick.catalog.reflect import reflect_catalog
from aaiclick.clients.opening import open_url
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.commands.validate import validate
from aaiclick.errors import UnsupportedObjectError
from aaiclick.lease.owner import this_process
from aaiclick.routine import Command, Connection, Query, run
from aaiclick.testing.engine import EmbeddedEngine

PLAIN = (
    "CREATE TABLE app.t (`a` UInt64, `b` String CODEC(ZSTD(1)) TTL toDate(a)) ENGINE = MergeTree PARTITION BY a "
    "ORDER BY a SAMPLE BY a TTL toDate(a) SETTINGS index_granularity = 8192 COMMENT 'c'"
)
FRILLS = (
    (
        "`b` String CODEC(ZSTD(1))",
        "`b` String FRILL CODEC(ZSTD(1))",
        "column b: a clause that is not known at 'FRILL CODEC",
    ),
    (
        "`b` String CODEC(ZSTD(1))",
        "`b` String COLLATE utf8 CODEC(ZSTD(1))",
        "column b: a clause that is not known at 'COLLATE utf8",
    ),
    ("TTL toDate(a))", "TTL toDate(a) MASKED WITH (md5(b)))", "column b: a clause that is not known at 'MASKED WITH"),
    ("(`a` UInt64", "(FOREIGN KEY (a) REFERENCES x(y), `a` UInt64", "an element that is not known at 'FOREIGN KEY"),
    (
        "(`a` UInt64",
        "(INDEX i a TYPE minmax GRANULARITY 1 INVISIBLE, `a` UInt64",
        "index i: a clause that is not known at 'INVISIBLE",
    ),
    (
        "(`a` UInt64",
        "(CONSTRAINT c CHECK a > 1 DEFERRED, `a` UInt64",
        "constraint c: a clause that is not known at 'DEFERRED",
    ),
    ("(`a` UInt64", "(CONSTRAINT c UNIQUE a, `a` UInt64", "constraint c: CHECK or ASSUME was expected at 'UNIQUE a"),
    (" SAMPLE BY a", " CLUSTER BY a", "a clause that is not known at 'CLUSTER BY"),
    (" ORDER BY a", " ORDER BY a UNIQUE KEY (a)", "a clause that is not known at 'UNIQUE KEY"),
    (" COMMENT 'c'", " COMMENT 'c' ROW POLICY p", "a clause that is not known at 'ROW POLICY"),
    ("CREATE TABLE", "CREATE STREAM TABLE", "an object that is neither table, view nor dictionary at 'STREAM TABLE"),
    (" PARTITION BY a", " PARTITION BY a PARTITION BY a", "PARTITION BY stands there twice"),
)


@pytest.mark.parametrize(("where", "frill", "said"), FRILLS)
def test_an_unknown_clause_is_named(where: str, frill: str, said: str) -> None:
    assert not isinstance(split_create(PLAIN, "app"), UnsupportedForm)
    text = PLAIN.replace(where, frill, 1)
    assert text != PLAIN
    form = split_create(text, "app")
    assert isinstance(form, UnsupportedForm)
    assert said in form.reason


@dataclass
class Doctored:
    """A connection to a server whose definitions hold a clause that nobody knows yet."""

    inner: Connection
    database: str
    names: tuple[str, ...]
    commands: list[str] = field(default_factory=list[str])

    @property
    def embedded(self) -> bool:
        return self.inner.embedded

    @property
    def identity(self) -> str:
        return self.inner.identity

    def query(self, effect: Query, /) -> Sequence[Sequence[object]]:
        rows = self.inner.query(effect)
        return [[self._frilled(cell) for cell in row] for row in rows]

    def command(self, effect: Command, /) -> None:
        self.commands.append(effect.sql)
        self.inner.command(effect)

    def close(self) -> None:
        self.inner.close()

    def _frilled(self, cell: object) -> object:
        if (
            not isinstance(cell, str)
            or not cell.startswith("CREATE ")
            or not any(f" {self.database}.{name} " in cell for name in self.names)
        ):
            return cell
        return (
            cell.replace(" ENGINE = ", " FRILL 'x' ENGINE = ", 1)
            if " ENGINE = " in cell
            else cell.replace(" AS SELECT", " FRILL 'x' AS SELECT", 1)
        )


def _schema(version: int, columns: list[Column], query: str) -> Schema:
    """``odd`` and ``view`` are unknown to us in part; ``even`` is not."""
    key = MergeTree(order_by=["a"])
    return Schema(
        "app",
        version=version,
        objects=[
            Table("odd", columns, engine=key),
            Table("even", columns, engine=key),
            View("odd_view", query=query),
            MaterializedView("feed", to="even", query="SELECT a, b FROM odd"),
        ],
    )


def test_a_declared_object_with_an_unknown_clause_is_never_recorded_as_done(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, aaiclick_database: str
) -> None:
    before = [Column("a", "UInt64"), Column("b", "String")]
    ensure_schema(aaiclick_client, _schema(1, before, "SELECT a FROM odd"))
    aaiclick_client.command("INSERT INTO odd SELECT number, toString(number) FROM numbers(10)")
    told = _texts(aaiclick_client)
    doctored = Doctored(open_url(aaiclick_engine.url), aaiclick_database, ("odd", "odd_view"))
    catalog = run(read_catalog(aaiclick_database), doctored)
    unsupported = reflect_catalog(catalog, "app").unsupported
    assert set(unsupported) == {"odd", "odd_view"}
    assert all("FRILL 'x'" in reason for reason in unsupported.values())

    wanted = _schema(
        2, [Column("a", "UInt64"), Column("b", "LowCardinality(String)"), Column("c", "Date")], "SELECT a, b FROM odd"
    )
    doctored.commands.clear()
    with pytest.raises(
        UnsupportedObjectError,
        match=r"FRILL 'x'.*It is declared, so nothing is done and no version is recorded until it can be",
    ):
        run(ensure(Run(wanted, aaiclick_database, Policy.everything(), this_process(), True, "0")), doctored)
    status = run(validate(wanted, aaiclick_database), doctored)
    assert not status.in_sync
    assert [words.split(":")[0] for words in status.differences if "its definition cannot be read" in words] == [
        "odd",
        "odd_view",
        "odd",
        "odd_view",
    ]
    assert aaiclick_client.query("SELECT max(version) FROM schema_version").result_rows == [(1,)]
    assert not [sql for sql in doctored.commands if f"`{aaiclick_database}`.`odd" in sql]
    assert _texts(aaiclick_client) == told
    assert aaiclick_client.query("SELECT count(), sum(length(b)) FROM odd").result_rows == [(10, 10)]
    doctored.close()


def _texts(client: Client) -> list[Sequence[object]]:
    rows = client.query(
        "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() AND name LIKE 'odd%' "
        "ORDER BY name"
    ).result_rows
    return [tuple(row) for row in rows]


def test_an_object_that_could_not_be_read_when_it_was_recorded_is_left_alone_as_long_as_it_stays(
    aaiclick_engine: EmbeddedEngine, aaiclick_database: str
) -> None:
    doctored = Doctored(open_url(aaiclick_engine.url), aaiclick_database, ("odd", "odd_view"))
    wanted = _schema(1, [Column("a", "UInt64"), Column("b", "String")], "SELECT a FROM odd")
    for _ in range(2):
        assert run(
            ensure(Run(wanted, aaiclick_database, Policy.everything(), this_process(), True, "0")), doctored
        ).in_sync
    status = run(validate(wanted, aaiclick_database), doctored)
    assert status.in_sync
    assert [
        note.split(" was left alone, as it was recorded")[0] for note in status.notes if "cannot be read" in note
    ] == ["odd", "odd_view"]
    doctored.close()
