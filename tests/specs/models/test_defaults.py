"""A column gets the default that the model's field has in Python: read back from the engine it is that value."""

from __future__ import annotations

import enum
import ipaddress
import math
import random
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any

import pytest
from clickhouse_connect.driver.client import Client
from pydantic import BaseModel, ConfigDict, Field, create_model

from aaiclick import Engine, MergeTree, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import SpecError
from tests.specs.models.random_models import Huge, Rights, Small, Stamp, Text, Wide, a_model

MEMORY = Engine("Memory")


def kept(client: Client, made: Mapping[str, type[BaseModel]]) -> list[str]:
    """What a row of defaults alone holds otherwise than the models say."""
    tables = [Table.from_model(model, name, engine=MEMORY) for name, model in made.items()]
    schema = Schema("models", objects=tables)
    ensure_schema(client, schema)
    wrong = [f"{step.object}: {step.change}" for step in plan_schema(client, schema).steps]
    for table in tables:
        client.command(f"INSERT INTO {table.name} (k) VALUES (1)")
        names = [column.name for column in table.columns[1:]]
        read = ", ".join(
            f"hex({column.name})" if column.type == "String" else column.name for column in table.columns[1:]
        )
        row = client.query(f"SELECT {read} FROM {table.name}").result_rows[0]
        for name, stored, column in zip(names, row, table.columns[1:], strict=True):
            wanted = made[table.name].model_fields[name].default
            if column.type == "String":
                raw = wanted if isinstance(wanted, bytes) else str(wanted).encode()
                same = stored == raw.hex().upper()
            else:
                same = plain(stored) == plain(wanted)
            if not same:
                wrong.append(f"{name} {column.type} DEFAULT {column.default}: {stored!r} for {wanted!r}")
    return wrong


def plain(value: Any) -> object:
    """A value in one form for what Python has and for what the driver makes of a row."""
    match value:
        case Small():
            return value.name
        case enum.Enum():
            return plain(value.value)
        case bool() | None | int() | Decimal():
            return value
        case float():
            return value.hex()
        case datetime():
            aware = value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)
            return aware.astimezone(timezone.utc).isoformat()
        case time():
            return str(timedelta(0, value.second, value.microsecond, 0, value.minute, value.hour))
        case BaseModel():
            return plain({name: getattr(value, name) for name in type(value).model_fields})
        case Mapping():
            return {key: plain(own) for key, own in value.items()}
        case list() | tuple():
            return [plain(own) for own in value]
        case bytes():
            # The driver shows what is no UTF-8 as digits.
            text = value.decode(errors="replace")
            return text if text.encode() == value else value.hex()
        case _:
            return str(value)


def test_a_row_of_defaults_is_what_python_says(aaiclick_client: Client) -> None:
    assert kept(aaiclick_client, {"m": a_model("M", random.Random(7), 100)}) == []


class Count(int):
    """A number of a class of its own."""


class Stamped(datetime):
    """Counts nanoseconds, as a Timestamp of pandas does."""

    nanosecond = 7


class Mixed(enum.Enum):
    a, b = 1, "b"


class Halves(enum.Enum):
    whole, half = 1, 0.5


class Inexact(enum.Enum):
    whole, half = 2**60 + 1, 0.5


class Raw(enum.Enum):
    one = b"1"


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (Stamp, "DateTime64(6, 'UTC')"),
        (Stamped, "DateTime64(9, 'UTC')"),
        (Text, "String"),
        (Wide, "Int64"),
        (Huge, "UInt64"),
        (Rights, "Int64"),
        (Small, "Enum16('low' = -1, 'high' = 200)"),
        (Halves, "Float64"),
        (Annotated[Count, Field(ge=0, le=255)], "UInt8"),
        (Annotated[int, Field(ge=2**64)], "UInt128"),
        (Annotated[int, Field(ge=-(2**70))], "Int128"),
    ],
)
def test_a_type_holds_every_value_of_its_class(annotation: Any, kind: str) -> None:
    assert odd(annotation).columns[0].type == kind


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        (Mixed, "values of Mixed are of no one type (int, str): say one with types="),
        (Raw, "values of Raw are of no one type (bytes): say one with types="),
        (Inexact, "Float64 does not hold all values of Inexact"),
        (ipaddress.IPv4Interface, "IPv4Interface has no type in ClickHouse"),
        (dict[int, Any], "has no type in ClickHouse"),
        (Annotated[int, Field(ge=0, le=2**256)], "ClickHouse has no whole numbers that large"),
    ],
)
def test_a_class_of_which_no_type_holds_every_value_is_named(annotation: Any, said: str) -> None:
    with pytest.raises(SpecError, match="model Odd: field: ") as caught:
        odd(annotation)
    assert said in str(caught.value)


def odd(annotation: Any, default: Any = ..., kind: str | None = None) -> Table:
    """A table for a model of one field."""
    config = ConfigDict(arbitrary_types_allowed=True)
    model = create_model("Odd", __config__=config, field=(annotation, default))
    return Table.from_model(model, types={"field": kind} if kind else None, engine=MEMORY)


ZONED = datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=timezone(timedelta(hours=9)))


@pytest.mark.parametrize(
    ("default", "kind", "said"),
    [
        # What the server keeps as a bare number stays one: tables of earlier releases have it so.
        (Decimal("9.99"), "Decimal(10, 2)", "9.99"),
        (Decimal("0.29"), "Decimal(10, 2)", "'0.29'"),
        (0.29, "Decimal(10, 2)", "'0.29'"),
        (Decimal("1E+3"), "Decimal(10, 2)", "1000"),
        (2**64 - 1, "UInt64", "18446744073709551615"),
        (2**64, "UInt128", "'18446744073709551616'"),
        (ZONED, "DateTime64(3, 'Asia/Tokyo')", "toDateTime64('2026-01-01 18:04:05.600', 3, 'UTC')"),
        (ZONED, "DateTime64(1, 'UTC')", "'2026-01-01 18:04:05.6'"),
        (ZONED.replace(tzinfo=None, microsecond=0), "DateTime", "'2026-01-02 03:04:05'"),
        (Stamped(2026, 1, 2), "DateTime64(9, 'UTC')", "'2026-01-02 00:00:00.000000007'"),
        (timedelta(minutes=2), "IntervalSecond", "120"),
        (b"a\xff", "FixedString(3)", "unhex('61FF')"),
        (Small.high, "UInt8", "200"),
        (Small.high, "Enum8('high' = 3)", "'high'"),
        (200, "Enum16('it''s' = 200)", "'it\\'s'"),
        (5, "BIGINT", "5"),
        ({"b": [1, None]}, "JSON", "'{\"b\": [1, null]}'"),
        ({2, 1}, "Array(UInt8)", "[1, 2]"),
        ([Decimal("0.5")], "Array(Decimal(3, 1))", "[CAST(0.5, 'Decimal(3, 1)')]"),
        (None, "IPv4", None),
        ({}, "JSON", None),
    ],
)
def test_how_a_default_is_written(default: Any, kind: str, said: str | None) -> None:
    assert odd(type(default), default, kind).columns[0].default == said


@pytest.mark.parametrize(
    ("default", "kind", "said"),
    [
        (Decimal("1.005"), "Decimal(10, 2)", "Decimal(10, 2) has 2 digits behind the point"),
        (Decimal(123456789), "Decimal(10, 2)", "Decimal(10, 2) has 10 digits, 2 of them behind the point"),
        (Decimal("NaN"), "Decimal(10, 2)", "holds no such number"),
        (300, "UInt8", "UInt8 ends at 255"),
        (-1, "UInt8", "UInt8 ends at 0"),
        (0.5, "Int64", "Int64 holds whole numbers"),
        (2**53 + 1, "Float64", "does not hold it exactly"),
        (2**24 + 1, "Float32", "does not hold it exactly"),
        (2**2000, "Float64", "does not hold it exactly"),
        (2, "Bool", "Bool holds true and false"),
        ("é", "FixedString(1)", "FixedString(1) has 1 bytes"),
        ("\ud800", "String", "is no text that can be sent as UTF-8"),
        (ZONED, "DateTime64(0, 'UTC')", "holds whole seconds"),
        (datetime.max, "DateTime64(6, 'UTC')", "goes from 1900-01-01 to 2299-12-31 on all releases"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=9))), "DateTime64(6, 'UTC')", "does not reach that far"),
        (datetime(2300, 1, 1), "DateTime64(9)", "goes from 1900-01-01 to 2262-04-11"),
        (date.max, "Date32", "goes from 1900-01-01 to 2299-12-31"),
        (date(1969, 1, 1), "Date", "goes from 1970-01-01 to 2149-06-06"),
        (datetime(2026, 1, 1), "Date", "Date holds days"),
        (time(1, tzinfo=timezone.utc), "Time", "has no time zone"),
        (timedelta(seconds=1), "IntervalMinute", "counts in the unit minute"),
        (timedelta(seconds=1), "Int64", "Int64 holds numbers"),
        (ipaddress.ip_interface("10.0.0.1/8"), "IPv4", "IPv4 holds addresses alone"),
        (Mixed.b, "Enum8('a' = 1)", "has no such label"),
        ([None], "Array(UInt8)", "Array(UInt8) holds no NULL"),
        (object(), "String", "has no way in which such a value is written"),
        (1, "Variant(UInt8, UInt16)", "has several types for it"),
        (1.5, "Variant(String, UInt16)", "has no type for it"),
        ((1,), "Tuple(UInt8, UInt8)", "has other elements"),
        ({"a": math.nan}, "JSON", "holds what JSON can say"),
        ("x", "Int64", "Int64 holds numbers"),
    ],
)
def test_what_a_type_does_not_hold_is_never_another_value(default: Any, kind: str, said: str) -> None:
    with pytest.raises(SpecError, match=r"model Odd: field: .* cannot be its default: ") as caught:
        odd(type(default), default, kind)
    assert said in str(caught.value)


def test_a_default_of_none_needs_room_for_it() -> None:
    model = create_model("Odd", field=(int, None), other=(list[int], None))
    with pytest.raises(SpecError, match="model Odd: field: its default is None, which Int64 does not hold"):
        Table.from_model(model, engine=MEMORY)
    assert Table.from_model(model, types={"field": "Int64"}, engine=MEMORY).columns[0].default is None


def test_a_schema_of_arrow_brings_every_column_back() -> None:
    chance = random.Random(2)
    table = Table.from_model(a_model("M", chance, 300), "m", engine=MergeTree(order_by=["k"]))
    # Of these Arrow has no counterpart.
    columns = [column for column in table.columns if "Variant" not in column.type]
    table = Table("m", columns, engine=MergeTree(order_by=["k"]))
    again = Table.from_arrow(table.to_arrow(), "m")  # type: ignore[arg-type]
    assert [column.model_dump() for column in again.columns] == [column.model_dump() for column in table.columns]
    assert again.engine == table.engine


def row_of(value: Any) -> Any:
    """A value as a row for an INSERT has it."""
    match value:
        case Small():
            return value.name
        case enum.Enum():
            return value.value
        case BaseModel():
            return {name: row_of(getattr(value, name)) for name in type(value).model_fields}
        case Mapping():
            return {key: row_of(own) for key, own in value.items()}
        case list() | tuple():
            return type(value)(row_of(own) for own in value)
        case bytes():
            return value.decode(errors="replace")
        case _:
            return value


def test_a_model_of_a_table_takes_the_rows_of_the_model_that_it_was_made_of() -> None:
    source = a_model("M", random.Random(3), 60)
    row = {name: row_of(info.default) for name, info in source.model_fields.items()}
    taken = Table.from_model(source, engine=MEMORY).to_model().model_validate(row)
    assert plain(taken.model_dump()) == plain(row)
