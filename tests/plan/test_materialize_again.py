"""What fills an index, a projection or statistics counts only for the one that is there now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aaiclick import Column, Index, MergeTree, Policy, Projection, Schema, Table, ensure_schema
from aaiclick.errors import BlockedError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


def table(**fields: Any) -> Schema:
    columns = [Column("a", "UInt64"), Column("b", "UInt64", statistics=fields.pop("statistics", None))]
    return Schema("s", objects=[Table("t", columns, engine=MergeTree(order_by=["a"]), **fields)])


def steps(client: Client, schema: Schema, *keys: str) -> list[str]:
    done = ensure_schema(client, schema, policy=Policy.lossless().allow(*keys))
    return [step.id for step in done.steps]


@pytest.mark.parametrize(
    ("before", "after", "key", "step"),
    [
        (
            {"indexes": [Index("i", expr="b")]},
            {"indexes": [Index("i", expr="b + 1")]},
            "materialize t.i",
            "t:materialize:index:i",
        ),
        (
            {"projections": [Projection("p q", "SELECT b ORDER BY b")]},
            {"projections": [Projection("p q", "SELECT a, b ORDER BY b")]},
            "materialize t.p q",
            "t:materialize:projection:p q",
        ),
        ({"statistics": "minmax"}, {"statistics": "uniq"}, "materialize t.b", "t:materialize:statistics:b"),
    ],
)
def test_one_that_is_made_anew_is_filled_again(
    aaiclick_client: Client, before: dict[str, Any], after: dict[str, Any], key: str, step: str
) -> None:
    ensure_schema(aaiclick_client, table(**{name: [] for name in before if name != "statistics"}))
    aaiclick_client.command("INSERT INTO t (a, b) SELECT number, number FROM numbers(100)")
    for fields in (before, after, before):
        steps(aaiclick_client, table(**fields))  # not filled: nobody has allowed it
        assert steps(aaiclick_client, table(**fields), key) == [step]
        assert steps(aaiclick_client, table(**fields), key) == []
    if step.endswith(":index:i"):
        aaiclick_client.command("ALTER TABLE t DROP INDEX IF EXISTS i")
        aaiclick_client.command("ALTER TABLE t ADD INDEX i b TYPE minmax")
        assert steps(aaiclick_client, table(**before), key) == [step]
    filled = "SELECT count() FROM {} WHERE active AND database = currentDatabase() AND table = 't' AND {}"
    source, condition = {
        "index": ("system.parts", "secondary_indices_compressed_bytes > 0"),
        "projection": ("system.projection_parts", "name = 'p q'"),
        "statistics": ("system.parts_columns", "column = 'b' AND has(statistics, 'MinMax')"),
    }[step.split(":")[2]]
    assert aaiclick_client.query(filled.format(source, condition)).result_rows == [(1,)]


def test_a_projection_beside_a_column_called_like_one_of_the_server(aaiclick_client: Client) -> None:
    columns = [Column("a", "UInt64"), Column("_part", "String")]
    plain = Table("t", columns, engine=MergeTree(order_by=["_part"]))
    ensure_schema(aaiclick_client, Schema("s", objects=[plain]))
    aaiclick_client.command("INSERT INTO t VALUES (1, 'x')")
    more = Table("t", columns, engine=plain.engine, projections=[Projection("p", "SELECT a ORDER BY a")])
    with pytest.raises(BlockedError, match="t has a column _part, as the server calls one of its own"):
        steps(aaiclick_client, Schema("s", objects=[more]), "materialize t.p")
    assert steps(aaiclick_client, Schema("s", objects=[more])) == ["t:alter"]
