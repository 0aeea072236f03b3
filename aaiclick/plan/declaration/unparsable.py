"""Which text of a declaration the server cannot parse, and where in it the server stops.

Of a CREATE the server says a position in the statement, which nobody who declares has written. So each text is put into
the smallest statement that takes it, and only formatted: nothing is carried out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aaiclick.errors import SpecError, StatementError
from aaiclick.plan.dependents.dictionaries import clickhouse_source
from aaiclick.routine import Query, Routine, number
from aaiclick.specs.columns import Column
from aaiclick.specs.engines import AnyEngine, Engine, MergeTree
from aaiclick.specs.functions import Function
from aaiclick.specs.schema import AnyObject, Schema
from aaiclick.specs.tables import Table
from aaiclick.specs.views import Dictionary, MaterializedView, TableFamily, View
from aaiclick.sql.ddl import create, create_table
from aaiclick.sql.hex_text import hexed

_SYNTAX = re.compile(r"Syntax error.*?: failed at position (\d+) \((.*?)\)(?: \(line \d+, col \d+\))?:", re.DOTALL)
_HERE = "<text>"
_LONGEST = 40
"""Characters of the rest of a text that are shown."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A text of a declaration."""

    place: str
    """Where it is declared, in words; '' where the object says it."""
    text: str
    """As it is declared."""
    around: str
    """The statement that takes it, with ``_HERE`` in its place."""
    secret: bool = False
    """It may hold a password: nothing of it is shown."""

    @property
    def statement(self) -> str:
        """What is formatted."""
        return self.around.replace(_HERE, self.text)


_EXPRESSION = f"SELECT tuple({_HERE}\n)"
# Alone, a text without SELECT would be taken for what is selected.
_QUERY = create("VIEW", "v", f"AS {_HERE}")
_COLUMN = create_table("t", f"c UInt8 {_HERE}\n", "ENGINE = Null")
_ENGINE = create_table("t", "c UInt8", "ENGINE = MergeTree {}")


def with_place(error: SpecError, schema: Schema) -> Routine[SpecError]:
    """The error, with the text that the server could not parse, and where it stopped; the same where that is not
    found."""
    if "Syntax error" not in error.problem:
        return error
    subject = error.path.partition(": ")[0]
    for item in schema.objects:
        if isinstance(item, TableFamily) or f"{item.noun} {item.name}" != subject:
            continue
        found = yield from _refused([each for each in _texts(item) if each.text.strip()])
        if found is not None:
            text, problem = found
            return SpecError(f"{subject}: {text.place}" if text.place else subject, problem)
    return error


def _refused(texts: Sequence[_Text]) -> Routine[tuple[_Text, str] | None]:
    """The first that the server does not parse, and why."""
    if not texts:
        return None
    asked = ",".join(hexed(each.statement) for each in texts)
    try:
        rows = yield Query(
            "SELECT indexOf(arrayMap(x -> isNull(formatQueryOrNull(unhex(x))), splitByChar(',', {texts:String})), 1)",
            {"texts": asked},
        )
    except StatementError:
        return None  # this server cannot tell
    place = number(rows[0][0])
    if not place:
        return None
    text = texts[place - 1]
    try:
        yield Query("SELECT formatQuery(unhex({text:String}))", {"text": hexed(text.statement)})
    except StatementError as error:
        found = _SYNTAX.search(error.message)
        return (text, _words(text, int(found[1]), found[2])) if found is not None else None
    return None


def _words(text: _Text, position: int, word: str) -> str:
    """``position``: of the byte in the statement, from 1 on."""
    start = len(text.around.partition(_HERE)[0].encode())
    before = text.text.encode()[: max(position - 1 - start, 0)].decode(errors="ignore")
    rest = text.text[len(before) :].split("\n", 1)[0]
    if not rest.strip():
        return "cannot be parsed: it ends before it is complete. Is a bracket or a quote left open?"
    if text.secret:
        # A word with a quote in it may be a part of a secret.
        shown = "" if "'" in word else f", before {word!r}"
    else:
        shown = f", before {rest if len(rest) <= _LONGEST else rest[:_LONGEST] + '...'!r}"
    return f"cannot be parsed: it stops at character {len(before) + 1}{shown}"


def _texts(item: AnyObject) -> Iterator[_Text]:
    match item:
        case Table():
            yield from _table(item)
        case MaterializedView():
            yield _Text("query", item.query, _QUERY)
            refresh = create("MATERIALIZED VIEW", "v", f"REFRESH {_HERE}", "TO t", "AS SELECT 1")
            yield _Text("refresh", item.refresh or "", refresh)
            yield from _engine(item.engine, frozenset())
        case View():
            yield _Text("query", item.query, _QUERY)
        case Dictionary():
            yield from _dictionary(item)
        case Function():
            yield _Text("", item.body, create("FUNCTION", "f", f"AS {_HERE}"))
        case _:
            return


def _table(item: Table) -> Iterator[_Text]:
    for column in item.columns:
        yield from _column(column)
    for index in item.indexes:
        yield _Text(f"index {index.name}", index.expr, _EXPRESSION)
        around = create_table("t", f"c UInt8, INDEX i c TYPE {_HERE}\n", "ENGINE = Null")
        yield _Text(f"index {index.name}: type", index.type, around)
    for constraint in item.constraints:
        yield _Text(f"constraint {constraint.name}", constraint.check or constraint.assume or "", _EXPRESSION)
    for projection in item.projections:
        yield _Text(f"projection {projection.name}", projection.index or "", _EXPRESSION)
        around = create_table("t", f"c UInt8, PROJECTION p ({_HERE}\n)", "ENGINE = Null")
        yield _Text(f"projection {projection.name}", projection.query, around)
    yield from _engine(item.engine, frozenset(column.name for column in item.columns))


def _column(column: Column) -> Iterator[_Text]:
    place = f"column {column.name}"
    yield _Text(f"{place}: type", column.type, create_table("t", f"c {_HERE}\n", "ENGINE = Null"))
    ephemeral = column.ephemeral if isinstance(column.ephemeral, str) else None
    for name, value in (
        ("default", column.default),
        ("materialized", column.materialized),
        ("alias", column.alias),
        ("ephemeral", ephemeral),
    ):
        yield _Text(f"{place}: {name}", value or "", _EXPRESSION)
    yield _Text(f"{place}: codec", column.codec or "", _COLUMN.replace(_HERE, f"CODEC({_HERE})"))
    yield _Text(f"{place}: statistics", column.statistics or "", _COLUMN.replace(_HERE, f"STATISTICS({_HERE})"))
    yield _Text(f"{place}: ttl", column.ttl or "", _COLUMN.replace(_HERE, f"TTL {_HERE}"))


def _engine(engine: AnyEngine | None, columns: frozenset[str]) -> Iterator[_Text]:
    """Its clauses. Names of columns are quoted where they have to be, so none of these can be wrong."""
    if engine is None:
        return
    keys = [("order_by", "ORDER BY", engine.order_by), ("partition_by", "ORDER BY c PARTITION BY", engine.partition_by)]
    keys.append(("primary_key", "PRIMARY KEY", engine.primary_key))
    if isinstance(engine, MergeTree):
        keys.append(("sample_by", "ORDER BY c SAMPLE BY", engine.sample_by))
    for name, clause, key in keys:
        for part in [key] if isinstance(key, str) else key or ():
            if part not in columns:
                yield _Text(name, part, _ENGINE.format(f"{clause} ({_HERE}\n)"))
    if isinstance(engine, MergeTree):
        yield _Text("ttl", engine.ttl or "", _ENGINE.format(f"ORDER BY c TTL {_HERE}"))
    if isinstance(engine, Engine):
        around = create_table("t", "c UInt8", f"ENGINE = E({_HERE}\n)")
        yield _Text("engine", engine.arguments, around, True)


def _dictionary(item: Dictionary) -> Iterator[_Text]:
    for column in item.columns:
        yield from _column(column)
    asked = clickhouse_source(item.source)
    yield _Text("source: QUERY", asked.get("QUERY", ""), _QUERY)
    yield _Text("source: WHERE", asked.get("WHERE", ""), _EXPRESSION)
    clauses = {"source": "NULL()", "layout": "FLAT()", "lifetime": "0"}
    for name, text in (("source", item.source), ("layout", item.layout), ("lifetime", item.lifetime)):
        said = [f"{each.upper()}({_HERE if each == name else value}\n)" for each, value in clauses.items()]
        yield _Text(name, text or "", create("DICTIONARY", "d", "(k UInt64)", "PRIMARY KEY k", *said), name == "source")
    said = [f"{each.upper()}({value})" for each, value in clauses.items()]
    ranged = create("DICTIONARY", "d", "(k UInt64)", "PRIMARY KEY k", *said, f"RANGE({_HERE}\n)")
    yield _Text("range", item.range or "", ranged)
