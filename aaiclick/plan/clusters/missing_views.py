"""Materialized views that this host lacks and other hosts of the cluster have: they are made here as they are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aaiclick.catalog.forms import Catalog, Form, ViewForm
from aaiclick.catalog.normalize import normal_form
from aaiclick.catalog.parse.create import split_create
from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.clickhouse.topology import LOOK, Topology, named
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.model import Step
from aaiclick.routine import Query, Routine, number, text
from aaiclick.specs.views import MaterializedView
from aaiclick.sql.hex_text import hexed, unhexed


def on_other_hosts(
    items: Sequence[MaterializedView], wanted: Mapping[str, Form], catalog: Catalog, topology: Topology
) -> Routine[dict[str, str]]:
    """Those of these views that other hosts have as declared, beside their target, each with the labels of the hosts.
    Only those are asked for that INSERTs set off, and that this host lacks."""
    forms = {item.name: wanted.get(item.name) for item in items if item.refresh is None and item.to is not None}
    missing = {name: form for name, form in forms.items() if catalog.get(name) is None and isinstance(form, ViewForm)}
    if not missing or not topology.reached:
        return {}
    names = sorted({*missing, *(form.to for form in missing.values())})
    rows = yield from rows_or_refusal(
        Query(
            f"SELECT toInt64(_shard_num), hex(name), create_table_query FROM {topology.everywhere('system.tables')} "
            "WHERE database = unhex({db:String}) AND has(splitByChar(',', {names:String}), hex(name))",
            {"db": hexed(catalog.database), "names": ",".join(map(hexed, names))},
            LOOK,
        )
    )
    hosts: dict[int, dict[str, str]] = {}
    for place, digits, definition in rows or ():
        name = unhexed(text(digits))
        hosts.setdefault(number(place), {})[name] = text(definition)
    found: dict[str, str] = {}
    for name, form in missing.items():
        # Only beside its target: without that the view here would write into a table that the others do not have.
        have = [
            place
            for place, shown in hosts.items()
            if form.to in shown and name in shown and _same(split_create(shown[name], catalog.database), form)
        ]
        if have:
            found[name] = named(topology, have)
    return found


def _same(there: Form, wanted: ViewForm) -> bool:
    """True for a view with the same query into the same table."""
    live, declared = normal_form(there), normal_form(wanted)
    if not isinstance(live, ViewForm) or not isinstance(declared, ViewForm) or not live.materialized:
        return False
    return (live.query, live.to, live.refresh) == (declared.query, declared.to, declared.refresh)


def made_as_there(create: Step, view: MaterializedView, hosts: str) -> Step:
    """The plain CREATE of a view that ``hosts`` have: what they filled it with is in its target."""
    which = f"hosts {hosts} have" if "," in hosts else f"host {hosts} has"
    message = (
        f"{which} it: it is made here as there, and not filled again. What was inserted into its source through this "
        f"host while it was missing here is not in {view.to}"
    )
    return replace(create, hazards=(Hazard("readers-see-gap", message),))
