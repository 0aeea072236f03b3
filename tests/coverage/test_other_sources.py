"""Tables from pydantic models and Arrow schemas, and the way back; on the real engine."""

from __future__ import annotations

import enum
import ipaddress
import uuid
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal, Optional

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from pydantic import BaseModel, Field, ValidationError

from aaiclick import Column, Engine, MergeTree, Schema, Table, ensure_schema, plan_schema, reflect_schema
from aaiclick.errors import SpecError


class Level(enum.Enum):
    low = 1
    high = 200


class Colour(enum.Enum):
    red = "r"
    blue = "b"


class Place(BaseModel):
    x: float
    label: str | None


class HttpRequest(BaseModel):
    id: int = Field(ge=0, description="counts up")
    status: Annotated[int, Field(ge=100, le=599)]
    offset: int = Field(gt=-129, lt=128)
    path: str = "/"
    ok: bool = True
    ratio: float = 0.5
    at: datetime
    day: date
    host: Optional[ipaddress.IPv4Address] = None  # noqa: UP045 - this spelling, too
    trace: uuid.UUID
    price: Decimal = Field(max_digits=10, decimal_places=2)
    level: Level = Level.low
    colour: Colour = Colour.red
    method: Literal["GET", "POST"]
    tags: list[str]
    scores: dict[str, float]
    place: Place
    places: list[Place]
    pair: tuple[int, str]
    mixed: int | str
    more: dict[str, Any]
    body: bytes


EXPECTED = {
    "id": "UInt64",
    "status": "UInt16",
    "offset": "Int8",
    "path": "String",
    "ok": "Bool",
    "ratio": "Float64",
    "at": "DateTime64(6, 'UTC')",
    "day": "Date32",
    "host": "Nullable(IPv4)",
    "trace": "UUID",
    "price": "Decimal(10, 2)",
    "level": "Enum16('low' = 1, 'high' = 200)",
    "colour": "LowCardinality(String)",
    "method": "LowCardinality(String)",
    "tags": "Array(String)",
    "scores": "Map(String, Float64)",
    "place": "Tuple(x Float64, label Nullable(String))",
    "places": "Array(Tuple(x Float64, label Nullable(String)))",
    "pair": "Tuple(Int64, String)",
    "mixed": "Variant(Int64, String)",
    "more": "JSON",
    "body": "String",
}


def test_a_model_becomes_a_table_that_the_engine_makes(aaiclick_client: Client) -> None:
    table = Table.from_model(HttpRequest, engine=MergeTree(order_by=["id"]))
    assert table.name == "http_request"
    assert {column.name: column.type for column in table.columns} == EXPECTED
    defaults = {column.name: column.default for column in table.columns if column.default is not None}
    assert defaults == {"path": "'/'", "ok": "true", "ratio": "0.5", "level": "'low'", "colour": "'r'"}
    assert [(column.name, column.comment) for column in table.columns if column.comment] == [("id", "counts up")]
    schema = Schema("models", objects=[table])
    ensure_schema(aaiclick_client, schema)
    assert plan_schema(aaiclick_client, schema).steps == ()


def test_the_way_back_gives_a_model_that_takes_the_same_rows(aaiclick_client: Client) -> None:
    ensure_schema(
        aaiclick_client, Schema("models", objects=[Table.from_model(HttpRequest, engine=MergeTree(order_by=["id"]))])
    )
    reflected = next(item for item in reflect_schema(aaiclick_client).tables if item.name == "http_request")
    model = reflected.to_model()
    assert model.__name__ == "HttpRequest"
    row = {
        "id": 1,
        "status": 200,
        "offset": -1,
        "at": datetime(2026, 1, 2, tzinfo=timezone.utc),
        "day": date(2026, 1, 2),
        "trace": uuid.UUID(int=5),
        "price": Decimal("1.50"),
        "method": "GET",
        "tags": ["a"],
        "scores": {"a": 1.5},
        "place": {"x": 1.0, "label": None},
        "places": [{"x": 2.0, "label": "b"}],
        "pair": (1, "a"),
        "mixed": "a",
        "more": {"a": {"b": 1}},
        "body": "x",
    }
    taken = model.model_validate(row)
    assert taken.model_dump(exclude_unset=True) == row
    with pytest.raises(ValueError, match="price"):
        model.model_validate({**row, "price": "no number"})


def test_types_can_be_said_for_single_fields() -> None:
    class Event(BaseModel):
        id: int
        took: timedelta

    table = Table.from_model(
        Event,
        "events",
        types={"took": "IntervalSecond", "id": "UInt32"},
        comment="c",
        engine=MergeTree(order_by=["id"]),
    )
    assert [(column.name, column.type) for column in table.columns] == [("id", "UInt32"), ("took", "IntervalSecond")]
    assert (table.name, table.comment) == ("events", "c")


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        (timedelta, "a timedelta has no type of its own in ClickHouse"),
        (Decimal, "a Decimal needs max_digits and decimal_places"),
        (list, "say what it holds"),
        (complex, "complex has no type in ClickHouse: say one with types="),
        (Literal["a", 1], "a Literal of values of one kind is needed"),
        (Any, "has no type in ClickHouse"),
    ],
)
def test_a_field_without_a_type_is_named(annotation: Any, said: str) -> None:
    model = type("Odd", (BaseModel,), {"__annotations__": {"field": annotation}, "__module__": __name__})
    with pytest.raises(SpecError, match="model Odd: field") as caught:
        Table.from_model(model, engine=MEMORY)
    assert said in str(caught.value)
    with pytest.raises(SpecError, match="unknown field other"):
        Table.from_model(HttpRequest, types={"other": "UInt8"}, engine=MEMORY)


MEMORY = Engine("Memory")
ARROW = pa.schema(
    [
        pa.field("id", pa.uint64(), nullable=False),
        pa.field("n", pa.int32()),
        pa.field("s", pa.large_string(), nullable=False, metadata={"comment": "said"}),
        pa.field("b", pa.binary(16), nullable=False),
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("day", pa.date32()),
        pa.field("price", pa.decimal128(10, 2), nullable=False),
        pa.field("kind", pa.dictionary(pa.int32(), pa.string())),
        pa.field("tags", pa.list_(pa.field("item", pa.string(), nullable=False))),
        pa.field("marks", pa.list_(pa.float32())),
        pa.field("map", pa.map_(pa.string(), pa.field("value", pa.int64(), nullable=False))),
        pa.field("place", pa.struct([pa.field("x", pa.float64(), nullable=False), pa.field("y z", pa.string())])),
        pa.field("ok", pa.bool_(), nullable=False),
    ]
)
ARROW_TYPES = {
    "id": "UInt64",
    "n": "Nullable(Int32)",
    "s": "String",
    "b": "FixedString(16)",
    "at": "DateTime64(6, 'UTC')",
    "day": "Nullable(Date32)",
    "price": "Decimal(10, 2)",
    "kind": "LowCardinality(Nullable(String))",
    "tags": "Array(String)",
    "marks": "Array(Nullable(Float32))",
    "map": "Map(String, Int64)",
    "place": "Tuple(x Float64, `y z` Nullable(String))",
    "ok": "Bool",
}


def test_an_arrow_schema_becomes_a_table_that_takes_its_rows(aaiclick_client: Client) -> None:
    table = Table.from_arrow(ARROW, "arrow", engine=MergeTree(order_by=["id"]))
    assert {column.name: column.type for column in table.columns} == ARROW_TYPES
    assert [column.name for column in table.columns if column.comment == "said"] == ["s"]
    schema = Schema("arrow", objects=[table])
    ensure_schema(aaiclick_client, schema)
    assert plan_schema(aaiclick_client, schema).steps == ()
    row = {
        "id": 1, "n": None, "s": "a", "b": b"0123456789abcdef", "at": datetime(2026, 1, 2, tzinfo=timezone.utc), "day": date(2026, 1, 2), "price": Decimal("1.50"), "kind": "k",
        "tags": ["a", "b"], "marks": [1.5, None], "map": [("a", 1)], "place": {"x": 1.0, "y z": None}, "ok": True,
    }  # fmt: skip
    aaiclick_client.insert_arrow("arrow", pa.Table.from_pylist([row], schema=ARROW))
    assert aaiclick_client.query("SELECT id, n, s, tags, marks, ok FROM arrow").result_rows == [
        (1, None, "a", ["a", "b"], [1.5, None], True)
    ]


def test_back_to_arrow_and_again() -> None:
    table = Table.from_arrow(ARROW, "arrow", engine=MEMORY)
    back = table.to_arrow()
    assert isinstance(back, pa.Schema)
    assert [field.name for field in back] == list(ARROW_TYPES)
    assert back.field("at").type == pa.timestamp("us", tz="UTC")
    assert (back.field("n").nullable, back.field("id").nullable) == (True, False)
    again = Table.from_arrow(back, "arrow", engine=MEMORY)
    assert [(column.name, column.type, column.comment) for column in again.columns] == [
        (column.name, column.type, column.comment) for column in table.columns
    ]
    bare = pa.schema([field.remove_metadata() for field in back])
    types = {column.name: column.type for column in Table.from_arrow(bare, "arrow", engine=MEMORY).columns}
    # Arrow has no LowCardinality of its own; everything else is the same without the metadata, too.
    assert {name: kind for name, kind in types.items() if kind != ARROW_TYPES[name]} == {"kind": "Nullable(String)"}


def test_what_arrow_says_can_be_overruled_and_what_it_cannot_say_is_named() -> None:
    table = Table.from_arrow(ARROW, "arrow", nullable=False, types={"id": "UUID"}, engine=MEMORY)
    assert {column.name: column.type for column in table.columns}["n"] == "Int32"
    assert table.columns[0].type == "UUID"
    with pytest.raises(SpecError, match="field x: the Arrow type null has no type in ClickHouse"):
        Table.from_arrow(pa.schema([pa.field("x", pa.null())]), "t", engine=MEMORY)
    with pytest.raises(SpecError, match="unknown field y"):
        Table.from_arrow(ARROW, "t", types={"y": "UInt8"}, engine=MEMORY)
    with pytest.raises(SpecError, match="column x: Variant has no counterpart in Arrow"):
        Table("t", [Column("x", "Variant(String, UInt8)")], engine=MEMORY).to_arrow()


def test_an_alias_takes_its_columns_from_the_table_it_shows(aaiclick_client: Client) -> None:
    alias = Table("shown", [Column("k", "UInt8")], engine=Engine("Alias", "t"))
    declared = Schema(
        "s", version=1, objects=[alias, Table("t", [Column("k", "UInt8")], engine=MergeTree(order_by="k"))]
    )
    report = ensure_schema(aaiclick_client, declared)
    assert [step.object for step in report.steps] == ["t", "shown"]
    assert report.steps[1].sql[0].endswith("`shown` ENGINE = Alias(t)")
    aaiclick_client.command("INSERT INTO shown VALUES (1)")
    assert aaiclick_client.query("SELECT k FROM t").result_rows == [(1,)]
    assert plan_schema(aaiclick_client, declared).steps == ()


def test_a_column_that_no_field_can_be_called_like_has_an_alias() -> None:
    names = (
        "_id",
        "id",
        "__",
        "json",
        "json_",
        "copy",
        "model_dump",
        "model_name",
        "schema",
        "class",
        "a b",
        "validate",
    )
    columns = [Column(name, "UInt8") for name in names]
    columns.append(Column("place", "Tuple(_x UInt8, copy UInt8)", default="(1, 2)"))
    model = Table("_", columns, engine=MergeTree(order_by=[])).to_model()
    assert model.__name__ == "Row"
    assert [name for name, info in model.model_fields.items() if info.alias is None] == [
        "id",
        "json_",
        "model_name",
        "class",
        "a b",
        "place",
    ]
    row = dict.fromkeys(names, 7) | {"place": {"_x": 1, "copy": 2}}
    taken = model.model_validate(row)
    assert taken.model_dump(by_alias=True) == row
    assert getattr(taken, "id_") == getattr(taken, "json__") == 7  # noqa: B009 - made at run time
    with pytest.raises(ValidationError, match="_id"):
        model.model_validate({})
