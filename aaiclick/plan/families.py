"""Tables of a family, which are made at run time: each gets a declaration from the family."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aaiclick.catalog.forms import Catalog, TableForm
from aaiclick.catalog.render import has_hidden
from aaiclick.clickhouse.names import PREFIX, RECORDS
from aaiclick.errors import UnsupportedObjectError
from aaiclick.routine import Query, Routine, number, text
from aaiclick.specs.columns import Column
from aaiclick.specs.engines import AnyEngine, Engine, MergeTree
from aaiclick.specs.tables import Table, TableFields
from aaiclick.specs.views import TableFamily
from aaiclick.sql.hex_text import hexed

_NIL = "00000000-0000-0000-0000-000000000000"


def pattern_regex(pattern: str) -> str:
    """A family's pattern as a regular expression for Python and the server: ``*`` is any text, ``?`` any character."""
    parts = {"*": ".*", "?": "."}
    escaped = "".join(
        parts.get(character)
        or (character if character.isalnum() or character == "_" or ord(character) > 127 else f"\\{character}")
        for character in pattern
    )
    # (?s), because a name may hold a line break, which a dot would not match.
    return f"(?s)^{escaped}$"


def belongs(family: TableFamily, name: str) -> bool:
    """True where a table of that name is of the family. Tables of this library and inner tables of views never are."""
    return (
        not name.startswith((PREFIX, ".inner"))
        # The record table has no prefix of ours, and a pattern of * alone would take it.
        and name != RECORDS
        and re.match(pattern_regex(family.pattern), name) is not None
    )


def family_tables(family: TableFamily, catalog: Catalog, taken: frozenset[str], notes: list[str]) -> tuple[Table, ...]:
    """A declaration for each live table of the family that is not declared by name. ``notes`` gets those that cannot be
    managed."""
    found: list[Table] = []
    for name in sorted(name for name in catalog.objects if name not in taken and belongs(family, name)):
        live = catalog.objects[name]
        if live.form.kind == "unsupported":
            notes.append(f"{name} (of {family.pattern}) is not supported and was left alone: {live.form.reason}")
        # A view may be called so, too: a family is one of tables.
        if not isinstance(live.form, TableForm):
            continue
        if isinstance(family.engine, MergeTree) and not live.form.merge_tree:
            notes.append(f"{name} (of {family.pattern}) is a table of engine {live.form.engine} and was left alone")
            continue
        # The server shows [HIDDEN] in its place: a declaration that is made of this text would store that word.
        if has_hidden(live.form):
            notes.append(
                f"{name} (of {family.pattern}) was left alone: its definition holds a secret that the server does "
                "not show"
            )
            continue
        try:
            found.append(_declaration(family, live.form))
        except UnsupportedObjectError as error:
            notes.append(f"{name} (of {family.pattern}) is not supported and was left alone: {error.reason}")
    return tuple(found)


def family_stamp(families: Iterable[TableFamily], database: str | None) -> Routine[str]:
    """A digest of the state of all tables of the families, read with one cheap query; '' for no family.

    It is made of UUIDs and the time of each table's last change, not of definitions. That time is in whole seconds,
    so a state that was changed in this second gets a digest which no later one equals. Where a database shows no
    UUIDs (chdb's ``default``), definitions are read after all.
    """
    patterns = [pattern_regex(family.pattern) for family in families]
    if not patterns:
        return ""
    parameters: dict[str, str | int] = {f"p{place}": hexed(pattern) for place, pattern in enumerate(patterns)}
    if database is not None:
        parameters["database"] = database
    of_family = " OR ".join(f"match(name, unhex({{p{place}:String}}))" for place in range(len(patterns)))
    where = f"database = {'{database:String}' if database is not None else 'currentDatabase()'} AND ({of_family})"
    where += f" AND NOT startsWith(name, '{PREFIX}') AND NOT startsWith(name, '.inner') AND name != '{RECORDS}'"
    rows = yield Query(
        # XOR, because the server lists tables in any order.
        "SELECT toString(groupBitXor(cityHash64(name, toString(uuid), toString(metadata_modification_time)))), "
        "toUInt64(count()),"
        f" toUInt64(countIf(toString(uuid) = '{_NIL}')), toUInt8(max(metadata_modification_time) >= now() - 1), "
        "toString(now64(6))"
        f" FROM system.tables WHERE {where}",
        parameters,
    )
    stamp, count, hidden, fresh, now = rows[0]
    if number(hidden):
        # In chdb's default database UUIDs are nil and the time of the last change is always 0, so only definitions
        # tell.
        rows = yield Query(
            f"SELECT toString(groupBitXor(cityHash64(name, create_table_query))) FROM system.tables WHERE {where}",
            parameters,
        )
        return f"{text(rows[0][0])}.{number(count)}"
    return f"{text(stamp)}.{number(count)}{f'.{text(now)}' if number(count) and number(fresh) else ''}"


def _declaration(family: TableFamily, form: TableForm) -> Table:
    """A live table with the columns that the family declares; all others as they are."""
    from aaiclick.catalog.reflect import reflect_table  # the stamp of a warm start needs none of it

    own = reflect_table(form)
    # pop: what is left in wanted afterwards are columns that the live table lacks. They come behind its own.
    wanted = {column.name: column for column in family.columns}
    columns = [wanted.pop(column.name, column) for column in own.columns]
    fields: TableFields = {"engine": _engine(family, own)}
    if family.declares("comment"):
        fields["comment"] = family.comment
    return Table(
        form.name,
        [*columns, *(Column(**column.model_dump(exclude_unset=True)) for column in wanted.values())],
        **fields,
    )


def _engine(family: TableFamily, own: Table) -> AnyEngine:
    """The live engine with the keys, TTL and settings that the family declares."""
    live = own.engine
    if family.engine is None:
        return live
    if isinstance(family.engine, Engine) or isinstance(live, Engine):
        return family.engine
    said = {name: getattr(family.engine, name) for name in family.engine.model_fields_set}
    # A plain MergeTree(...) in a family says only keys, TTL and settings; it does not say that the engine is MergeTree.
    kinds = type(live) if type(family.engine) is MergeTree else type(family.engine)
    kept = {
        name: getattr(live, name) for name in live.model_fields_set if name not in said and name in kinds.model_fields
    }
    return kinds(**{**kept, **said})
