"""Settings that tables have because of this library, for as long as an older table is kept or a rebuild is unfinished:
nobody has declared them, and nobody has to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from aaiclick.catalog.forms import Catalog, Settings, TableForm
from aaiclick.clickhouse.features import FENCE, NUMBERS, REMEMBERING
from aaiclick.clickhouse.merges import MERGES_STOPPED
from aaiclick.state.kept_tables import tables_with_our_block_numbers
from aaiclick.state.owned import Owned
from aaiclick.state.rebuild_mark import Mark

_WHILE_REBUILT = frozenset({FENCE, *(name for name, _ in MERGES_STOPPED)})
SETTINGS = _WHILE_REBUILT | {NUMBERS, *REMEMBERING}
"""All that we ever set and take back."""


def own_settings(owned: Owned, block_numbers: Mapping[str, str], catalog: Catalog) -> dict[str, dict[str, str]]:
    """For each table the settings that are ours, with what they were before ('': they were not set).

    ``block_numbers``: the storages that keep block numbers because of us, by UUID, with their names.
    """
    found: dict[str, dict[str, str]] = {}
    marks = [(mark.table, mark.saved) for mark in owned.marks() if isinstance(mark, Mark)]
    marks += [(mark.table, mark.saved) for mark in owned.replicated_marks()]
    for feed in owned.replicated_backfills():
        marks += [(feed.work.fill.source, feed.saved)] if feed.work.fill is not None else []
        if feed.target:
            found.setdefault(feed.target, {}).update(dict(feed.window))
    for table, saved in marks:
        found.setdefault(table, {}).update({**dict.fromkeys(_WHILE_REBUILT, ""), **dict(saved)})
    for name in tables_with_our_block_numbers(owned.kept(), block_numbers, catalog):
        found.setdefault(name, {})[NUMBERS] = ""
    return found


def without_own_settings(catalog: Catalog, held: Mapping[str, Mapping[str, str]]) -> Catalog:
    """The catalogue as it is without them."""
    objects = dict(catalog.objects)
    for name, before in held.items():
        live = catalog.get(name)
        if live is not None and isinstance(live.form, TableForm):
            objects[name] = replace(live, form=replace(live.form, settings=_before(live.form.settings, before)))
    return replace(catalog, objects=objects)


def _before(settings: Settings, before: Mapping[str, str]) -> Settings:
    as_they_were = ((name, before.get(name, value)) for name, value in settings)
    return tuple((name, value) for name, value in as_they_were if value)
