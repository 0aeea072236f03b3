"""Tables that hold no rows, made anew under the same name."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, Engine, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import BlockedError


def declared(*names: str, **settings: int) -> Schema:
    engine = Engine("MySQL", "'host:3306', 'd', 't', 'user', 'word'", settings=settings)
    return Schema("other", objects=[Table("far", [Column(name, "UInt8") for name in names], engine=engine)])


def test_what_is_not_declared_stays_where_only_the_declaration_has_the_secret(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, declared("a", connection_pool_size=7))
    aaiclick_client.command("ALTER TABLE far MODIFY COMMENT 'by hand'")
    aaiclick_client.command("ALTER TABLE far COMMENT COLUMN a 'of a'")
    assert ensure_schema(aaiclick_client, declared("a", "b"), policy=Policy.everything()).in_sync
    shown = str(aaiclick_client.query("SHOW CREATE TABLE far").result_rows[0][0])
    assert "COMMENT 'of a'" in shown
    assert "COMMENT 'by hand'" in shown
    assert "connection_pool_size = 7" in shown
    assert plan_schema(aaiclick_client, declared("a", "b")).steps == ()


def test_rows_in_memory_keep_what_they_read(aaiclick_client: Client) -> None:
    """Its ALTER takes all of this, and rows that are there read 0 and '' then."""
    aaiclick_client.command("CREATE TABLE m (a UInt8, v UInt8, five UInt8 ALIAS 5) ENGINE = Memory")
    renamed = Column("w", "UInt8", renamed_from="v")
    added = Column("d", "String", default="'x'")
    stored = Column("five", "UInt8", default=None)

    def memory(*columns: Column) -> Schema:
        return Schema("other", objects=[Table("m", [Column("a", "UInt8"), *columns], engine=Engine("Memory"))])

    assert [step.strategy for step in plan_schema(aaiclick_client, memory(renamed, added)).required] == ["alter"]
    aaiclick_client.command("INSERT INTO m VALUES (1, 7)")
    for columns, said in (
        ((renamed,), "would not read what they hold in v as w"),
        ((Column("v", "UInt8"), added), "would not read 'x' as d"),
        ((Column("v", "UInt8"), stored), "would not read 5 as five"),
    ):
        with pytest.raises(BlockedError, match=said):
            ensure_schema(aaiclick_client, memory(*columns), policy=Policy.everything())
    # The default of the type, said or not, is what they read.
    said_so = {"f": ("Float64", "0"), "s": ("LowCardinality(String)", "''"), "o": ("Nullable(UInt8)", "NULL")}
    more = [Column(name, kind, default=default) for name, (kind, default) in said_so.items()]
    wanted = memory(Column("v", "UInt16"), Column("n", "UInt8"), *more)
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    assert aaiclick_client.query("SELECT a, v, n, f, s, o FROM m").result_rows == [(1, 7, 0, 0.0, "", None)]
    with pytest.raises(BlockedError, match="would not read 0 as z"):
        ensure_schema(
            aaiclick_client, memory(*wanted.tables[0].columns[1:], Column("z", "Nullable(UInt8)", default="0"))
        )
