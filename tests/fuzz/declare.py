"""The declarations of the library, from the fuzzer's own model: everything is said, so that nothing is unmanaged."""

from __future__ import annotations

from aaiclick import (
    AggregatingMergeTree,
    CoalescingMergeTree,
    CollapsingMergeTree,
    Column,
    Constraint,
    Dictionary,
    Index,
    MaterializedView,
    MergeTree,
    Migration,
    Projection,
    Rebuild,
    ReplacingMergeTree,
    Schema,
    SummingMergeTree,
    Table,
    VersionedCollapsingMergeTree,
    View,
)
from aaiclick.specs.functions import Function
from aaiclick.specs.schema import SchemaObject
from tests.fuzz import schema as model
from tests.fuzz.types import text
from tests.fuzz.wide import SETTINGS


def declared(world: model.World, database: str, version: int = 2) -> Schema:
    """What comes next, with the hints that renames need."""
    objects: list[SchemaObject] = [
        *(Function(one.name, body=one.body) for one in world.after.functions),
        *(table(item, world) for item in world.after.tables),
        *(view(item) for item in world.after.views if item.declared),
        *(dictionary(item, database) for item in world.after.dictionaries),
    ]
    if version == 1:
        return Schema("fuzz", version=1, objects=objects)
    migrations = migrated(world)
    return Schema(
        "fuzz", version=migrations[-1].version if migrations else None, objects=objects, migrations=migrations or None
    )


def migrated(world: model.World) -> list[Migration]:
    """What no two declarations can say: renames, perhaps by way of a version that was skipped, and expressions for new
    values."""
    first = world.after.tables[0]
    rebuild = (
        {first.name: Rebuild(columns=dict(world.rebuilt), where=world.where or None)}
        if world.rebuilt or world.where
        else {}
    )
    if world.anew:
        return [Migration(2, title="between", allow=[f"drop-column {first.name}.{world.anew}"]), Migration(3)]
    renames = migrated_renames(world) if world.renamed_by_migration else {}
    if world.jumped and renames and not any(item.source for item in world.after.tables):
        between = {old: f"{new}_between" for old, new in renames.items()}
        later = {f"{first.name}.{between[old]}": new for old, new in renames.items()}
        return [
            Migration(2, title="between", renames=between),
            Migration(3, title="renames", renames=later, rebuild=rebuild),
        ]
    return [Migration(2, title="renames", renames=renames, rebuild=rebuild)] if renames or rebuild else []


def migrated_renames(world: model.World) -> dict[str, str]:
    """As a Migration says them."""
    found: dict[str, str] = {}
    for item in world.after.tables:
        found.update({item.source: item.name} if item.source else {})
        found.update({f"{item.old_name}.{column.source}": column.name for column in item.columns if column.source})
    return found


def table(item: model.Table, world: model.World) -> Table:
    was = world.before.table(item.old_name)
    hint = not world.renamed_by_migration
    return Table(
        item.name,
        [column(one, hint) for one in item.columns],
        engine=engine(item, was),
        indexes=[Index(one.name, expr=one.expr, type=one.type, granularity=one.granularity) for one in item.indexes],
        projections=[Projection(one.name, one.query) for one in item.projections],
        constraints=[
            Constraint(one.name, assume=one.expr) if one.assume else Constraint(one.name, check=one.expr)
            for one in item.constraints
        ],
        comment=item.comment or None,
        **({"renamed_from": item.source} if item.source and hint else {}),
    )


def column(item: model.Column, hint: bool) -> Column:
    fields: dict[str, object] = {"codec": item.codec or None, "comment": item.comment or None, "ttl": item.ttl or None}
    fields |= {
        "statistics": item.statistics or None,
        "settings": dict.fromkeys(SETTINGS) | {name: int(value) for name, value in item.settings},
    }
    if item.kind:
        fields[item.kind.lower()] = item.expr or (True if item.kind == "EPHEMERAL" else "")
    else:
        fields["default"] = None
    if item.source and hint:
        fields["renamed_from"] = item.source
    return Column(item.name, item.type.sql, **fields)  # type: ignore[arg-type]


def engine(item: model.Table, was: model.Table | None) -> MergeTree:
    settings: dict[str, object] = dict.fromkeys(name for name, _ in was.settings) if was is not None else {}
    settings.update(dict(item.settings))
    keys: dict[str, object] = {
        "order_by": list(item.order_by),
        "partition_by": item.partition_by or None,
        "primary_key": list(item.primary_key) or None,
        "sample_by": item.sample_by or None,
        "ttl": item.ttl or None,
        "settings": {name: int(str(value)) if value is not None else None for name, value in settings.items()},
    }
    return engine_of(item.engine, keys)


def engine_of(item: model.Engine, keys: dict[str, object]) -> MergeTree:
    names = item.columns
    match item.name:
        case "ReplacingMergeTree":
            return ReplacingMergeTree(**keys, **dict(zip(("version", "is_deleted"), names, strict=False)))  # type: ignore[arg-type]
        case "SummingMergeTree":
            return SummingMergeTree(**keys, columns=list(names))  # type: ignore[arg-type]
        case "CoalescingMergeTree":
            return CoalescingMergeTree(**keys, columns=list(names))  # type: ignore[arg-type]
        case "AggregatingMergeTree":
            return AggregatingMergeTree(**keys)  # type: ignore[arg-type]
        case "CollapsingMergeTree":
            return CollapsingMergeTree(**keys, sign=names[0])  # type: ignore[arg-type]
        case "VersionedCollapsingMergeTree":
            return VersionedCollapsingMergeTree(**keys, sign=names[0], version=names[1])  # type: ignore[arg-type]
        case _:
            return MergeTree(**keys)  # type: ignore[arg-type]


def view(item: model.View) -> View | MaterializedView:
    query = item.query.replace("{db}.", "")
    if not item.materialized:
        return View(item.name, query=query)
    refresh = item.refresh or None
    if item.to:
        return MaterializedView(item.name, query=query, to=item.to, refresh=refresh)
    return MaterializedView(
        item.name, query=query, engine=engine_of(item.engine, {"order_by": list(item.order_by)}), refresh=refresh
    )


def dictionary(item: model.Dictionary, database: str) -> Dictionary:
    columns = [Column(one.name, one.type.sql) for one in item.columns]
    source = f"CLICKHOUSE(TABLE {text(item.table)} DB {text(database)})"
    return Dictionary(
        item.name, columns=columns, primary_key=[item.columns[0].name], source=source, layout=item.layout, lifetime="0"
    )
