"""Buffer, Merge, Distributed and Alias tables in front of a table. All but an Alias have columns of their own, and
convert to them at every read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from aaiclick.catalog.forms import Catalog, DictionaryForm, TableForm
from aaiclick.clickhouse.topology import Topology, clusters_elsewhere
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.dependents.dependents import ELSEWHERE, Dependent
from aaiclick.plan.model import Step
from aaiclick.plan.steps import statements_step
from aaiclick.routine import Routine
from aaiclick.sql.ddl import drop
from aaiclick.sql.quoting import qualified
from aaiclick.sql.tokens import TokenError, Tokens, split_top, unquote

FRONTS = (
    f"engine IN ('Alias', 'Buffer', 'Merge', 'Distributed') AND {ELSEWHERE} AND NOT startsWith(name, {{prefix:String}})"
)
# The place of the database among the arguments: the first one of a Distributed table is the cluster.
_DATABASE_AT = {"Alias": 0, "Buffer": 0, "Merge": 0, "Distributed": 1}


def clusters_of_others(forms: Iterable[TableForm], topology: Topology) -> Routine[frozenset[str]]:
    """The clusters of other hosts that these tables send their queries to, as far as the server tells. It is asked only
    where one of them names another cluster than ours."""
    named: set[str] = set()
    for form in forms:
        if form.engine == "Distributed":
            named.add(unquote(_arguments(form)[0]))
    # What a macro stands for is another name on each host.
    others = {name for name in named if name and "{" not in name} - {topology.cluster}
    return (yield from clusters_elsewhere(others, topology.cluster))


def front_dependents(
    place: str,
    name: str,
    form: TableForm,
    definition: str,
    uuid: str,
    database: str,
    following: Mapping[str, TableForm | DictionaryForm | None],
    elsewhere: Collection[str] = (),
) -> Iterator[Dependent]:
    """The queries that such a table sends to these tables of ``database``. ``following``: the tables as they
    will be; ``elsewhere``: clusters of other hosts."""
    # A front table that the plan changes itself is taken as it will be.
    changed = following.get(name) if place == database else None
    form = changed if isinstance(changed, TableForm) else form
    columns = () if form.engine == "Alias" else form.columns
    for table in sorted(following):
        if (place, name) != (database, table) and stands_before(form, place, database, table, elsewhere):
            query = f"SELECT * FROM {qualified(database, table)}"
            yield Dependent(place, name, definition, query, columns, None, uuid, f"{form.engine} table")


def stands_before(form: TableForm, own: str, database: str, table: str, elsewhere: Collection[str] = ()) -> bool:
    """True where the arguments of its engine name the table, and not that of a cluster of other hosts
    (``elsewhere``)."""
    arguments = _arguments(form)
    if form.engine not in _DATABASE_AT:
        return False
    first = _DATABASE_AT[form.engine]
    if form.engine == "Alias" and len(arguments) == 1:
        return own == database and unquote(arguments[0]) == table
    if len(arguments) < first + 2 or (first and unquote(arguments[0]) in elsewhere):
        return False
    where, what = arguments[first], unquote(arguments[first + 1])
    pattern = Tokens(where)
    if form.engine == "Merge":
        # REGEXP('...') has four tokens: the word, two brackets and the text between them.
        regular = pattern.is_word(0, "REGEXP") and len(pattern) == 4
        there = (
            _matches(unquote(pattern.items[2].text), database)
            if regular
            else (unquote(where) or own) == database or where.startswith("currentDatabase")
        )
        return there and _matches(what, table)
    return (unquote(where) or own) == database and what == table


def _arguments(form: TableForm) -> list[str]:
    """Those of its engine; one empty one where they cannot be read."""
    try:
        return [argument.strip() for argument in split_top(form.arguments)] or [""]
    except TokenError:
        return [""]


def _matches(pattern: str, name: str) -> bool:
    try:
        # The server searches as well: a pattern of a Merge table need not match the whole name.
        return re.search(pattern, name) is not None
    except re.error:
        return False


def emptied_first(
    steps: Sequence[Step],
    catalog: Catalog,
    targets: Mapping[str, TableForm],
    renamed: Mapping[str, str],
    columns: Mapping[str, Collection[str]],
) -> tuple[Step, ...]:
    """The steps, where a Buffer table that is made anew goes before its table changes, if that loses the name of a
    column or its own: what the Buffer table still holds would be written without those values, into another column
    that gets such a name, or nowhere.

    ``targets``: the new forms of tables; ``renamed``: new names of tables by the old ones; ``columns``: of each new
    form, the columns that get another name.
    """
    found: list[Step] = []
    for step in steps:
        live = catalog.get(step.object)
        form = live.form if live is not None else None
        if step.id != f"{step.object}:replace" or not isinstance(form, TableForm) or form.engine != "Buffer":
            continue
        if any(_loses_names(form, old, catalog, targets, renamed, columns) for old in catalog.objects):
            gone = drop("TABLE", qualified(catalog.database, step.object), sync=True)
            gap = Hazard("readers-see-gap", f"{step.object} is not there until its table has changed")
            words = "is dropped first: what it holds is written into its table as that is now"
            found.append(statements_step(f"{step.object}:emptied", step.object, words, (gone,), (*step.hazards, gap)))
    return (*found, *steps)


def _loses_names(
    buffer: TableForm,
    old: str,
    catalog: Catalog,
    targets: Mapping[str, TableForm],
    renamed: Mapping[str, str],
    columns: Mapping[str, Collection[str]],
) -> bool:
    if not stands_before(buffer, catalog.database, catalog.database, old):
        return False
    live, target = catalog.objects[old].form, targets.get(renamed.get(old, old))
    if old in renamed:
        return True
    if not isinstance(live, TableForm) or target is None:
        return False
    names = {column.name for column in live.columns} - {column.name for column in target.columns}
    # A column that is new may have the name of one that is renamed.
    names |= set(columns.get(old, ()))
    return any(column.name in names for column in buffer.columns)
