"""What is migrated: versions of a schema, and what each of them makes of a row.

The granularity of the table tells the generation of a storage: version 4 has 8192, and each later one another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from aaiclick import Column, MergeTree, Migration, Rebuild, ReplacingMergeTree, Schema, Table
from aaiclick.specs.engines import AnyEngine
from aaiclick.specs.moves import MoveContext
from aaiclick.specs.schema import SchemaObject

GENERATIONS = {"8192": 4, "4096": 5, "2048": 6}
LOGGED = 2


@dataclass(frozen=True)
class Story:
    """``schemas`` by version; ``factors``: what the migration to a version multiplies a price by. ``sums``: a statement
    copies every row into a table of that name; ``log``: a function writes one row; ``ordered``: the last row of a key
    is the one that counts."""

    name: str
    schemas: dict[int, Schema]
    factors: dict[int, int]
    sums: bool = False
    log: bool = False
    ordered: bool = False

    def factor(self, before: int, after: int) -> int:
        """What a row of one generation is multiplied by on the way to another."""
        product = 1
        for version in range(before + 1, after + 1):
            product *= self.factors.get(version, 1)
        return product

    @property
    def newest(self) -> int:
        return max(self.schemas)


def _engine(version: int, ordered: bool, partitioned: bool) -> AnyEngine:
    granularity = next(setting for setting, generation in GENERATIONS.items() if generation == version)
    partition = "id % 2" if partitioned else None
    made = ReplacingMergeTree if ordered else MergeTree
    settings: dict[str, str | int | float | bool | None] = (
        {} if version == 4 else {"index_granularity": int(granularity)}
    )
    return (
        made(order_by=["id"], partition_by=partition, settings=settings)
        if partitioned
        else made(order_by=["id"], settings=settings)
    )


def _table(name: str, engine: AnyEngine) -> Table:
    return Table(name, [Column("id", "UInt64"), Column("price", "UInt64")], engine=engine)


def move(context: MoveContext) -> None:
    """Looks before it writes, since it may be called again."""
    log = context.table("log")
    if not context.client.query(f"SELECT count() FROM {log} WHERE id = {LOGGED}").result_rows[0][0]:
        context.client.command(f"INSERT INTO {log} VALUES ({LOGGED}, 1)")
    context.set_bookmark(1)


def _priced(
    version: int, factor: int, oldest_code: int | None, sql: list[str], function: Callable[[MoveContext], None] | None
) -> Migration:
    return Migration(
        version,
        rebuild={"t": Rebuild(columns={"price": f"price * {factor}"})},
        sql=sql,
        move=function,
        oldest_code=oldest_code,
    )


@dataclass(frozen=True)
class _Making:
    ordered: bool = False
    partitioned: bool = False
    steps: bool = False
    oldest_code: int | None = None
    versions: tuple[int, ...] = (4, 5)
    factors: dict[int, int] = field(default_factory=lambda: {5: 100})


def _story(name: str, making: _Making) -> Story:
    migrations: list[Migration] = []
    schemas: dict[int, Schema] = {}
    for version in making.versions:
        tables: list[SchemaObject] = [_table("t", _engine(version, making.ordered, making.partitioned))]
        first = version == 5
        if making.steps and version >= 5:
            tables += [_table("sums", MergeTree(order_by=["id"])), _table("log", MergeTree(order_by=["id"]))]
        if version in making.factors:
            sql = ["INSERT INTO sums SELECT id, price FROM t"] if making.steps and first else []
            migrations.append(
                _priced(
                    version, making.factors[version], making.oldest_code, sql, move if making.steps and first else None
                )
            )
        schemas[version] = Schema("s", version=version, objects=tables, migrations=list(migrations))
    return Story(name, schemas, making.factors, making.steps, making.steps, making.ordered)


STORIES = tuple(
    _story(name, making)
    for name, making in {
        "prices": _Making(),
        "prices, older code may run": _Making(oldest_code=4),
        "prices of a partitioned table": _Making(partitioned=True),
        "prices behind a fence": _Making(ordered=True),
        "statements and a function": _Making(steps=True),
        "statements and a function, older code may run": _Making(steps=True, oldest_code=4),
        "three versions": _Making(versions=(4, 5, 6), factors={5: 100, 6: 10}),
        "three versions, older code may run": _Making(versions=(4, 5, 6), factors={5: 100, 6: 10}, oldest_code=4),
        "parts are taken over": _Making(factors={}),
    }.items()
)
