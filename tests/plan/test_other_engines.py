"""Tables that hold no rows, made anew under the same name."""

from __future__ import annotations

from clickhouse_connect.driver.client import Client

from aaiclick import Column, Engine, Policy, Schema, Table, ensure_schema, plan_schema


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
