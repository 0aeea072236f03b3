"""A disk described in place: the server hides what stands in it, and a copy in scratch must not reach for that
storage."""

from __future__ import annotations

from pathlib import Path

from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Policy, Projection, Schema, Table, ensure_schema, plan_schema, reflect_schema


def _schema(disk: str, *more: Column, **keys: object) -> Schema:
    engine = MergeTree(order_by=["a"], settings={"disk": disk, **keys})  # type: ignore[dict-item]
    return Schema("disks", objects=[Table("t", [Column("a", "UInt64"), *more], engine=engine)])


def test_a_table_on_a_disk_described_in_place(aaiclick_client: Client, tmp_path: Path) -> None:
    disk = f"disk(type=local_blob_storage,   path='{tmp_path}/')"
    plan = plan_schema(aaiclick_client, _schema(disk))
    assert str(tmp_path) not in f"{plan}{plan.to_json()}"
    ensure_schema(aaiclick_client, _schema(disk), policy=Policy.safe())
    aaiclick_client.command("INSERT INTO t SELECT number FROM numbers(10)")
    made = sorted(tmp_path.rglob("*"))
    assert made
    assert plan_schema(aaiclick_client, _schema(disk)).steps == ()
    text = str(
        aaiclick_client.command(
            "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = 't'"
        )
    )
    assert "[HIDDEN]" in text
    assert (
        reflect_schema(aaiclick_client).unsupported["t"]
        == "its definition holds a secret that the server does not show"
    )

    more = _schema(disk, Column("b", "String"), ttl_only_drop_parts=1)
    plan = plan_schema(aaiclick_client, more)
    assert [step.strategy for step in plan.steps] == ["alter"]
    assert str(tmp_path) not in f"{plan}{plan.to_json()}"
    assert sorted(tmp_path.rglob("*")) == made
    ensure_schema(aaiclick_client, more, policy=Policy.safe())
    assert plan_schema(aaiclick_client, more).steps == ()
    assert aaiclick_client.query("SELECT count(), any(b) FROM t").result_rows == [(10, "")]
    aaiclick_client.command("DROP TABLE t SYNC")


def test_a_rebuild_never_writes_down_what_the_server_hides(aaiclick_client: Client, tmp_path: Path) -> None:
    """The new table would be created from a text with [HIDDEN] in it: refused, with the reason."""
    disk = f"disk(type = local_blob_storage, path = '{tmp_path}/')"
    ensure_schema(aaiclick_client, _schema(disk), policy=Policy.safe())
    reshaped = Schema(
        "disks",
        objects=[
            Table(
                "t",
                [Column("a", "UInt64")],
                engine=MergeTree(order_by=["a"], partition_by="a % 2", settings={"disk": disk}),
            )
        ],
    )
    plan = plan_schema(aaiclick_client, reshaped)
    assert len(plan.steps) == 1
    assert "holds a secret" in plan.steps[0].blocked
    assert str(tmp_path) not in f"{plan}{plan.to_json()}"
    aaiclick_client.command("DROP TABLE t SYNC")


def test_settings_of_a_projection_are_changed_in_place(aaiclick_client: Client) -> None:
    def schema(granularity: int) -> Schema:
        projection = Projection("p", "SELECT a, b ORDER BY b", settings={"index_granularity": granularity})
        return Schema(
            "p",
            objects=[
                Table(
                    "t",
                    [Column("a", "UInt64"), Column("b", "UInt64")],
                    engine=MergeTree(order_by=["a"]),
                    projections=[projection],
                )
            ],
        )

    ensure_schema(aaiclick_client, schema(128))
    report = ensure_schema(aaiclick_client, schema(256), policy=Policy.safe())
    assert next(step.sql for step in report.steps)[0].endswith(
        "MODIFY PROJECTION `p` (SELECT a, b ORDER BY b) WITH SETTINGS (index_granularity = 256)"
    )
    assert plan_schema(aaiclick_client, schema(256)).steps == ()
