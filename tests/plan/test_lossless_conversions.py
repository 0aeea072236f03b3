"""Which types hold every value of which, checked against the engine: what fits comes back."""

from __future__ import annotations

import itertools

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick.plan.dependents.lossless_conversions import fits, literal, only_trailing_zeros

ENDS = {
    "Bool": ("false", "true"),
    "UInt8": ("0", "255"),
    "Int8": ("-128", "127"),
    "UInt16": ("0", "65535"),
    "Int32": ("-2147483648", "2147483647"),
    "UInt32": ("0", "4294967295"),
    "Int64": ("-9223372036854775808", "9223372036854775807"),
    "UInt64": ("0", "18446744073709551615"),
    "Int128": ("toInt128('-170141183460469231731687303715884105728')", "1"),
    "UInt256": ("toUInt256('115792089237316195423570985008687907853269984665640564039457584007913129639935')",),
    "Float32": ("1.1", "3.4028234e38", "-0.0"),
    "Float64": ("1.1", "1.7976931348623157e308"),
    "Decimal(9, 2)": ("-9999999.99", "9999999.99"),
    "Decimal(18, 4)": ("99999999999999.9999",),
    "Decimal(20, 2)": ("999999999999999999.99",),
    "Date": ("toDate(0)", "toDate(65535)"),
    "Date32": ("toDate32('1900-01-01')", "toDate32('2299-12-31')"),
    "DateTime('UTC')": ("toDateTime(0, 'UTC')", "toDateTime(4294967295, 'UTC')"),
    "DateTime('Asia/Tokyo')": ("toDateTime(0, 'UTC')", "toDateTime(4294967295, 'UTC')"),
    "DateTime64(3, 'UTC')": (
        "toDateTime64('1900-01-01 00:00:00.001', 3, 'UTC')",
        "toDateTime64('2299-12-31 23:59:59.999', 3, 'UTC')",
    ),
    "DateTime64(6, 'UTC')": ("toDateTime64('2299-12-31 23:59:59.999999', 6, 'UTC')",),
    "DateTime64(9, 'UTC')": ("toDateTime64('2262-04-11 23:47:16.854775807', 9, 'UTC')",),
    "Enum8('a' = 1, 'b' = 2)": ("'a'", "'b'"),
    "Enum8('a' = 2, 'b' = 1)": ("'a'", "'b'"),
    "Enum16('a' = 1, 'b' = 2, 'c' = 300)": ("'a'", "'c'"),
    "String": ("'x'", "''"),
    "FixedString(2)": ("'xy'", "'x'"),
    "UUID": ("'61f0c404-5cb3-11e7-907b-a6006ad3dba0'",),
    "IPv4": ("'1.2.3.4'",),
}
WRAPPED = ("{}", "Nullable({})", "Array({})", "Tuple(x {}, y UInt8)")
VALUES = {"{}": "{}", "Nullable({})": "{}", "Array({})": "[{}]", "Tuple(x {}, y UInt8)": "({}, 1)"}


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_what_fits_comes_back(aaiclick_client: Client, wrapped: str) -> None:
    asked: list[str] = []
    for old, new in itertools.permutations(ENDS, 2):
        one, other = wrapped.format(old), wrapped.format(new)
        if not fits(one, other):
            continue
        for value in ENDS[old]:
            given = f"CAST({VALUES[wrapped].format(f'CAST({value}, {_quoted(old)})')}, {_quoted(one)})"
            back = f"hex(toString(CAST(CAST({given}, {_quoted(other)}), {_quoted(one)}))) = hex(toString({given}))"
            asked.append(f"SELECT {_quoted(f'{one} as {other}: {value}')} AS what, {back} AS same")
    assert len(asked) > 100
    wrong: list[str] = []
    for start in range(0, len(asked), 50):
        wrong += [
            str(row[0])
            for row in aaiclick_client.query(" UNION ALL ".join(asked[start : start + 50])).result_rows
            if not row[1]
        ]
    assert wrong == []


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("UInt64", "UInt32"),
        ("UInt32", "Int32"),
        ("Int8", "UInt64"),
        ("UInt64", "Float64"),
        ("UInt32", "Float32"),
        ("Nullable(UInt8)", "UInt8"),
        ("String", "FixedString(3)"),
        ("FixedString(3)", "FixedString(4)"),
        # The server cuts zero bytes at the end.
        ("FixedString(3)", "String"),
        ("LowCardinality(FixedString(3))", "Nullable(String)"),
        ("Array(FixedString(3))", "Array(String)"),
        ("Map(FixedString(3), UInt8)", "Map(String, UInt8)"),
        ("DateTime64(3)", "DateTime"),
        ("DateTime", "Date"),
        ("DateTime64(6)", "DateTime64(9)"),
        ("Date", "DateTime"),
        ("Decimal(9, 2)", "Decimal(9, 3)"),
        ("Enum8('a' = 1)", "Enum8('a' = 2)"),
        ("Array(Nullable(UInt8))", "Array(UInt8)"),
        ("Tuple(a UInt8)", "Tuple(b UInt8)"),
        ("AggregateFunction(sum, UInt8)", "AggregateFunction(sum, UInt64)"),
        ("UInt8", "Bool"),
        ("String", "JSON"),
        ("UInt64", "IntervalDay"),
        ("Map(String, UInt64)", "Map(String, UInt8)"),
    ],
)
def test_what_does_not_fit(old: str, new: str) -> None:
    assert not fits(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LowCardinality(String)", "String"),
        ("String", "LowCardinality(Nullable(String))"),
        ("UInt64", "SimpleAggregateFunction(sum, UInt64)"),
        ("Nullable(Nothing)", "Nullable(String)"),
        ("Map(String, UInt8)", "Map(LowCardinality(String), UInt64)"),
        ("UInt8", "Variant(String, UInt8)"),
        ("AggregateFunction(sum, UInt8)", "AggregateFunction(sum, UInt8)"),
    ],
)
def test_what_fits(old: str, new: str) -> None:
    assert fits(old, new)


def test_a_dictionary_has_a_string_for_a_fixed_string() -> None:
    """There is no other type for it, and it reads the same but for zero bytes at the end."""
    assert only_trailing_zeros("LowCardinality(FixedString(3))", "Nullable(String)")
    assert not only_trailing_zeros("FixedString(3)", "FixedString(4)")
    assert not only_trailing_zeros("Array(FixedString(3))", "Array(String)")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", True),
        ("-1", True),
        ("'x'", True),
        ("1, 2", False),
        ("a", False),
        ("now()", False),
        ("", False),
        ("'", False),
    ],
)
def test_literals(text: str, expected: bool) -> None:
    assert literal(text) == expected
