"""The warm start of many databases of one server: one query for a hundred of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aaiclick.catalog.read import MOST_NAMES
from aaiclick.clickhouse.names import RECORDS
from aaiclick.clickhouse.shared.bookkeeping import home_beside
from aaiclick.commands.inspection.digests import families_of, migrations_digest
from aaiclick.commands.inspection.warm import Warm, is_shared, names_wanted, seen, warm_query
from aaiclick.plan.policy import Policy
from aaiclick.routine import Routine, Row, text
from aaiclick.specs.schema import Schema

AT_ONCE = 100
"""Databases in one question: its parameters travel in the URL of a request."""


def warm_tenants(schema: Schema, databases: Sequence[str], policy: Policy) -> Routine[dict[str, Warm]]:
    """Those of the databases in which there is nothing to do, as ``warm`` would see them. Whatever needs more than this
    one question is left to the start of its own database."""
    keys = policy.allowed
    wanted = names_wanted(schema, keys)
    if len(wanted) > MOST_NAMES or families_of(schema) or schema.server_objects or not databases:
        return {}
    # No list of tables shows named collections.
    if policy.level == "everything" or any(key.startswith("drop-collection ") for key in keys):
        return {}
    homes = {home_beside(name): name for name in databases}
    places = {f"d{place}": name for place, name in enumerate((*databases, *homes))}
    names = {f"n{place}": name for place, name in enumerate(wanted)}
    where = f"database IN ({text_parameters(places)}) AND name IN ({text_parameters(names)})"
    rows = yield warm_query(where, {**places, **names})
    own: dict[str, list[Row]] = {name: [] for name in databases}
    elsewhere: set[str] = set()
    for row in rows:
        database, kept_here = text(row[3]), row[0] == RECORDS
        if kept_here and is_shared(text(row[1])):
            elsewhere.add(homes.get(database, database))
        if database in own:
            own[database].append(row)
    found: dict[str, Warm] = {}
    written = migrations_digest(schema)
    for name, of_it in own.items():
        comment = next((text(row[2]) for row in of_it if row[0] == RECORDS), "")
        state = seen(schema, name, of_it, comment, migrations=written, keys=keys)
        if state.in_sync and not state.more and name not in elsewhere:
            found[name] = state
    return found


def text_parameters(parameters: Iterable[str]) -> str:
    """Parameters of texts, one behind the other."""
    return ", ".join(f"{{{name}:String}}" for name in parameters)
