"""Views of any database as the engine shows them, and the places in their queries that name a table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import Catalog, ColumnForm, ViewForm
from aaiclick.catalog.parse.columns import read_elements
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.render import column_form_sql, target_parts
from aaiclick.sql.cursor import Cursor
from aaiclick.sql.ddl import create
from aaiclick.sql.quoting import qualified, quote_name, quote_string, sendable
from aaiclick.sql.tokens import TokenError, Tokens, identifier, unquote

Place = tuple[str, str]
"""Database and name."""
VIEWS = "engine IN ('View', 'MaterializedView')"
ELSEWHERE = (
    "database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema') AND NOT startsWith(database, "
    "{prefix:String})"
)
"""Not the server's own, and none of our scratch databases."""
_LOOKUPS = ("dict", "joinget")


@dataclass(frozen=True, slots=True)
class Dependent:
    """An object that reads tables: a view, a dictionary, or a table in front of others."""

    database: str
    """Its database."""
    name: str
    """Its name."""
    text: str
    """Its definition as the engine shows it."""
    query: str
    """Its SELECT, in which the engine writes the database in front of every table; '' where it has none that can be
    told."""
    columns: tuple[ColumnForm, ...]
    """Columns that it stores; empty for a view with parameters."""
    form: ViewForm | None
    """Its form, for a materialized view; None for anything else."""
    uuid: str
    """Its UUID."""
    noun: str
    """What it is, for people: ``materialized view``."""
    into: Place | None = None
    """The table behind the Alias that is its target; None: its target is no Alias."""

    @property
    def place(self) -> Place:
        """Its database and name."""
        return self.database, self.name

    @property
    def view(self) -> bool:
        """True for a view: its columns follow its query. Dictionaries and front tables have their own."""
        return self.noun in ("view", "materialized view")

    @property
    def alias(self) -> bool:
        """True for an Alias: it has the columns of what it stands in front of, whatever these are."""
        return self.noun == "Alias table"

    @property
    def target(self) -> Place | None:
        """The table that a materialized view writes into, by TO; None for any other object."""
        if self.into is not None:
            return self.into
        if self.form is None or not self.form.to:
            return None
        database, name = target_parts(self.form.to)
        return database or self.database, name

    @property
    def writes_into(self) -> frozenset[Place]:
        """What gets the rows that are inserted into it."""
        if self.target is not None:
            return frozenset({self.target})
        return frozenset() if self.view or self.noun == "dictionary" else places_named(self.query)


def reached_from(first: Collection[Place], reads: Collection[tuple[Place, Collection[Place]]]) -> set[Place]:
    """These places, and all that read one of them, directly or through others. ``reads``: places, and what each
    reads."""
    reached = set(first)
    while more := {place for place, read in reads if not reached.isdisjoint(read)} - reached:
        reached |= more
    return reached


def into_tables(dependents: Sequence[Dependent]) -> tuple[Dependent, ...]:
    """They, where a materialized view that names an Alias behind TO has the table behind that as its target: its rows
    go there."""
    behind = {each.place: place for each in dependents if each.alias for place in places_named(each.query)}
    return tuple(replace(each, into=behind[each.target]) if each.target in behind else each for each in dependents)


def all_behind(first: Collection[Place], behind: Callable[[Place], Collection[Place]]) -> set[Place]:
    """These places, and all that stand behind them, also behind others."""
    reached: set[Place] = set()
    waiting = set(first)
    while waiting:
        reached |= waiting
        waiting = {further for place in waiting for further in behind(place)} - reached
    return reached


def written_through(front: Dependent, dependents: Sequence[Dependent]) -> set[Place]:
    """What the rows go into that are inserted into a front table: all that it names, and what these write into in their
    turn."""

    def behind(place: Place) -> Collection[Place]:
        return [into for each in dependents if each.place == place for into in each.writes_into]

    return all_behind(front.writes_into, behind)


def as_called(dependents: Sequence[Dependent], catalog: Catalog) -> tuple[Dependent, ...]:
    """They with the names that the first steps of the plan give to views."""
    new = {(catalog.database, live): name for name, live in catalog.called.items()}
    return tuple(
        each
        if each.place not in new
        else replace(each, name=new[each.place], form=each.form and replace(each.form, name=new[each.place]))
        for each in dependents
    )


def view_dependent(database: str, name: str, engine: str, definition: str, query: str, uuid: str) -> Dependent:
    """A view as the engine shows it."""
    definition, query = sendable(definition), sendable(query)
    if engine == "View":
        return Dependent(database, name, definition, query, _stored(definition), None, uuid, "view")
    # A definition that this tokenizer does not know is still a view: its query, which the server shows apart, is tried
    # all the same.
    form = split_create(definition, database)
    view = form if isinstance(form, ViewForm) else ViewForm(name, query, materialized=True)
    return Dependent(database, name, definition, query, view.columns, view, uuid, "materialized view")


def _list_at(tokens: Tokens) -> int:
    """The position of the column list in a CREATE VIEW; -1 where there is none."""
    position = next((place for place in range(len(tokens)) if tokens.is_word(place, "VIEW")), -1)
    _, behind = identifier(tokens, position + 1)
    return behind if position >= 0 and tokens.is_op(behind, "(") else -1


def _stored(definition: str) -> tuple[ColumnForm, ...]:
    """The columns that a plain view stores. A second pair of parentheses holds only names."""
    try:
        tokens = Tokens(definition)
        start = _list_at(tokens)
        return tuple(read_elements(Cursor(tokens, start, len(tokens)).group()).columns) if start >= 0 else ()
    except ValueError:
        return ()


def recreate_view(dependent: Dependent, columns: Collection[ColumnForm] | None) -> str:
    """CREATE OR REPLACE of a plain view from its own text, with these columns. None: the columns that its query yields
    then."""
    tokens = Tokens(dependent.text)
    start = _list_at(tokens)
    behind = dependent.text[tokens.items[tokens.match[start]].end :]
    listed = f"({', '.join(column_form_sql(column) for column in columns)})" if columns is not None else ""
    return create(
        "VIEW", qualified(dependent.database, dependent.name), listed, behind.removeprefix(" "), or_replace=True
    )


def spans(query: str, places: Collection[Place]) -> list[tuple[int, int, Place]]:
    """Where a query names one of the tables: begin and end of the text, and which table it is."""
    return [found for found in _named(query) if found[2] in places]


def places_named(query: str) -> frozenset[Place]:
    """Everything that a query names together with its database."""
    return frozenset(place for _, _, place in _named(query))


def _named(query: str) -> Iterator[tuple[int, int, Place]]:
    try:
        tokens = Tokens(query)
    except TokenError:
        return
    position = 0
    while position < len(tokens):
        parts, behind = identifier(tokens, position)
        # dictGet('d.rates', ...), joinGet('d.prices', ...): the server writes the database in front there, too.
        looked_up = (
            unquote(tokens.items[behind + 1].text).partition(".")
            if parts and parts[0].lower().startswith(_LOOKUPS) and _begins_with_text(tokens, behind)
            else ("", "", "")
        )
        if looked_up[2]:
            text = tokens.items[behind + 1]
            yield text.start, text.end, (looked_up[0], looked_up[2])
        if len(parts) > 1:
            # Database, point, table: a third part is a column of it, and stays.
            yield tokens.items[position].start, tokens.items[position + 2].end, (parts[0], parts[1])
        position = max(behind, position + 1)


def _begins_with_text(tokens: Tokens, bracket: int) -> bool:
    return tokens.is_op(bracket, "(") and tokens.is_kind(bracket + 1, "string")


def relocated(query: str, moved: Mapping[Place, Place]) -> str:
    """The query over other tables. A table under another name gets its old name as alias, because columns may be
    written ``t.c``."""
    pieces: list[str] = []
    position = 0
    for start, end, place in spans(query, moved):
        database, name = moved[place]
        if query[start] == "'":
            pieces += [query[position:start], quote_string(f"{database}.{name}")]
            position = end
            continue
        alias = "" if name == place[1] or not _needs_alias(query, start, end) else f" AS {quote_name(place[1])}"
        pieces += [query[position:start], f"{qualified(database, name)}{alias}"]
        position = end
    return "".join([*pieces, query[position:]])


def _needs_alias(query: str, start: int, end: int) -> bool:
    before, behind = query[:start].rstrip().upper(), query[end:].lstrip().upper()
    # Only a table behind FROM or JOIN takes an alias.
    return before.endswith(("FROM", "JOIN")) and not behind.startswith("AS ")
