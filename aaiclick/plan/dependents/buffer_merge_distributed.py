"""Buffer, Merge, Distributed, Dictionary and Alias tables in front of a table, a view, a dictionary, or another such
table. All but an Alias have columns of their own, and convert to them at every read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from aaiclick.catalog.forms import Catalog, DictionaryForm, TableForm, ViewForm
from aaiclick.catalog.parse.fronts import engine_arguments, place_behind
from aaiclick.clickhouse.topology import Topology, clusters_elsewhere
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.dependents.dependents import ELSEWHERE, Dependent, Place, all_behind
from aaiclick.plan.model import Step
from aaiclick.plan.steps import statements_step
from aaiclick.routine import Routine
from aaiclick.sql.ddl import drop
from aaiclick.sql.quoting import qualified
from aaiclick.sql.tokens import Tokens, unquote

FRONTS = (
    f"engine IN ('Alias', 'Buffer', 'Merge', 'Distributed') AND {ELSEWHERE} AND NOT startsWith(name, {{prefix:String}})"
)
ALIASES = "engine = 'Alias' AND NOT startsWith(name, {prefix:String})"


def clusters_of_others(forms: Iterable[TableForm], topology: Topology) -> Routine[frozenset[str]]:
    """The clusters of other hosts that these tables send their queries to, as far as the server tells. It is asked only
    where one of them names another cluster than ours."""
    named: set[str] = set()
    for form in forms:
        if form.engine == "Distributed":
            named.add(unquote(engine_arguments(form.arguments)[0]))
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
    others: Collection[Place] = (),
) -> Iterator[Dependent]:
    """The queries that such a table sends. ``following``: the tables of ``database`` as they will be; ``elsewhere``:
    clusters of other hosts; ``others``: what else a Merge table may match, views among them."""
    # A front table that the plan changes itself is taken as it will be.
    changed = following.get(name) if place == database else None
    form = changed if isinstance(changed, TableForm) else form
    columns = () if form.engine == "Alias" else form.columns
    named = place_behind(form.engine, form.arguments, place)
    candidates = {*((database, table) for table in following), *others}
    if named is not None:
        candidates.add(named)
    for behind in sorted(candidates - {(place, name)}):
        if stands_before(form, place, *behind, elsewhere):
            query = f"SELECT * FROM {qualified(*behind)}"
            yield Dependent(place, name, definition, query, columns, None, uuid, f"{form.engine} table")


def stands_before(form: TableForm, own: str, database: str, table: str, elsewhere: Collection[str] = ()) -> bool:
    """True where the arguments of its engine name the table, and not that of a cluster of other hosts
    (``elsewhere``)."""
    if form.engine == "Distributed" and unquote(engine_arguments(form.arguments)[0]) in elsewhere:
        return False
    if form.engine != "Merge":
        return place_behind(form.engine, form.arguments, own) == (database, table)
    arguments = engine_arguments(form.arguments)
    if len(arguments) < 2:
        return False
    where, what = arguments[0], unquote(arguments[1])
    pattern = Tokens(where)
    # REGEXP('...') has four tokens: the word, two brackets and the text between them.
    regular = pattern.is_word(0, "REGEXP") and len(pattern) == 4
    there = (
        _matches(unquote(pattern.items[2].text), database)
        if regular
        else (unquote(where) or own) == database or where.startswith("currentDatabase")
    )
    return there and _matches(what, table)


def _matches(pattern: str, name: str) -> bool:
    try:
        # The server searches as well: a pattern of a Merge table need not match the whole name.
        return re.search(pattern, name) is not None
    except re.error:
        return False


def emptied_first(
    steps: Sequence[Step],
    catalog: Catalog,
    targets: Mapping[str, TableForm | ViewForm],
    renamed: Mapping[str, str],
    columns: Mapping[str, Collection[str]],
    through: Mapping[Place, Collection[Place]] | None = None,
) -> tuple[Step, ...]:
    """The steps, where a Buffer table that is made anew goes before what it writes into changes, if that loses the name
    of a column or its own: what the Buffer table still holds would be written without those values, into another column
    that gets such a name, or nowhere.

    ``targets``: the new forms of tables and views; ``renamed``: new names of tables by the old ones; ``columns``: of
    each new form, the columns that get another name; ``through``: what each view and each table in front of others
    writes into.
    """
    reached: dict[str, set[Place]] = {}
    losing: set[str] = set()
    for step in steps:
        form = _live_table(step.object, catalog)
        if step.id != f"{step.object}:replace" or form is None or form.engine != "Buffer":
            continue
        reached[step.object] = _written(form, catalog, through or {})
        names = [name for database, name in reached[step.object] if database == catalog.database]
        if any(_loses_names(form, old, catalog, targets, renamed, columns) for old in names):
            losing.add(step.object)
    found: list[Step] = []
    for step in steps:
        places = reached.get(step.object, set[Place]())
        # One in front of a Buffer table that goes first has nowhere to write to behind that.
        if step.id == f"{step.object}:replace" and {step.object, *(name for _, name in places)} & losing and places:
            gone = drop("TABLE", qualified(catalog.database, step.object), sync=True)
            gap = Hazard("readers-see-gap", f"{step.object} is not there until its table has changed")
            words = "is dropped first: what it holds is written into its table as that is now"
            found.append(statements_step(f"{step.object}:emptied", step.object, words, (gone,), (*step.hazards, gap)))
    # One in front of another reaches more: its rows go into that one.
    return (*sorted(found, key=lambda step: -len(reached[step.object])), *steps)


def _live_table(name: str, catalog: Catalog) -> TableForm | None:
    live = catalog.get(name)
    return live.form if live is not None and isinstance(live.form, TableForm) else None


def _written(form: TableForm, catalog: Catalog, through: Mapping[Place, Collection[Place]]) -> set[Place]:
    """All that a Buffer table writes into as it is now, also through others."""

    def behind(place: Place) -> Collection[Place]:
        # What the plan changes itself stands in ``through`` as it will be.
        live = _live_table(place[1], catalog) if place[0] == catalog.database else None
        named = place_behind(live.engine, live.arguments, place[0]) if live is not None else None
        return through.get(place, ()) if named is None else (named,)

    first = place_behind(form.engine, form.arguments, catalog.database)
    return all_behind(() if first is None else (first,), behind)


def _loses_names(
    buffer: TableForm,
    old: str,
    catalog: Catalog,
    targets: Mapping[str, TableForm | ViewForm],
    renamed: Mapping[str, str],
    columns: Mapping[str, Collection[str]],
) -> bool:
    live, target = catalog.get(old), targets.get(renamed.get(old, old))
    if old in renamed:
        return True
    if live is None or not isinstance(live.form, TableForm | ViewForm) or target is None:
        return False
    names = {column.name for column in live.form.columns} - {column.name for column in target.columns}
    # A column that is new may have the name of one that is renamed.
    names |= set(columns.get(old, ()))
    return any(column.name in names for column in buffer.columns)
