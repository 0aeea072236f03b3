"""Tables over files elsewhere: the server writes the format that it guesses into the definition, and nothing differs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, Engine, Schema, Table, ensure_schema, plan_schema
from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.diff.guessed_format import with_guessed_format
from aaiclick.server_objects import NamedCollection
from aaiclick.versions.recognition import differences

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

# Nobody listens there: with columns and a known ending the server does not look at the file.
URL = "http://localhost:1/buck/x.csv"
DECLARED = [
    ("S3", f"'{URL}'"),
    ("S3", f"'{URL}', 'key', 'secret'"),
    ("S3", f"'{URL}', 'key', 'secret', extra_credentials(role_arn='x')"),
    ("S3", f"'{URL}', NOSIGN"),
    ("S3", f"'{URL}', 'auto'"),
    ("S3", f"'{URL}', 'auto', 'gzip'"),
    ("S3", f"'{URL}', format='CSV', compression_method='gzip'"),
    ("S3", f"'{URL}', structure='a UInt64'"),
    ("S3", f"'{URL}.gz', 'TSV'"),
    ("GCS", f"'{URL}'"),
    ("OSS", f"'{URL}'"),
    ("HDFS", "'hdfs://localhost:1/x.csv'"),
    ("URL", f"'{URL}'"),
    ("S3", "{name}"),
    ("URL", "{name}"),
    ("S3", "{name}, filename='y.tsv'"),
]
COLUMNS = [Column("a", "UInt64")]


def test_what_is_declared_without_a_format_does_not_differ_for_ever(
    aaiclick_client: Client, aaiclick_database: str
) -> None:
    name = f"files_{aaiclick_database}"
    tables = [
        Table(f"t{place}", COLUMNS, engine=Engine(engine, arguments.format(name=name)))
        for place, (engine, arguments) in enumerate(DECLARED)
    ]
    keys = NamedCollection(name, {"url": URL})
    try:
        ensure_schema(aaiclick_client, Schema("files", version=1, objects=[keys, *tables]))
        later = Schema("files", version=2, objects=[keys, *tables])
        assert [(step.object, step.change) for step in plan_schema(aaiclick_client, later).steps] == []
        assert ensure_schema(aaiclick_client, later).in_sync
        other = Table("t0", COLUMNS, engine=Engine("S3", f"'{URL}', 'TSV'"))
        (step,) = plan_schema(aaiclick_client, Schema("files", version=3, objects=[keys, other, *tables[1:]])).steps
        assert (step.object, step.strategy) == ("t0", "replace")
    finally:
        for table in tables:
            aaiclick_client.command(f"DROP TABLE IF EXISTS {table.name} SYNC")
        aaiclick_client.command(f"DROP NAMED COLLECTION IF EXISTS {name}")


def form(arguments: str, engine: str = "S3") -> TableForm:
    return TableForm("t", engine, (ColumnForm("a", "UInt64"),), arguments)


@pytest.mark.parametrize(
    ("declared", "live"),
    [
        ("'u', 'CSV'", "'u', 'TSV'"),
        ("'u', 'CSV'", "'u'"),
        ("'u'", "'v', 'CSV'"),
        ("'u'", "'u', 'NOSIGN'"),
        ("'u'", "'u', 'key', '[HIDDEN]', 'CSV'"),
        ("nc, format = 'CSV'", "nc, format = 'TSV'"),
        ("nc", "other, format = 'CSV'"),
        ("'u', 'auto', 'gzip'", "'u', 'CSV', 'zstd'"),
    ],
)
def test_what_was_said_counts(declared: str, live: str) -> None:
    assert with_guessed_format(form(declared), form(live)) == form(declared)


def test_a_table_is_recognised_by_a_released_form_without_it() -> None:
    released, live = form("'u'"), form("'u', 'CSV'")
    assert differences(live, released) == ()
    assert differences(replace(live, arguments="'v', 'CSV'"), released) != ()
    # Elsewhere an argument more is another table.
    assert with_guessed_format(form("'u'", "Kafka"), form("'u', 'CSV'", "Kafka")).arguments == "'u'"
