"""Dictionaries over tables of the same server: what they will read, and whether their attributes can still hold it.

A dictionary finds its table by name, and reads the columns that it names. Where a load fails it goes on with what it
has loaded before, so nobody notices until the next restart.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from aaiclick.catalog.forms import Catalog, DictionaryForm, Form
from aaiclick.catalog.normalize import normal_form
from aaiclick.catalog.parse.create import split_create
from aaiclick.clickhouse.messages import first_line
from aaiclick.plan.dependents.database_after import Effect
from aaiclick.plan.dependents.dependents import Dependent
from aaiclick.plan.dependents.lossless_conversions import fits
from aaiclick.plan.dependents.plain_views import blocked_dependent
from aaiclick.plan.model import Step
from aaiclick.routine import Query, Routine, text
from aaiclick.sql.clauses import drop_column
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.hex_text import hexed_list
from aaiclick.sql.quoting import qualified, quote_name, sendable
from aaiclick.sql.tokens import TokenError, Tokens, unquote

ANY_DICTIONARY = "engine = 'Dictionary' AND notEmpty(loading_dependencies_table)"
"""Those that read something of this server: a table, or a view over one."""
DICTIONARIES = (
    "engine = 'Dictionary' AND arrayExists((d, n) -> d = {database:String}"
    " AND has(arrayMap(x -> unhex(x), splitByChar(',', {names:String})), n), loading_dependencies_database, "
    "loading_dependencies_table)"
)


def changed_lookups(catalog: Catalog, wanted: Mapping[str, Form]) -> dict[str, DictionaryForm]:
    """The dictionaries that are there and get other attributes. Views store the types that an attribute had when they
    were made, as with columns of a table."""
    return {
        name: form
        for name, form in wanted.items()
        if isinstance(form, DictionaryForm)
        and (live := catalog.get(name)) is not None
        and isinstance(live.form, DictionaryForm)
        and {column.name: column.type for column in form.columns}
        != {column.name: column.type for column in live.form.columns}
    }


def changed_values(catalog: Catalog, wanted: Mapping[str, Form]) -> frozenset[str]:
    """The dictionaries that are there and may give other values behind the plan."""
    return frozenset(
        name
        for name, form in wanted.items()
        if isinstance(form, DictionaryForm)
        and (live := catalog.get(name)) is not None
        and isinstance(live.form, DictionaryForm)
        and _valued(normal_form(live.form)) != _valued(normal_form(form))
    )


def _valued(form: Form) -> object:
    """What its values depend on. When it loads them anew, and how long a query waits for that, changes none."""
    assert isinstance(form, DictionaryForm)
    return form.columns, [pair for pair in form.clauses if pair[0] not in ("LIFETIME", "SETTINGS")]


def read_dictionaries(database: str, names: tuple[str, ...]) -> Routine[tuple[Dependent, ...]]:
    """The dictionaries that read one of these tables of ``database``. The engine lists those with a source on the same
    server."""
    rows = yield Query(
        f"SELECT database, name, create_table_query, toString(uuid) FROM system.tables WHERE {DICTIONARIES} ORDER BY "
        "database, name",
        {"database": database, "names": hexed_list(names)},
    )
    return tuple(dictionary_dependent(*(text(value) for value in row)) for row in rows)


def dictionary_dependent(database: str, name: str, definition: str, uuid: str) -> Dependent:
    """A dictionary as the engine shows it."""
    definition = sendable(definition)
    form = split_create(definition, database)
    if not isinstance(form, DictionaryForm):
        return Dependent(database, name, definition, "", (), None, uuid, "dictionary")
    columns = tuple(column for column in form.columns if not dict(column.settings).get("IS_OBJECT_ID"))
    return Dependent(database, name, definition, query_of(form, database), columns, None, uuid, "dictionary")


def query_of(form: DictionaryForm, database: str) -> str:
    """The query that it sends to its table; '' where that cannot be told."""
    said = clickhouse_source(dict(form.clauses).get("SOURCE", ""))
    if "QUERY" in said:
        return said["QUERY"]
    if "TABLE" not in said:
        return ""
    reads: list[str] = []
    for column in form.columns:
        expression = dict(column.settings).get("EXPRESSION", "")
        reads.append(f"{expression} AS {quote_name(column.name)}" if expression else quote_name(column.name))
    where = f" WHERE {said['WHERE']}" if said.get("WHERE") else ""
    return f"SELECT {', '.join(reads)} FROM {qualified(said.get('DB') or database, said['TABLE'])}{where}"


def clickhouse_source(clause: str) -> Mapping[str, str]:
    """``CLICKHOUSE(TABLE 't' DB 'd')`` as words with their values; empty for any other source."""
    try:
        tokens = Tokens(clause)
    except TokenError:
        return {}
    if not tokens.is_word(0, "CLICKHOUSE") or not tokens.is_op(1, "("):
        return {}
    pairs: dict[str, str] = {}
    for place in range(2, len(tokens) - 2):
        if tokens.is_kind(place, "word") and tokens.is_kind(place + 1, "string", "word", "name"):
            pairs.setdefault(tokens.items[place].text.upper(), unquote(tokens.items[place + 1].text))
    return pairs


_WITH_ITS_OWN = (
    "Declare it with the new names, and say its own rename in the migration as well as that of its table; or change or "
    "drop it first"
)


def _by_hand(dependent: Dependent, columns: Sequence[str]) -> str:
    """What to do where a rollback takes the columns away: nothing is declared for it."""
    drops = ", ".join(drop_column(quote_name(name)) for name in columns)
    sent = alter_table(qualified(dependent.database, dependent.name), drops)
    return f"Run first, where it is: {sent}; and give it the older columns behind the rollback. Or drop it first"


def dictionary_steps(
    effect: Effect, database: str, moved: Collection[str] = (), *, back: bool = False
) -> tuple[Step, ...]:
    """A blocked step for a dictionary, or a front table, that the change would break or give other values, and that
    nobody changes with its table. ``moved``: names of columns that a Buffer table would write into others. ``back``: a
    rollback does it."""
    dependent = effect.dependent
    if effect.refusal and dependent.noun != "dictionary":
        why = f"the {dependent.noun} would fail ({first_line(effect.refusal)}). Change or drop it first"
        return (blocked_dependent(dependent, database, why),)
    if effect.refusal:
        why = (
            f"it could not be loaded any more ({first_line(effect.refusal)}). Declare it over what the table will "
            "be, or change or drop it first"
        )
        return (blocked_dependent(dependent, database, why),)
    lookup = dependent.noun == "dictionary"
    names = {column.name for column in effect.fresh}
    gone = [column.name for column in dependent.columns if column.name in effect.now and column.name not in names]
    if gone and not lookup:
        # The server answers with the default of the type, and takes values in that go nowhere.
        why = f"its table will have no column {', '.join(gone)}, and the {dependent.noun} would read and write none"
        said = f"{why}. {_by_hand(dependent, gone) if back else _WITH_ITS_OWN}"
        return (blocked_dependent(dependent, database, said),)
    if held := sorted({column.name for column in dependent.columns} & set(moved)):
        why = f"{', '.join(held)} of its table gets another name, and what it holds would go into the new column"
        said = f"{why}. {_by_hand(dependent, held) if back else _WITH_ITS_OWN}"
        return (blocked_dependent(dependent, database, said),)
    found = [(name, kept, fresh) for name, kept, fresh in effect.pinned if not (lookup and null_alone(kept, fresh))]
    if not found and dependent.noun == "Buffer table":
        return _written_narrower(effect, database)
    if not found:
        return ()
    why = _differing(found)
    return (
        blocked_dependent(
            dependent,
            database,
            f"the {dependent.noun} would give other values: {why}. Declare it with the new types, or change it first",
        ),
    )


def _differing(found: Sequence[tuple[str, str, str]]) -> str:
    return "; ".join(f"{name} is {kept} in it, and will be {fresh} in the table" for name, kept, fresh in found)


def _written_narrower(effect: Effect, database: str) -> tuple[Step, ...]:
    """A blocked step for a Buffer table that takes values which its table will not hold: the server writes others
    then."""
    fresh = {column.name: column.type for column in effect.fresh}
    found = [
        (column.name, column.type, fresh[column.name])
        for column in effect.dependent.columns
        if column.name in fresh
        and effect.now.get(column.name) != fresh[column.name]
        and not fits(column.type, fresh[column.name])
    ]
    if not found:
        return ()
    why = f"the Buffer table would write other values than it has taken: {_differing(found)}"
    said = f"{why}. Declare it with the new types, or change or drop it first"
    return (blocked_dependent(effect.dependent, database, said),)


def null_alone(kept: str, fresh: str) -> bool:
    """True where only NULL differs: a dictionary gives an attribute's default where its table has NULL."""
    return fresh == f"Nullable({kept})"
