"""Random tables with views of several kinds over them, and one to three changes of the tables: what is asked for, and
what must be true.

The reference does not know the planner: everything is created directly in its new form, the rows are copied by name,
and every view is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

CHANGES = {
    "UInt8": ("UInt16", "UInt64", "Int32", "Nullable(UInt8)", "String", "Float64"),
    "UInt32": ("UInt64", "Int64", "Nullable(UInt64)", "String", "Float64"),
    "String": ("LowCardinality(String)", "Nullable(String)"),
    "Date": ("Date32", "String"),
    "DateTime('UTC')": ("DateTime64(3, 'UTC')", "DateTime('Asia/Tokyo')"),
    "Enum8('a' = 1, 'b' = 2)": ("Enum8('a' = 1, 'b' = 2, 'c' = 3)", "Enum16('a' = 1, 'b' = 2)", "String"),
    "Decimal(9, 2)": ("Decimal(18, 2)", "Decimal(18, 4)", "String"),
    "Array(UInt8)": ("Array(UInt32)", "Array(String)"),
    "Float32": ("Float64",),
}
VALUES = {
    "UInt8": "number % 200",
    "UInt32": "number * 1000003 % 4294967295",
    "String": "concat('x', toString(number))",
    "Date": "toDate('2000-01-01') + number % 20000",
    "DateTime('UTC')": "toDateTime('2000-01-01 00:00:00', 'UTC') + number * 7919",
    "Enum8('a' = 1, 'b' = 2)": "number % 2 + 1",
    "Decimal(9, 2)": "number / 4",
    "Array(UInt8)": "[number % 250, 1]",
    "Float32": "number / 3",
}
WIDE = {
    "UInt64": "18446744073709551615",
    "UInt16": "65535",
    "Int32": "-5",
    "Int64": "-7",
    "Nullable(UInt8)": "NULL",
    "Nullable(UInt64)": "NULL",
    "Nullable(String)": "NULL",
    "String": "'a rather long text'",
    "LowCardinality(String)": "'z'",
    "Float64": "1e300",
    "Date32": "toDate32('2250-01-01')",
    "DateTime64(3, 'UTC')": "toDateTime64('2050-01-01 00:00:00.123', 3, 'UTC')",
    "Enum8('a' = 1, 'b' = 2, 'c' = 3)": "'c'",
    "Decimal(18, 2)": "12345678901.25",
    "Decimal(18, 4)": "0.1234",
    "Array(UInt32)": "[70000]",
    "Array(String)": "['q']",
}


@dataclass(frozen=True)
class World:
    """``before`` and ``after`` are the columns of each table, ``views`` name and query in order of what they read."""

    before: dict[str, dict[str, str]]
    after: dict[str, dict[str, str]]
    keys: dict[str, str]
    views: list[tuple[str, str]]
    owned: list[tuple[str, str]]
    declared: frozenset[str]
    words: list[str] = field(default_factory=list)

    def create(self, tables: dict[str, dict[str, str]], database: str, new: bool) -> list[str]:
        """The statements that make everything."""
        made = []
        for name, columns in tables.items():
            key = self.keys[name] if new else "k"
            made.append(
                f"CREATE TABLE {database}.{name} "
                f"({', '.join(f'`{column}` {kind}' for column, kind in columns.items())}) ENGINE = MergeTree ORDER "
                f"BY {key}"
            )
        made += [
            f"CREATE VIEW {database}.{name} AS {query.replace('DB.', database + '.')}" for name, query in self.views
        ]
        made += [
            f"CREATE MATERIALIZED VIEW {database}.{name} ENGINE = MergeTree ORDER BY k AS "
            f"{query.replace('DB.', database + '.')}"
            for name, query in self.owned
        ]
        return made

    def row(self, table: str, key: int) -> str:
        """A row of the new form with values that the old one could not hold."""
        columns = self.after[table]
        values = [
            str(key) if name == "k" else WIDE.get(kind, "'a'" if kind.startswith("Enum") else "DEFAULT")
            for name, kind in columns.items()
        ]
        return f"({', '.join(f'`{name}`' for name in columns)}) VALUES ({', '.join(values)})"


def world(seed: int) -> World:
    """The world of a seed."""
    rng = Random(seed)
    before: dict[str, dict[str, str]] = {}
    for name in ("t", "u")[: rng.randint(1, 2)]:
        before[name] = {
            "k": "UInt32",
            **{f"c{number}": rng.choice(list(VALUES)) for number in range(rng.randint(1, 4))},
        }
    after = {name: dict(columns) for name, columns in before.items()}
    keys = dict.fromkeys(before, "k")
    words: list[str] = []
    for _ in range(rng.randint(1, 3)):
        name = rng.choice(list(after))
        column = rng.choice([each for each in after[name] if each != "k"])
        kind = rng.random()
        if kind < 0.65 and after[name][column] == before[name].get(column):
            after[name][column] = rng.choice(CHANGES[before[name][column]])
            words.append(f"{name}.{column} -> {after[name][column]}")
        elif kind < 0.8:
            new = f"n{len(after[name])}"
            after[name] = {**after[name], new: rng.choice(("UInt8", "String"))}
            words.append(f"{name}.{new} is new")
        else:
            keys[name] = (
                rng.choice((f"({column}, k)", "(k % 7, k)", "(k, k % 3)"))
                if "Nullable" not in after[name][column]
                else "(k % 7, k)"
            )
            words.append(f"{name} by {keys[name]}")
    views: list[tuple[str, str]] = []
    for number in range(rng.randint(1, 4)):
        views.append((f"v{number}", _query(rng, before, views)))
    owned = [("m", _query(rng, before, []))] if rng.random() < 0.4 else []
    owned = [(name, query) for name, query in owned if "GROUP" not in query and "JOIN" not in query]
    declared = frozenset(name for name, _ in (*views, *owned) if rng.random() < 0.5)
    return World(before, after, keys, views, owned, declared, words)


def _query(rng: Random, tables: dict[str, dict[str, str]], views: list[tuple[str, str]]) -> str:
    name = rng.choice(list(tables))
    columns = list(tables[name])
    column = rng.choice(columns[1:])
    forms = [
        f"SELECT * FROM DB.{name}",
        f"SELECT k, {column} FROM DB.{name}",
        f"SELECT {name}.k AS k, {name}.{column} AS x FROM DB.{name} WHERE {name}.k % 3 != 1",
        f"SELECT a.k AS k, a.{column} FROM DB.{name} AS a",
        f"SELECT k, max({column}) AS x, count() AS n FROM DB.{name} GROUP BY k",
        f"SELECT k, tuple({column}) AS x FROM (SELECT * FROM DB.{name} WHERE k > 5)",
        f"WITH w AS (SELECT k, {column} AS y FROM DB.{name}) SELECT * FROM w",
        f"SELECT a.k AS k, b.{column} AS x FROM DB.{name} AS a INNER JOIN DB.{name} AS b ON a.k = b.k",
        f"SELECT k, {column} AS x FROM DB.{name} UNION ALL SELECT k, {column} AS x FROM DB.{name} WHERE k = 3",
    ]
    if views:
        forms += [f"SELECT * FROM DB.{rng.choice(views)[0]}"] * 4
    return rng.choice(forms)
