"""Random tables whose older parts lack columns, and random changes of them. Nothing here knows how the planner
decides."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

TYPES = {
    "UInt8": ("UInt16", "UInt64", "Int32", "String", "Nullable(UInt8)", "Float64", "LowCardinality(String)"),
    "Int32": ("Int64", "String", "Nullable(Int32)", "Float64"),
    "String": ("LowCardinality(String)", "Nullable(String)"),
    "Nullable(Int32)": ("Nullable(Int64)", "Nullable(String)"),
    "DateTime('UTC')": ("DateTime64(3, 'UTC')", "String", "DateTime('Asia/Tokyo')", "Nullable(DateTime('UTC'))"),
    "Date": ("Date32", "String", "DateTime('UTC')"),
    "Array(UInt8)": ("Array(UInt32)", "Array(String)"),
    "Enum8('x' = 0, 'y' = 1)": ("Enum8('x' = 0, 'y' = 1, 'z' = 2)", "String", "Enum16('x' = 0, 'y' = 1)"),
    "Tuple(a UInt8, b String)": ("Tuple(a UInt32, b String)",),
    "Decimal(9, 2)": ("Decimal(18, 2)", "String"),
    "UUID": ("String",),
    "Map(String, UInt8)": ("Map(String, UInt32)",),
}
"""Types, and others that hold every value of theirs."""
VALUES = {
    "UInt8": ("0", "1", "200"),
    "Int32": ("0", "-5", "70000"),
    "String": ("''", "'a'", "'17'"),
    "Nullable(Int32)": ("NULL", "0", "-3"),
    "DateTime('UTC')": ("'1970-01-01 00:00:00'", "'2021-03-04 05:06:07'"),
    "Date": ("'1970-01-01'", "'2021-03-04'"),
    "Array(UInt8)": ("[]", "[1, 2]"),
    "Enum8('x' = 0, 'y' = 1)": ("'x'", "'y'"),
    "Tuple(a UInt8, b String)": ("(0, '')", "(7, 'q')"),
    "Decimal(9, 2)": ("0", "1.50"),
    "UUID": ("'00000000-0000-0000-0000-000000000000'", "'61f0c404-5cb3-11e7-907b-a6006ad3dba0'"),
    "Map(String, UInt8)": ("map()", "map('a', 1)"),
}
ENGINES = ("MergeTree", "MergeTree", "ReplacingMergeTree", "CoalescingMergeTree", "AggregatingMergeTree")


@dataclass
class Column:
    """``kind`` and ``expression`` as in a CREATE."""

    name: str
    type: str
    kind: str = ""
    expression: str = ""

    @property
    def sql(self) -> str:
        return f"`{self.name}` {self.type} {self.kind} {self.expression}".rstrip()

    @property
    def stored(self) -> bool:
        return self.kind != "ALIAS"


@dataclass
class Story:
    """``before``: statements over ``{db}.t``; ``after``: the CREATE of what is wanted; ``copied``: pairs of a wanted
    column and what of the live table fills it; ``shown``: the wanted columns."""

    seed: int
    before: list[str]
    after: str
    renames: dict[str, str]
    copied: list[tuple[str, str]]
    shown: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        return "\n".join([f"-- seed {self.seed}", *self.before, "-- after", self.after, f"-- renames {self.renames}"])


class _Writer:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.engine = self.random.choice(ENGINES)
        wide = self.random.choice(["", "min_bytes_for_wide_part = 0, "])
        self.patched = self.engine == "MergeTree" and self.random.random() < 0.25
        numbered = "enable_block_number_column = 1, enable_block_offset_column = 1, " if self.patched else ""
        self.tail = (
            f"ENGINE = {self.engine} ORDER BY k SETTINGS {numbered}{wide}max_bytes_to_merge_at_max_space_in_pool = 1"
        )
        self.columns = [Column("k", "UInt64")]
        self.lines: list[str] = []
        self.rows = 0
        self.named = 0

    def name(self) -> str:
        self.named += 1
        return f"c{self.named}"

    def expression(self, columns: list[Column], kind: str) -> str:
        """One that fits any type, over other columns or none."""
        readable = [
            column
            for column in columns
            if "." not in column.name and not column.type.startswith(("Array", "Tuple", "Map", "Nullable"))
        ]
        source = self.random.choice(readable).name if readable and self.random.random() < 0.7 else ""
        number = self.random.randint(0, 9)
        if not source:
            return self.random.choice(VALUES[kind])
        match kind:
            case "String":
                return self.random.choice(
                    [f"toString({source})", f"concat('p{number}', toString({source}))", f"upper(toString({source}))"]
                )
            case "UInt8" | "Int32" | "Nullable(Int32)":
                return f"length(toString({source})) + {number}"
            case "DateTime('UTC')":
                return f"toDateTime(length(toString({source})) * {number + 1}, 'UTC')"
            case "Date":
                return f"toDate(length(toString({source})) + {number})"
            case "Array(UInt8)":
                return f"[length(toString({source})), {number}]"
            case "Decimal(9, 2)":
                return f"length(toString({source})) / 2"
            case _:
                return self.random.choice(VALUES[kind])

    def column(self, columns: list[Column]) -> Column:
        kind = self.random.choice(list(TYPES))
        role = self.random.choice(["", "DEFAULT", "DEFAULT", "DEFAULT", "MATERIALIZED", "ALIAS"])
        return Column(self.name(), kind, role, self.expression(columns, kind) if role else "")

    def add(self) -> None:
        column = self.leaf() if self.random.random() < 0.2 else self.column(self.columns)
        self.columns.append(column)
        self.lines.append(f"ALTER TABLE {{db}}.t ADD COLUMN {column.sql}")

    def leaf(self) -> Column:
        """A part of a Nested: without a default it has as many elements as the others have."""
        known = [column.name for column in self.columns if column.name.startswith("n.")]
        name = f"n.{self.name()}"
        if known and self.random.random() < 0.3:
            return Column(name, "Array(UInt8)", "DEFAULT", f"arrayMap(x -> x + 1, `{known[0]}`)")
        return Column(name, "Array(UInt8)")

    def insert(self) -> None:
        plain = [column for column in self.columns if column.kind in ("", "DEFAULT") and column.name != "k"]
        leaves = [column for column in plain if column.name.startswith("n.")]
        given = [column for column in plain if column not in leaves and self.random.random() < 0.5]
        given += leaves if self.random.random() < 0.5 else []
        rows: list[str] = []
        for _ in range(self.random.randint(1, 3)):
            self.rows += 1
            sizes = self.random.choice(VALUES["Array(UInt8)"])
            values = [sizes if column in leaves else self.random.choice(VALUES[column.type]) for column in given]
            rows.append(f"({', '.join([str(self.rows), *values])})")
        names = ", ".join(["k", *(f"`{column.name}`" for column in given)])
        self.lines.append(f"INSERT INTO {{db}}.t ({names}) VALUES {', '.join(rows)}")

    def event(self) -> None:
        """What happens to a table that lives for long."""
        stored = [column for column in self.columns if column.kind == "DEFAULT" and "." not in column.name]
        if not stored:
            return
        column = self.random.choice(stored)
        others = [other for other in self.columns if other is not column and not self.reads(other, column)]
        match self.random.choice(["default", "clear", "update", "merge"]):
            case "default":
                column.expression = self.expression(others, column.type)
                self.lines.append(f"ALTER TABLE {{db}}.t MODIFY COLUMN {column.sql}")
            case "clear":
                self.lines.append(f"ALTER TABLE {{db}}.t CLEAR COLUMN `{column.name}` SETTINGS mutations_sync = 1")
            case "update" if self.patched:
                value = self.random.choice(VALUES[column.type])
                self.lines.append(
                    f"UPDATE {{db}}.t SET `{column.name}` = {value} WHERE k = 1 SETTINGS enable_lightweight_update = 1"
                )
            case _:
                self.lines.append("OPTIMIZE TABLE {db}.t FINAL")

    def reads(self, column: Column, other: Column) -> bool:
        direct = [each for each in self.columns if each.name in _words(column.expression)]
        return other in direct or any(self.reads(each, other) for each in direct)

    def story(self) -> Story:
        for _ in range(self.random.randint(1, 2)):
            self.columns.append(Column(self.name(), self.random.choice(list(TYPES))))
        columns = ", ".join(column.sql for column in self.columns)
        self.lines.append(f"CREATE TABLE {{db}}.t ({columns}) {self.tail}")
        self.insert()
        for _ in range(self.random.randint(1, 4)):
            self.add()
            if self.random.random() < 0.5:
                self.insert()
            if self.random.random() < 0.3:
                self.event()
        return self.changed()

    def changed(self) -> Story:
        """Some columns get another name, type, default or kind, all at once."""
        wanted = [Column(column.name, column.type, column.kind, column.expression) for column in self.columns]
        renames: dict[str, str] = {}
        for place in self.random.sample(range(1, len(wanted)), self.random.randint(1, min(3, len(wanted) - 1))):
            column = wanted[place]
            for what in self.random.sample(["name", "type", "default", "kind"], self.random.randint(1, 2)):
                self.change(wanted, column, what, renames)
        shown = [column.name for column in wanted]
        # Beside it, now and then, what only hard links or only a copy can do.
        tail = self.random.choice(
            [self.tail] * 4
            + [f"{self.tail}, index_granularity = 1024", self.tail.replace("ORDER BY k", "ORDER BY (k, k + 1)")]
        )
        after = f"CREATE TABLE {{db}}.t ({', '.join(column.sql for column in wanted)}) {tail}"
        copied = [
            (new.name, f"CAST(`{old.name}`, {_quoted(new.type)})")
            for old, new in zip(self.columns, wanted, strict=True)
            if new.stored and not (old.kind == "ALIAS" and new.kind == "MATERIALIZED")
        ]
        return Story(self.seed, self.lines, after, renames, copied, shown)

    def change(self, wanted: list[Column], column: Column, what: str, renames: dict[str, str]) -> None:
        leaf = "." in column.name
        match what:
            case "name" if column.name not in renames.values():
                new = f"n.{self.name()}" if "." in column.name else self.name()
                renames[column.name] = new
                for other in wanted:
                    other.expression = _renamed(other.expression, column.name, new)
                column.name = new
            case "type" if column.type in TYPES:
                column.type = self.random.choice(TYPES[column.type])
            case "default" if column.type in TYPES and column.kind and not leaf:
                # Only what comes before it may be read, so that nothing goes round.
                column.expression = self.expression(wanted[: wanted.index(column)], column.type)
            case "kind" if column.type in TYPES and not leaf:
                column.kind = self.random.choice(["", "DEFAULT", "MATERIALIZED", "ALIAS"])
                column.expression = (
                    (column.expression or self.expression(wanted[: wanted.index(column)], column.type))
                    if column.kind
                    else ""
                )
            case _:
                pass


def _words(text: str) -> set[str]:
    return {word for word in "".join(letter if letter.isalnum() else " " for letter in text).split() if word}


def _renamed(text: str, old: str, new: str) -> str:
    if "." in old:
        return text.replace(f"`{old}`", f"`{new}`")
    return "".join(new if word == old else word for word in _split(text))


def _split(text: str) -> list[str]:
    pieces: list[str] = []
    for letter in text:
        if pieces and letter.isalnum() and pieces[-1][-1:].isalnum():
            pieces[-1] += letter
        else:
            pieces.append(letter)
    return pieces


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "\\'") + "'"


def story(seed: int) -> Story:
    """The same one for the same seed."""
    return _Writer(seed).story()
