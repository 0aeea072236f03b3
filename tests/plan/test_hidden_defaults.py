"""Defaults with a secret, which the server shows as [HIDDEN]: the rest of their table can still be changed."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema

SEALED = "hex(encrypt('aes-256-ecb', s, '0123456789abcdef0123456789abcdef'))"
COLUMNS = {"k": Column("k", "UInt64"), "s": Column("s", "String"), "e": Column("e", "String", default=SEALED)}


def declared(order: str = "k", **changed: Column) -> Schema:
    return Schema(
        "sealed", objects=[Table("t", list({**COLUMNS, **changed}.values()), engine=MergeTree(order_by=[order]))]
    )


@pytest.fixture
def sealed(aaiclick_client: Client) -> Client:
    ensure_schema(aaiclick_client, declared())
    aaiclick_client.command("INSERT INTO t (k, s) VALUES (1, 'a')")
    return aaiclick_client


def test_other_columns_are_changed_and_the_secret_stays(sealed: Client) -> None:
    sealed.command("CREATE VIEW v AS SELECT * FROM t")
    narrow = Column("s", "LowCardinality(String)", comment="text")
    wanted = declared(s=narrow, e=Column("e", "String", default=SEALED, comment="sealed"), x=Column("x", "UInt8"))
    report = ensure_schema(sealed, wanted)
    assert [(step.object, step.strategy) for step in report.steps] == [
        ("v", "replace"),
        ("t", "mutate"),
        ("v", "replace"),
    ]
    assert plan_schema(sealed, wanted).steps == ()
    sealed.command("INSERT INTO t (k, s) VALUES (2, 'a')")
    (first, second) = sealed.query("SELECT e, x FROM v ORDER BY k").result_rows
    assert first == second
    assert first[0] == sealed.query(f"SELECT {SEALED} FROM (SELECT 'a' AS s)").result_rows[0][0]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (declared("s"), "a new table cannot be made: its definition holds a secret that the server does not show"),
        (
            declared(e=Column("e", "String", default=f"concat({SEALED}, 'x')")),
            "column e of t: the server does not show the secret in its DEFAULT. Add or change that column by hand",
        ),
    ],
    ids=["sort key", "the default itself"],
)
def test_what_needs_the_secret_is_blocked(sealed: Client, wanted: Schema, said: str) -> None:
    (step,) = plan_schema(sealed, wanted).steps
    assert said in step.blocked
    assert "0123456789" not in plan_schema(sealed, wanted).to_json()


def test_parts_from_before_the_column_read_it_over_the_old_type(aaiclick_client: Client) -> None:
    aaiclick_client.command("CREATE TABLE t (k UInt64, s String) ENGINE = MergeTree ORDER BY k")
    aaiclick_client.command("INSERT INTO t VALUES (1, 'a')")
    (step,) = plan_schema(aaiclick_client, declared()).steps
    assert "Add or change that column by hand" in step.blocked
    aaiclick_client.command(f"ALTER TABLE t ADD COLUMN e String DEFAULT {SEALED}")
    assert ensure_schema(aaiclick_client, declared()).steps == ()
    wanted = declared(s=Column("s", "LowCardinality(String)"))
    (step,) = plan_schema(aaiclick_client, wanted).steps
    assert "its DEFAULT may read s" in step.blocked
    command = step.blocked.partition("Run ")[2].removesuffix(" first")
    aaiclick_client.command(f"{command} SETTINGS mutations_sync = 1")
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
