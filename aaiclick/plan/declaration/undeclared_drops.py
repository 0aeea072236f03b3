"""Drops of objects that are no longer declared, in the order in which the server takes them.

It drops no table, dictionary or Join table that another object needs when it is loaded (630): first what reads goes,
then what is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from aaiclick.catalog.forms import Catalog, DictionaryForm, TableForm
from aaiclick.catalog.render import form_sql
from aaiclick.plan.dependents.buffer_distributed_columns import DROP
from aaiclick.plan.dependents.dependents import places_named
from aaiclick.plan.dependents.dictionaries import query_of
from aaiclick.plan.model import Step
from aaiclick.plan.steps import drop_step
from aaiclick.routine import Query, Routine, text
from aaiclick.sql.function_calls import lookups
from aaiclick.sql.hex_text import hexed


def undeclared_drops(names: Iterable[str], catalog: Catalog) -> tuple[Step, ...]:
    """An optional drop of each, behind those of what reads it."""
    waiting = sorted(names)
    ordered: list[str] = []

    def take(name: str) -> None:
        waiting.remove(name)
        for other in list(waiting):
            if other in waiting and f"{catalog.database}.{other}" in catalog.objects[name].dependents:
                take(other)
        ordered.append(name)

    while waiting:
        take(waiting[0])
    return tuple(drop_step(catalog.database, catalog.objects[name]) for name in ordered)


def held_back(
    steps: Sequence[Step], catalog: Catalog, targets: Mapping[str, TableForm], allowed: Collection[str]
) -> Routine[tuple[Step, ...]]:
    """The steps, with each drop blocked that the server would refuse because of what stays. ``targets``: the new forms
    of tables that differ; ``allowed``: what the policy allows by name."""
    needing = yield from _needing(
        catalog, [name for step in steps if step.strategy == "drop" for name in _with_readers(step, catalog)]
    )
    done: set[str] = set()
    offered: set[str] = set()
    found: list[Step] = []
    for step in steps:
        # What may go before it stands in front of it. One that is only offered is judged by what is offered.
        before = done if _done(step, allowed) else offered
        left = [
            name
            for name in needing.get(step.object, ())
            if step.strategy == "drop" and _needs(name, step.object, steps, catalog, targets, before)
        ]
        if left and not step.blocked:
            said = f"{', '.join(left)} {'needs' if len(left) == 1 else 'need'} it"
            reason = f"{said} when it is loaded, and the server does not drop it before"
            found.append(replace(step, blocked=reason))
            continue
        if not step.blocked:
            offered.add(step.id)
            done |= {step.id} if _done(step, allowed) else set()
        found.append(step)
    return tuple(found)


def _with_readers(step: Step, catalog: Catalog) -> list[str]:
    live = catalog.get(step.object)
    return [live.name] if live is not None and live.dependents else []


def _needing(catalog: Catalog, names: Sequence[str]) -> Routine[dict[str, list[str]]]:
    """The objects that cannot be loaded without these: those of the database by name, others with their database."""
    found: dict[str, list[str]] = {}
    if not names:
        return found
    rows = yield Query(
        "SELECT name, d, n FROM system.tables ARRAY JOIN loading_dependent_database AS d, loading_dependent_table AS n"
        " WHERE database = {database:String} AND has(arrayMap(x -> unhex(x), splitByChar(',', {names:String})), name)"
        " ORDER BY d, n",
        {
            "database": catalog.database,
            "names": ",".join(map(hexed, names)),
        },
    )
    for row in rows:
        database, name = text(row[1]), text(row[2])
        listed = found.setdefault(text(row[0]), [])
        listed.append(name if database == catalog.database else f"{database}.{name}")
    return found


def _done(step: Step, allowed: Collection[str]) -> bool:
    keys = {hazard.allow for hazard in step.hazards if hazard.allow}
    return not step.optional or (bool(keys) and keys <= set(allowed))


def _needs(
    name: str,
    needed: str,
    steps: Sequence[Step],
    catalog: Catalog,
    targets: Mapping[str, TableForm],
    before: Collection[str],
) -> bool:
    """Whether that object still reads what is dropped, when the drop comes. ``before``: the steps ahead of it."""
    live = catalog.get(name)
    if live is None:
        return True
    if any(
        step.object == name and (step.strategy == "drop" or (step.strategy == "replace" and not step.optional))
        for step in steps
        if step.id in before
    ):
        return False
    form = targets.get(name) or live.form
    if isinstance(form, TableForm):
        columns = tuple(column for column in form.columns if f"{name}{DROP}{column.name}" not in before)
        places = lookups(form_sql(replace(form, columns=columns), catalog.database, name))
        return any(place.name == needed and place.database in ("", catalog.database) for place in places)
    return not isinstance(form, DictionaryForm) or (catalog.database, needed) in places_named(
        query_of(form, catalog.database)
    )
