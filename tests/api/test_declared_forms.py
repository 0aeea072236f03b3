"""A release needs no server, also where its tables are replicated."""

from __future__ import annotations

from pathlib import Path

import pytest

from aaiclick import Column, Engine, MaterializedView, MergeTree, ReplacingMergeTree, Schema, Table
from aaiclick.api.declared_forms import declared_forms
from aaiclick.catalog.forms import TableForm, ViewForm
from aaiclick.diff.target import make_target
from aaiclick.errors import SpecError

COLUMNS = [Column("id", "UInt64"), Column("v", "UInt64")]


def test_replicated_declarations_have_forms_without_keeper() -> None:
    schema = Schema(
        "shop",
        version=1,
        cluster="{cluster}",
        objects=[
            Table("plain", COLUMNS, engine=MergeTree(order_by=["id"], replicated="")),
            Table(
                "pathed",
                COLUMNS,
                engine=ReplacingMergeTree(order_by=["id"], version="v", replicated="'/t/{table}', '{replica}'"),
            ),
            MaterializedView("m", query="SELECT id FROM plain", engine=MergeTree(order_by=["id"], replicated="")),
        ],
    )
    _, forms = declared_forms(schema)
    plain, pathed, view = forms["plain"], forms["pathed"], forms["m"]
    assert isinstance(plain, TableForm)
    assert isinstance(pathed, TableForm)
    assert isinstance(view, ViewForm)
    assert (plain.engine, plain.arguments) == ("ReplicatedMergeTree", "")
    assert (pathed.engine, pathed.arguments) == ("ReplicatedReplacingMergeTree", "'/t/{table}', '{replica}', v")
    assert view.inner.startswith("ENGINE = ReplicatedMergeTree ORDER BY id")


def test_what_the_engine_of_a_release_does_not_take_is_told_with_its_place(tmp_path: Path) -> None:
    plain = Schema("shop", version=1, objects=[Table("t", COLUMNS, engine=Engine("S3", "remote_files"))])
    with pytest.raises(SpecError, match=r"table t: the embedded engine.* no named collection .*Schema without migrat"):
        declared_forms(plain)
    (tmp_path / "schema.sql").write_text("\nCREATE TABLE t (a UInt8) ENGINE = S3(remote_files);\n")
    with pytest.raises(SpecError, match=r"schema\.sql, line 2, CREATE TABLE t: the embedded engine") as caught:
        declared_forms(Schema.from_sql(tmp_path / "schema.sql", name="shop", version=1))
    assert "goes on from there" not in str(caught.value)


def test_an_engine_that_is_not_here_is_taken_as_it_is_written() -> None:
    """The embedded engine has no RabbitMQ, and ends where it is given a Kafka table."""
    settings: dict[str, str | int] = {"kafka_broker_list": "h:1", "kafka_topic_list": "t", "kafka_group_name": "g"}
    schema = Schema(
        "shop",
        version=1,
        objects=[
            Table("k", COLUMNS, engine=Engine("Kafka", settings={**settings, "kafka_format": "CSV"})),
            Table("r", COLUMNS, engine=Engine("RabbitMQ", settings={"rabbitmq_password": "SEKRET"})),
            Table("t", COLUMNS, engine=MergeTree(order_by=["id"])),
            MaterializedView("v", query="SELECT id, v FROM k", to="t"),
        ],
    )
    _, forms = declared_forms(schema)
    kafka, rabbit = forms["k"], forms["r"]
    assert isinstance(kafka, TableForm)
    assert isinstance(rabbit, TableForm)
    assert (kafka.engine, dict(kafka.settings)["kafka_topic_list"]) == ("Kafka", "'t'")
    assert (rabbit.engine, rabbit.settings) == ("RabbitMQ", (("rabbitmq_password", "'[HIDDEN]'"),))
    assert [column.type for column in rabbit.columns] == ["UInt64", "UInt64"]


def test_what_the_server_made_of_path_and_replica_is_no_difference() -> None:
    table = Table(
        "t", COLUMNS, engine=ReplacingMergeTree(order_by=["id"], version="v", replicated="'/t/{table}', '{replica}'")
    )
    declared = TableForm("t", "ReplicatedReplacingMergeTree", (), "'/t/{table}', '{replica}', v", order_by="id")
    live = TableForm("t", "ReplicatedReplacingMergeTree", (), "'/t/t','h1',v", order_by="id")
    assert make_target(table, declared, live).form.arguments == "'/t/t', 'h1', v"
    other = TableForm("t", "ReplicatedReplacingMergeTree", (), "'/other', 'h1', v", order_by="id")
    assert make_target(table, declared, other).form.arguments == "'/t/{table}', '{replica}', v"
