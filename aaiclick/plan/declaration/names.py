"""Names that the server takes when it reads a statement, and refuses when it makes the object or its files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from aaiclick.catalog.forms import Catalog, LiveObject, TableForm
from aaiclick.catalog.normalize import replica_literals
from aaiclick.catalog.reflect import OWN_PREFIX, RECORD_TABLE
from aaiclick.clickhouse.names import longest_table_name
from aaiclick.errors import SpecError
from aaiclick.specs.columns import Projection
from aaiclick.specs.engines import AnyEngine, MergeTree
from aaiclick.specs.schema import Schema
from aaiclick.specs.tables import Table
from aaiclick.specs.views import MaterializedView, TableFamily
from aaiclick.sql.quoting import NOT_IN_KEEPER, file_name_length, refused_by_keeper

# CREATE FUNCTION writes function_<name>.sql.tmp first. With a name of 239 to 242 it fails, and leaves the file behind.
_LONGEST_FUNCTION = 238
# CREATE and ALTER of a named collection write <name>.sql.tmp.
_LONGEST_COLLECTION = 247
# A mutation writes <name>_<number>.tmp_proj. With a longer name the table takes INSERTs, and no mutation ever ends.
_LONGEST_PROJECTION = 243
_COUNTED = "each byte but A-Z, a-z, 0-9 and _ counts three"
_PATTERN = re.compile(r"[*?{]")
_NOT_IN_KEEPER = re.compile(rf"[/{{}}{NOT_IN_KEEPER}]|\A\.{{1,2}}\Z")


def require_names(schema: Schema, catalog: Catalog, sources: Mapping[str, LiveObject], missing: Iterable[str]) -> None:
    """Raise ``SpecError`` for the name of an object, or of a projection, that is to be made and cannot be.

    ``sources``: the live tables by their declared names. ``missing``: names of functions and named collections that
    are to be made.
    """
    for name in missing:
        function = name in schema.function_names
        length, longest = file_name_length(name), _LONGEST_FUNCTION if function else _LONGEST_COLLECTION
        if length > longest:
            problem = f"its name has {length} characters as a file ({_COUNTED}), and {longest} are taken"
            raise SpecError(f"{'function' if function else 'named collection'} {name}", problem)
    outside = schema.server_objects
    for item in schema.objects:
        if isinstance(item, TableFamily) or item in outside:
            continue
        if item.name.startswith(OWN_PREFIX) or item.name == RECORD_TABLE:
            problem = f"{RECORD_TABLE}, and what begins with {OWN_PREFIX}, are names of this library's own tables"
            raise SpecError(f"{item.noun} {item.name}", f"{problem}: take another name")
        if catalog.get(item.name) is None and (
            problem := refused_name(item.name, catalog.database, catalog.database_engine)
        ):
            raise SpecError(f"{item.noun} {item.name}", problem)
    _require_places(schema, catalog, sources)
    for table in schema.tables:
        live = sources.get(table.name)
        if live is None and (problem := _no_path(table, catalog.database)):
            raise SpecError(f"table {table.name}", problem)
        for projection in _new_projections(table, live):
            if problem := _no_directory(projection.name):
                raise SpecError(f"{table.name}: projection {projection.name}", problem)


def _require_places(schema: Schema, catalog: Catalog, sources: Mapping[str, LiveObject]) -> None:
    """Raise ``SpecError`` where Keeper takes no replicated table under the path, or replica, that is written."""
    for item in to_be_replicated(schema, catalog, sources):
        assert item.engine is not None
        if problem := _no_place(item.engine):
            raise SpecError(f"{item.noun} {item.name}", problem)


def to_be_replicated(
    schema: Schema, catalog: Catalog, sources: Mapping[str, LiveObject]
) -> Iterator[Table | MaterializedView]:
    """What is declared as replicated, and is not there or not replicated."""
    for item in schema.objects:
        live = sources.get(item.name) or catalog.get(item.name)
        engine = item.engine if isinstance(item, Table | MaterializedView) else None
        there = live is not None and live.engine.startswith(("Replicated", "Materialized"))
        if isinstance(item, Table | MaterializedView) and engine is not None and not there and _replicated(engine):
            yield item


def replica_arguments(engine: AnyEngine) -> str:
    """Path and replica as they are written, and what follows them; '' where none are."""
    if isinstance(engine, MergeTree):
        return engine.replicated or ""
    return engine.arguments if engine.name.startswith("Replicated") else ""


def _replicated(engine: AnyEngine) -> bool:
    return engine.replicated is not None if isinstance(engine, MergeTree) else engine.name.startswith("Replicated")


def refused_name(name: str, database: str, engine: str) -> str:
    """Why the database takes nothing of that name; '' where it does."""
    length, longest = file_name_length(name), longest_table_name(database, engine)
    if longest is not None and length > longest:
        return (
            f"its name has {length} characters as a file ({_COUNTED}), and ClickHouse takes {max(longest, 0)} in "
            f"database {database}: a shorter name is needed"
        )
    # Behind the tables that are there it looks for files, and takes the name for a pattern of theirs.
    if engine == "Overlay" and (found := _PATTERN.search(name)):
        return (
            f"database {database} is the embedded engine's own, which also shows files as tables: a name with "
            f"{found[0]} in it is a pattern of file names there. Take another name, or another database"
        )
    return ""


def _no_path(table: Table, database: str) -> str:
    """Why a replicated table gets no path in Keeper from names; '' where it does."""
    engine = table.engine
    path = (engine.replicated or "") if isinstance(engine, MergeTree) else engine.arguments
    for macro, name in (("{table}", table.name), ("{database}", database)):
        if macro in path and (found := _NOT_IN_KEEPER.search(name)):
            return (
                f"{macro} in {path} stands for {name!r}, and {found[0]!r} cannot be in one part of a path in Keeper: "
                f"take another name, or a path without {macro}"
            )
    return ""


def _no_place(engine: AnyEngine) -> str:
    """Why Keeper does not take the path or the replica as they are written; '' where it does."""
    literals, _ = replica_literals(replica_arguments(engine))
    return refused_by_keeper(*literals[:2]) if len(literals) > 1 else ""


def _new_projections(table: Table, live: LiveObject | None) -> Iterator[Projection]:
    form = live.form if live is not None else None
    there = {each.name for each in form.projections} if isinstance(form, TableForm) else set[str]()
    return (each for each in table.projections if each.name not in there)


def _no_directory(name: str) -> str:
    """Why a projection cannot have this name, which becomes one of a directory; '' where it can."""
    for sign in ("/", "\0"):
        if sign in name:
            return f"{sign!r} cannot be in the name of a projection: the server makes it that of a directory"
    length = len(name.encode())
    if length > _LONGEST_PROJECTION:
        return (
            f"its name has {length} bytes, and with more than {_LONGEST_PROJECTION} no mutation of the table could end"
        )
    return ""
