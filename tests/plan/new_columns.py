"""Random tables that get new columns over what the same version changes, in parts that lack what is read. Nothing here
knows how the planner decides."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.plan import old_parts

RETYPED = (
    ("UInt8", "Bool", "1"),
    ("UInt8", "UInt16", "7"),
    ("Int8", "Int32", "-7"),
    ("DateTime('UTC')", "DateTime('Asia/Tokyo')", "'2026-01-01 20:00:00'"),
    ("Date", "Date32", "'2026-01-01'"),
    ("Date", "Date", "'2026-01-01'"),
    ("Enum8('x' = 0, 'y' = 1)", "Enum8('x' = 0, 'y' = 1, 'z' = 2)", "'y'"),
    ("Enum8('x' = 0, 'y' = 1)", "Int8", "'y'"),
    ("String", "LowCardinality(String)", "'q'"),
    ("Nullable(UInt8)", "Nullable(UInt32)", "NULL"),
    ("Array(UInt8)", "Array(Bool)", "[0, 1]"),
    ("Tuple(x UInt8, y String)", "Tuple(x UInt16, y String)", "(1, 'q')"),
)
"""Types, others that hold every value of theirs, and a value."""
ENGINES = ("MergeTree", "MergeTree", "MergeTree", "ReplacingMergeTree", "SummingMergeTree")
EACH_TIME = "hex(generateUUIDv4())"


@dataclass
class Column(old_parts.Column):
    """One that may be read by a name with a dot."""

    quoted: bool = True
    """False where its expression names columns with a dot without quotes."""

    @property
    def sql(self) -> str:
        expression = self.expression if self.quoted else self.expression.replace("`", "")
        return f"`{self.name}` {self.type} {self.kind} {expression}".rstrip()


@dataclass
class Story:
    """``before``: statements over ``{db}.{t}``; ``after``: the CREATE of what is wanted; ``direct``: the same with all
    names quoted, so that the server can compute one default of another in an INSERT; ``copied``: pairs of a wanted
    column and what of the live table fills it; ``shown``: what is compared."""

    seed: int
    before: list[str] = field(default_factory=list[str])
    after: str = ""
    direct: str = ""
    copied: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    shown: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        return "\n".join([f"-- seed {self.seed}", *self.before, "-- after", self.after])


def story(seed: int) -> Story:
    """The same one for the same seed."""
    draw = random.Random(seed)
    tail = f"ENGINE = {draw.choice(ENGINES)} ORDER BY id SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1"
    kind, new_kind, value = draw.choice(RETYPED)
    array = kind.startswith("Array")
    name = draw.choice(["n.a", "f"] if array else ["f", "f", "d.f"])
    quoted = draw.random() < 0.3
    default = (
        draw.choice(["", "", value]) if value != "NULL" and not (kind.startswith("Enum") and new_kind == "Int8") else ""
    )
    # A row of zeros alone would not outlive a merge of a SummingMergeTree.
    live = [Column("id", "UInt64"), Column("one", "UInt8", "DEFAULT", "1")]
    live.append(Column(name, kind, "DEFAULT" if default else "", default))
    if draw.random() < 0.5:
        live.append(Column("b", "String", "DEFAULT", f"concat('b', {_shown(name)})"))
    if draw.random() < 0.5:
        live.append(Column("al", "String", "ALIAS", f"concat('1', {_shown(name)})"))
    late = draw.randint(2, len(live))
    created = ", ".join(column.sql for column in live[:late])
    told = Story(seed, [f"CREATE TABLE {{db}}.{{t}} ({created}) {tail}"])
    told.before.append("INSERT INTO {db}.{t} (id) VALUES (1)")
    told.before += [f"ALTER TABLE {{db}}.{{t}} ADD COLUMN {column.sql}" for column in live[late:]]
    if draw.random() < 0.7:
        told.before.append(f"INSERT INTO {{db}}.{{t}} (id, `{name}`) VALUES (2, {value})")
    wanted = [Column(column.name, column.type, column.kind, column.expression) for column in live]
    wanted[2].type = new_kind
    alias = next((column for column in wanted if column.kind == "ALIAS"), None)
    if alias is not None and draw.random() < 0.6:
        alias.expression = alias.expression.replace("'1'", "'2'")
    stored = [column for column in wanted if column.kind != "ALIAS"]
    told.copied = [(column.name, f"CAST(`{column.name}`, {_text(column.type)})") for column in stored]
    _new_columns(draw, wanted)
    told.direct = f"CREATE TABLE {{t}} ({', '.join(column.sql for column in wanted)}) {tail}"
    for column in wanted:
        column.quoted = quoted
    told.after = f"CREATE TABLE {{t}} ({', '.join(column.sql for column in wanted)}) {tail}"
    told.shown = [
        f"splitByChar('#', `{column.name}`)[1]" if EACH_TIME in column.expression else f"toString(`{column.name}`)"
        for column in wanted
        # Over a column that the part lacks, too, the server reads and stores either of two values.
        if column.name != "b" or default or kind in ("String", "UInt8")
    ]
    return told


def _new_columns(draw: random.Random, wanted: list[Column]) -> None:
    """Up to three, each over any that is there by then."""
    for place in range(draw.randint(1, 3)):
        source = draw.choice(
            [column for column in wanted if column.name not in ("id", "one") and EACH_TIME not in column.expression]
        )
        name = draw.choice([f"z{place}", f"d.z{place}"])
        text = f"concat('<', {_shown(source.name)}, '>')"
        if source.type.startswith("Array") and source.name == "f":
            text = f"toString({_read(source.name)}.size0)"
        elif source.type.startswith("Tuple"):
            text = f"toString({_read(source.name)}.x)"
        if source.name == "n.a" and draw.random() < 0.5:
            leaf = f"arrayMap(x -> toString(x), {_read(source.name)})"
            wanted.append(Column(f"n.z{place}", "Array(String)", "DEFAULT", leaf))
            continue
        kind = draw.choice(["DEFAULT", "DEFAULT", "MATERIALIZED", "ALIAS"])
        if kind != "ALIAS" and draw.random() < 0.25:
            text = f"concat({text}, '#', {EACH_TIME})"
        column = Column(name, "String", kind, text)
        behind = draw.random() < 0.7
        wanted.insert(len(wanted) if behind else draw.randint(1, len(wanted)), column)


def _read(name: str) -> str:
    return f"`{name}`"


def _shown(name: str) -> str:
    return f"ifNull(toString({_read(name)}), '-')"


def _text(text: str) -> str:
    return "'" + text.replace("'", "\\'") + "'"
