"""Schemas as the fuzzer sees them: data that it can change, cut down and write out, as SQL and as declarations."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.fuzz.types import Type, quoted, text


@dataclass(frozen=True, slots=True)
class Column:
    """``kind`` is '', DEFAULT, MATERIALIZED, ALIAS or EPHEMERAL; ``source`` the name that it had before; ``late``:
    added after some rows."""

    name: str
    type: Type
    kind: str = ""
    expr: str = ""
    codec: str = ""
    ttl: str = ""
    comment: str = ""
    source: str = ""
    late: bool = False
    statistics: str = ""
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def old_name(self) -> str:
        return self.source or self.name

    @property
    def stored(self) -> bool:
        return self.kind in {"", "DEFAULT", "MATERIALIZED"}

    @property
    def insertable(self) -> bool:
        return self.kind in {"", "DEFAULT"}

    @property
    def sql(self) -> str:
        """As it stands in CREATE TABLE and ADD COLUMN."""
        parts = [quoted(self.name), self.type.sql]
        if self.kind:
            parts.append(f"{self.kind} {self.expr}".strip())
        if self.comment:
            parts.append(f"COMMENT {text(self.comment)}")
        if self.codec:
            parts.append(f"CODEC({self.codec})")
        if self.statistics:
            parts.append(f"STATISTICS({self.statistics})")
        if self.ttl:
            parts.append(f"TTL {self.ttl}")
        if self.settings:
            parts.append(f"SETTINGS ({', '.join(f'{name} = {value}' for name, value in self.settings)})")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Index:
    name: str
    expr: str
    type: str
    granularity: int = 1

    @property
    def sql(self) -> str:
        return f"INDEX {quoted(self.name)} {self.expr} TYPE {self.type} GRANULARITY {self.granularity}"


@dataclass(frozen=True, slots=True)
class Projection:
    name: str
    query: str

    @property
    def sql(self) -> str:
        return f"PROJECTION {quoted(self.name)} ({self.query})"


@dataclass(frozen=True, slots=True)
class Constraint:
    name: str
    expr: str
    assume: bool = False

    @property
    def sql(self) -> str:
        return f"CONSTRAINT {quoted(self.name)} {'ASSUME' if self.assume else 'CHECK'} {self.expr}"


@dataclass(frozen=True, slots=True)
class Engine:
    """``columns`` are those that the engine's arguments name (version, is_deleted, sign, summed columns)."""

    name: str = "MergeTree"
    columns: tuple[str, ...] = ()

    @property
    def sql(self) -> str:
        listed = ", ".join(quoted(name) for name in self.columns)
        if self.name in {"SummingMergeTree", "CoalescingMergeTree"} and len(self.columns) > 1:
            listed = f"({listed})"
        return f"{self.name}({listed})" if listed else self.name


@dataclass(frozen=True, slots=True)
class Table:
    """``order_by`` and the other keys are expressions, with DESC where it is said."""

    name: str
    columns: tuple[Column, ...]
    engine: Engine = Engine()
    order_by: tuple[str, ...] = ()
    primary_key: tuple[str, ...] = ()
    partition_by: str = ""
    sample_by: str = ""
    ttl: str = ""
    indexes: tuple[Index, ...] = ()
    projections: tuple[Projection, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    comment: str = ""
    source: str = ""

    @property
    def old_name(self) -> str:
        return self.source or self.name

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    def create(self, database: str, late: bool = True) -> str:
        """The CREATE statement; without ``late`` columns it is the table of the first rows."""
        items = [column.sql for column in self.columns if late or not column.late]
        items += [
            *(one.sql for one in self.indexes),
            *(one.sql for one in self.projections),
            *(one.sql for one in self.constraints),
        ]
        clauses = [f"ENGINE = {self.engine.sql}"]
        clauses += [f"PARTITION BY {self.partition_by}"] if self.partition_by else []
        clauses += [f"PRIMARY KEY {_tuple(self.primary_key)}"] if self.primary_key else []
        clauses.append(f"ORDER BY {_tuple(self.order_by)}")
        clauses += [f"SAMPLE BY {self.sample_by}"] if self.sample_by else []
        clauses += [f"TTL {self.ttl}"] if self.ttl else []
        clauses += (
            [f"SETTINGS {', '.join(f'{name} = {value}' for name, value in self.settings)}"] if self.settings else []
        )
        clauses += [f"COMMENT {text(self.comment)}"] if self.comment else []
        return f"CREATE TABLE {database}.{quoted(self.name)} ({', '.join(items)}) {' '.join(clauses)}"

    def added(self, database: str) -> list[str]:
        """The statements that add the late columns, each in its place."""
        made: list[str] = []
        before = ""
        for column in self.columns:
            if column.late:
                made.append(
                    f"ALTER TABLE {database}.{quoted(self.name)} ADD COLUMN {column.sql} "
                    f"{f'AFTER {before}' if before else 'FIRST'}"
                )
            before = quoted(column.name)
        return made


def _tuple(parts: tuple[str, ...]) -> str:
    return f"({', '.join(parts)})" if len(parts) != 1 or parts[0].endswith(" DESC") else parts[0]


@dataclass(frozen=True, slots=True)
class View:
    """A plain view, or a materialized one (``to`` a table, or with an inner table of ``engine`` sorted by
    ``order_by``). ``{db}.`` stands before every table in ``query``."""

    name: str
    query: str
    materialized: bool = False
    to: str = ""
    engine: Engine = Engine()
    order_by: tuple[str, ...] = ()
    declared: bool = True
    refresh: str = ""

    def create(self, database: str) -> str:
        query = self.query.replace("{db}", database)
        if not self.materialized:
            return f"CREATE VIEW {database}.{quoted(self.name)} AS {query}"
        target = (
            f"TO {database}.{quoted(self.to)}"
            if self.to
            else f"ENGINE = {self.engine.sql} ORDER BY {_tuple(self.order_by)}"
        )
        return (
            "CREATE MATERIALIZED VIEW "
            f"{database}.{quoted(self.name)}{f' REFRESH {self.refresh}' if self.refresh else ''} {target} AS {query}"
        )

    def refreshing(self, database: str) -> list[str]:
        """Has a refreshable view made anew, and waits for it; nothing where it is none."""
        return (
            [f"SYSTEM {what} VIEW {database}.{quoted(self.name)}" for what in ("REFRESH", "WAIT")]
            if self.refresh
            else []
        )


@dataclass(frozen=True, slots=True)
class Dictionary:
    """A dictionary over a table; the first column is its key."""

    name: str
    table: str
    columns: tuple[Column, ...]
    layout: str = "HASHED()"
    comment: str = ""

    def create(self, database: str) -> str:
        columns = ", ".join(f"{quoted(column.name)} {column.type.sql}" for column in self.columns)
        return (
            f"CREATE DICTIONARY {database}.{quoted(self.name)} ({columns}) PRIMARY KEY {quoted(self.columns[0].name)} "
            f"SOURCE(CLICKHOUSE(TABLE {text(self.table)} DB {text(database)})) LIFETIME(0) LAYOUT({self.layout})"
        )


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the whole server: the same name has another body before the change and after it, and is made again
    for each of the two."""

    name: str
    body: str

    @property
    def create(self) -> str:
        return f"CREATE OR REPLACE FUNCTION {quoted(self.name)} AS {self.body}"


@dataclass(frozen=True, slots=True)
class Batch:
    """One INSERT: literals by column; ``late``: after the late columns were added."""

    table: str
    rows: tuple[dict[str, str], ...]
    late: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """Everything in a database at one time."""

    tables: tuple[Table, ...]
    views: tuple[View, ...] = ()
    dictionaries: tuple[Dictionary, ...] = ()
    functions: tuple[Function, ...] = ()

    @property
    def names(self) -> list[str]:
        return [one.name for listed in (self.tables, self.views, self.dictionaries, self.functions) for one in listed]

    def table(self, name: str) -> Table | None:
        return next((table for table in self.tables if table.name == name), None)


@dataclass(frozen=True, slots=True)
class World:
    """One case: what is there, what happened to it, and what is declared next.

    ``touches`` are statements after the inserts (``{db}`` in them): deletes, updates, merges. ``later`` are rows that
    are written after the change. ``drop``: undeclared columns are to go. ``jumped``: the renames come by way of a version
    that never was here. ``rebuilt`` are expressions of a migration for columns of the first table, over the old ones,
    and ``where`` its filter. ``changes``: for the counts. ``session``: what is SET for the library's client.
    ``stopped``: views that are refreshed were stopped before the change. ``anew``: a column of the first table that a
    version in between drops.
    """

    seed: int
    before: State
    after: State
    batches: tuple[Batch, ...] = ()
    touches: tuple[str, ...] = ()
    later: tuple[Batch, ...] = ()
    drop: bool = False
    renamed_by_migration: bool = False
    jumped: bool = False
    rebuilt: tuple[tuple[str, str], ...] = ()
    where: str = ""
    changes: tuple[str, ...] = field(default=())
    session: tuple[str, ...] = ()
    stopped: bool = False
    anew: str = ""

    @property
    def stopped_views(self) -> list[str]:
        """The views that are stopped before the change."""
        return [view.name for view in self.before.views if self.stopped and view.refresh]
