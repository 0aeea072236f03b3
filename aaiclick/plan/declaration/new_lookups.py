"""Stand-ins for dictionaries, Join and Set tables that the plan makes, and that expressions of declared tables ask.

The server resolves ``dictGet('look', ...)`` in a default when the table is made, and takes no name that is not there
yet. While such a table is tried, what it asks is an empty Join or Set table in scratch, or a dictionary there that
reads what the declared one would read now. Every statement names the stand-in, every answer the real name again, as
the server would write it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from aaiclick.catalog.forms import Catalog, DictionaryForm
from aaiclick.catalog.reflect import OWN_PREFIX
from aaiclick.catalog.scratch import Scratch
from aaiclick.catalog.scratch_objects import make
from aaiclick.errors import StatementError
from aaiclick.plan.declaration.dictionaries import trial
from aaiclick.plan.declaration.dictionary_sources import source_view
from aaiclick.plan.declaration.expressions import query_columns
from aaiclick.plan.dependents.declared_reads import names_of
from aaiclick.plan.model import Step
from aaiclick.relay import relayed
from aaiclick.routine import Command, Effect, Query, Routine, Rows, Scalar, text
from aaiclick.specs.ddl import create_dictionary_sql, create_table_sql
from aaiclick.specs.engines import Engine
from aaiclick.specs.tables import Table
from aaiclick.specs.views import Dictionary, MaterializedView, View
from aaiclick.sql.ddl import create
from aaiclick.sql.function_calls import Lookup, lookups
from aaiclick.sql.quoting import qualified, quote_string, quoted_where_needed

T = TypeVar("T")
_Asked = dict[str, Table | Dictionary]
_KINDS = {"Join": "join", "Set": "set"}


@dataclass(frozen=True, slots=True)
class _StandIn:
    """What stands for one spelling of a name."""

    kind: tuple[str, str, bool, bool]
    """The name, what is asked of it, whether a database stands in front, and whether it is in a string."""
    name: str
    """Its name in scratch."""
    spellings: tuple[str, ...]
    """How answers show its database and name, the longest first."""
    real: str
    """What the server would show in their place."""


def with_new_lookups(
    scratch: Scratch, objects: Sequence[object], catalog: Catalog, body: Callable[[Scratch], Routine[T]]
) -> Routine[T]:
    """Run ``body`` with stand-ins for what expressions of declared tables ask and the plan is yet to make."""
    asked = _asked(objects, catalog)
    here = True
    if any(not place.database for place in asked):
        # Without a database it is looked for where the connection is.
        here = text((yield Query("SELECT currentDatabase()"))[0][0]) == catalog.database
    wanted = [place for place in asked if place.database or here]
    if not wanted:
        return (yield from body(scratch))
    new = _new(objects, catalog)
    made: dict[tuple[str, str, bool, bool], _StandIn] = {}
    for number, key in enumerate(dict.fromkeys(_key(place) for place in wanted)):
        stand_in = _stand_in(scratch, catalog.database, number, key)
        # One that the server refuses is told where its own definition is tried.
        if (yield from _make(scratch, new[key[0]], stand_in, catalog)):
            made[key] = stand_in
    carry = _Carry(made, scratch, catalog, new, here=here)
    return (yield from relayed(body(scratch), carry.out))


def behind_lookups(steps: Sequence[Step], objects: Sequence[object], catalog: Catalog) -> tuple[Step, ...]:
    """The steps, with those that make what an expression asks in front of the first one that needs it. Else in their
    order."""
    if not _asked(objects, catalog):
        return tuple(steps)
    order = _Order(steps, objects, catalog)
    for step in steps:
        if step not in order.late:
            order.take(step)
    # What no step makes is there, or the server says what is wrong.
    for step in order.late:
        order.take(step)
    return tuple(order.ordered)


class _Order:
    """Puts steps in the order in which they need each other."""

    def __init__(self, steps: Sequence[Step], objects: Sequence[object], catalog: Catalog) -> None:
        self.ordered: list[Step] = []
        self._taken: set[str] = set()
        self._sources = {
            item.name: names_of(item) for item in objects if isinstance(item, View | MaterializedView | Dictionary)
        }
        new = _new(objects, catalog)
        self._needed = {
            step.id: {place.name for sql in step.sql for place in _among(sql, new, catalog)} - {step.object}
            for step in steps
        }
        self._of: dict[str, list[Step]] = {}
        for step in steps:
            # What goes last is needed by nothing that is made.
            if step.strategy != "drop" and not step.optional:
                self._of.setdefault(step.object, []).append(step)
        tables = {item.name for item in objects if isinstance(item, Table)}
        self.late = [
            step for step in steps if step.strategy == "create" and step.object in tables and self._needed[step.id]
        ]
        """New tables that wait: what they ask may read a table that has to be changed first, in its turn."""

    def take(self, step: Step) -> None:
        """Put it behind all that it needs."""
        if step.id in self._taken:
            return
        self._taken.add(step.id)
        waiting = {each.object for each in self.late}
        for name in sorted(self._needed[step.id] | (self._sources.get(step.object, frozenset()) & waiting)):
            self._take_object(name)
        self.ordered.append(step)
        for other in self.late:
            if all(each.id in self._taken for each in self._needs(other)):
                self.take(other)

    def _take_object(self, name: str) -> None:
        steps = self._of.get(name, [])
        if any(step.id not in self._taken for step in steps):
            for source in sorted(self._sources.get(name, frozenset()) - {name}):
                self._take_object(source)
        for step in steps:
            self.take(step)

    def _needs(self, step: Step) -> Iterator[Step]:
        return itertools.chain.from_iterable(self._of.get(name, []) for name in self._needed[step.id])


def _new(objects: Sequence[object], catalog: Catalog) -> _Asked:
    """The declared dictionaries, Join and Set tables that are not there, or get other attributes."""
    found: _Asked = {}
    for item in objects:
        if isinstance(item, Dictionary):
            live = catalog.get(item.name)
            if live is None or (isinstance(live.form, DictionaryForm) and _attributes(item) - _live(live.form)):
                found[item.name] = item
        elif isinstance(item, Table) and _kind(item) and catalog.get(item.name) is None:
            found[item.name] = item
    return found


def _attributes(item: Dictionary) -> frozenset[str]:
    return frozenset(column.name for column in item.columns)


def _live(form: DictionaryForm) -> frozenset[str]:
    return frozenset(column.name for column in form.columns)


def _kind(item: Table | Dictionary) -> str:
    """What asks it: ``join``, ``set`` or ``dictionary``; '' for a table that is only read."""
    if isinstance(item, Dictionary):
        return "dictionary"
    return _KINDS.get(item.engine.name, "") if isinstance(item.engine, Engine) else ""


def _asked(objects: Sequence[object], catalog: Catalog) -> list[Lookup]:
    new = _new(objects, catalog)
    if not new:
        return []
    tables = [item for item in objects if isinstance(item, Table)]
    return [
        place
        for table in tables
        for place in _among(create_table_sql(table, ""), new, catalog)
        if place.name != table.name
    ]


def _among(sql: str, objects: _Asked, catalog: Catalog) -> Iterator[Lookup]:
    """The places of a text that ask one of these, and not what is there already."""
    if not any(name in sql for name in objects):
        return
    for place in lookups(sql):
        item = objects.get(place.name)
        if item is None or place.database not in ("", catalog.database):
            continue
        live = catalog.get(place.name)
        known = live.form if live is not None else None
        if _kind(item) == place.asked and not (isinstance(known, DictionaryForm) and place.attributes <= _live(known)):
            yield place


def _key(place: Lookup) -> tuple[str, str, bool, bool]:
    # The server writes the database in front of dictionaries and Set tables, and leaves that of joinGet as it is.
    return place.name, place.asked, bool(place.database) or place.asked != "join", place.quoted


def _stand_in(scratch: Scratch, database: str, number: int, key: tuple[str, str, bool, bool]) -> _StandIn:
    wanted, _, whole, quoted = key
    name = scratch.name(f"{OWN_PREFIX}lookup_{number}_")
    plain = f"{scratch.database}.{name}"
    spellings = {
        quote_string(plain)[1:-1],
        plain,
        f"{quoted_where_needed(scratch.database)}.{quoted_where_needed(name)}",
        qualified(scratch.database, name),
    }
    if quoted:
        real = quote_string(f"{database}.{wanted}" if whole else wanted)[1:-1]
    else:
        real = f"{quoted_where_needed(database)}." * whole + quoted_where_needed(wanted)
    return _StandIn(key, name, tuple(sorted(spellings, key=len, reverse=True)), real)


def _make(scratch: Scratch, item: Table | Dictionary, stand_in: _StandIn, catalog: Catalog) -> Routine[bool]:
    if isinstance(item, Table):
        sql = create_table_sql(item, scratch.database, stand_in.name)
    else:
        sql = create("DICTIONARY", qualified(scratch.database, stand_in.name)) + (
            yield from _definition(item, catalog.database)
        )
    return (yield from make(scratch, sql)) is None


def _definition(item: Dictionary, database: str) -> Routine[str]:
    """What stands behind CREATE DICTIONARY and its name: with its source where that has all columns now, else without
    any rows. It is loaded only where a value is asked for."""
    try:
        view = source_view(item, database)
    except ValueError:
        view = None
    found = (yield from query_columns(view.query)) if view is not None else None
    if found is not None and len(found) == len(item.columns):
        return trial(item, database)
    empty = item.model_copy(update={"source": "NULL()"})
    return create_dictionary_sql(empty, database).removeprefix(create("DICTIONARY", qualified(database, item.name)))


@dataclass(frozen=True, slots=True)
class _Carry:
    """Writes names of stand-ins into statements, and the real ones into answers."""

    made: dict[tuple[str, str, bool, bool], _StandIn]
    """The stand-ins by what they stand for."""
    scratch: Scratch
    """Where they are."""
    catalog: Catalog
    """What is there."""
    objects: _Asked
    """What they stand for, by name."""
    here: bool
    """True where a name without a database is looked for in the database of the catalogue."""

    def out(self, effect: Effect) -> Routine[Rows]:
        """Carry out one effect."""
        if isinstance(effect, Query | Command):
            effect = replace(effect, sql=self._told(effect.sql))
        try:
            rows = yield effect
        except StatementError as error:
            told = self._real(error.message)
            if told == error.message:
                raise
            raise type(error)(told, error.code, error.name, error.sql) from None
        if not any(isinstance(value, str) and self._marked(value) for row in rows for value in row):
            return rows
        return tuple(tuple(self._back(value) for value in row) for row in rows)

    def _told(self, sql: str) -> str:
        pieces: list[str] = []
        position = 0
        for place in _among(sql, self.objects, self.catalog):
            stand_in = self.made.get(_key(place))
            if stand_in is None or not (place.database or self.here):
                continue
            name = f"{self.scratch.database}.{stand_in.name}"
            written = quote_string(name) if place.quoted else qualified(self.scratch.database, stand_in.name)
            pieces += [sql[position : place.start], written]
            position = place.end
        return "".join([*pieces, sql[position:]])

    def _marked(self, value: str) -> bool:
        return any(stand_in.name in value for stand_in in self.made.values())

    def _back(self, value: Scalar) -> Scalar:
        return self._real(value) if isinstance(value, str) else value

    def _real(self, value: str) -> str:
        if not self._marked(value):
            return value
        for stand_in, spelling in itertools.chain.from_iterable(
            ((each, spelling) for spelling in each.spellings) for each in self.made.values()
        ):
            value = value.replace(spelling, stand_in.real)
        return value
