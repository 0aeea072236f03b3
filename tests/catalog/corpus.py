"""The tables of the corpus (those of its pairs too): created, read, put together, reflected."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from aaiclick import MergeTree, Schema, Table
from aaiclick.catalog.declared_tables import canonical_tables
from aaiclick.catalog.forms import Catalog, TableForm
from aaiclick.catalog.from_sql.declarations import read_sql
from aaiclick.catalog.normalize import normal
from aaiclick.catalog.reflect import reflect_table
from aaiclick.catalog.render import form_sql
from aaiclick.catalog.scratch import Scratch, with_scratch
from aaiclick.cli.text.source import python_source
from aaiclick.errors import StatementError
from aaiclick.routine import Command, Connection, Routine, run
from aaiclick.specs.ddl import create_table_sql
from tests.catalog.helpers import permissive, texts

DATA = Path(__file__).parents[1] / "data"
TABLES: list[dict[str, str]] = json.loads(gzip.decompress((DATA / "corpus" / "tables.json.gz").read_bytes()))
PAIRS: list[dict[str, str]] = json.loads(gzip.decompress((DATA / "corpus" / "pairs.json.gz").read_bytes()))
COUNT = len(TABLES) + 2 * len(PAIRS)


def statements() -> list[tuple[str, str]]:
    """Name and CREATE of every table; what stands for the name is ``{db}.t ``."""
    found = [(f"t{place}", table["ddl"]) for place, table in enumerate(TABLES)]
    return found + [(f"p{place}_{side}", pair[side]) for place, pair in enumerate(PAIRS) for side in ("from", "to")]


def create_tables(connection: Connection, database: str, every: int = 1) -> dict[str, StatementError | None]:
    """Create every table (or every n-th); what the engine said against it, None where nothing."""
    settings = permissive(connection)
    said: dict[str, StatementError | None] = {}
    for name, ddl in statements()[::every]:
        try:
            connection.command(Command(ddl.replace("{db}.t ", f"`{database}`.{name} ", 1), settings=settings))
            said[name] = None
        except StatementError as error:
            said[name] = error
    return said


def understood(corpus: Catalog) -> dict[str, TableForm]:
    """The form of every table; none is beyond the splitter."""
    forms = {name: live.form for name, live in corpus.objects.items() if isinstance(live.form, TableForm)}
    assert forms.keys() == corpus.objects.keys()
    return forms


def put_together(corpus: Catalog, connection: Connection, other: str) -> int:
    """How many tables, put together from what was split, are the engine's own text, and are written the same when
    created from it."""
    settings = {**permissive(connection), "flatten_nested": 0}
    for name, live in corpus.objects.items():
        sql = form_sql(live.form, other, name)
        assert sql == live.text.replace(f"CREATE TABLE {corpus.database}.", f"CREATE TABLE {other}.", 1)
        connection.command(Command(sql, settings=settings))
    again = texts(connection, other)
    changed = [
        name
        for name, live in corpus.objects.items()
        if again[name].replace(f"{other}.", "", 1) != live.text.replace(f"{corpus.database}.", "", 1)
    ]
    assert changed == []
    return len(again)


def reflected(corpus: Catalog, connection: Connection) -> int:
    """How many tables equal what is created from the declaration that they are reflected as."""
    live = understood(corpus)

    def body(scratch: Scratch) -> Routine[dict[str, TableForm]]:
        return (yield from canonical_tables(scratch, [reflect_table(form) for form in live.values()]))

    made = run(with_scratch(body), connection)
    changed = {
        name: (normal(form), normal(made[name])) for name, form in live.items() if normal(form) != normal(made[name])
    }
    assert changed == {}
    return len(live)


def reflected_briefly(corpus: Catalog) -> int:
    """How many tables are made by the same statement when what is empty is left out of their declaration."""
    tables = [reflect_table(form) for form in understood(corpus).values()]
    replicated = [
        table.model_copy(update={"engine": table.engine.model_copy(update={"replicated": ""})})
        for table in tables
        if isinstance(table.engine, MergeTree)
    ]
    for declared in (tables, replicated):
        names: dict[str, object] = {}
        exec(python_source(Schema("corpus", objects=[*declared]), brief=True), names)
        made = names["CORPUS"]
        assert isinstance(made, Schema)
        assert [create_table_sql(table, "db") for table in made.tables] == [
            create_table_sql(table, "db") for table in declared
        ]
    return len(tables)


def declared_as_sql(corpus: Catalog, connection: Connection) -> int:
    """How many tables equal what is created from the declaration that their text is read as."""
    live = understood(corpus)
    objects = [Table.from_sql(ddl.replace("{db}.t ", f"{name} ", 1)) for name, ddl in statements() if name in live]
    schema = run(read_sql(Schema("corpus", objects=objects)), connection)

    def body(scratch: Scratch) -> Routine[dict[str, TableForm]]:
        return (yield from canonical_tables(scratch, schema.tables))

    made = run(with_scratch(body), connection)
    changed = {
        name: (normal(form), normal(made[name])) for name, form in live.items() if normal(form) != normal(made[name])
    }
    assert changed == {}
    return len(live)
