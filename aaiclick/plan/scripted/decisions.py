"""What migrations allow by name. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from aaiclick.plan.model import Step
from aaiclick.specs.migrations import Migration
from aaiclick.specs.renames import plain_name, renamed_parts, table_renames


def decided(steps: Sequence[Step], migrations: Iterable[Migration]) -> tuple[Step, ...]:
    """The steps with what the migrations between the live version and the declared one allow.

    A clean-up that they allow is a part of the release: it is required, because behind this transition nobody would
    allow it any more.
    """
    keys: frozenset[str] = frozenset()
    for migration in sorted(migrations, key=lambda each: each.version):
        # Hazards have the names of the end: a decision of an earlier version follows what later ones rename.
        keys = frozenset(_renamed(key, migration.renames) for key in (*keys, *migration.allow))
    return tuple(_decided(step, keys) for step in steps)


def _renamed(key: str, renames: Mapping[str, str]) -> str:
    word, _, name = key.partition(" ")
    tables = table_renames(renames)
    for old, new in renames.items():
        table, column = renamed_parts(old)
        if column and name == f"{table}.{column}":
            return f"{word} {tables.get(table, table)}.{plain_name(new)}"
    # The longest name counts: that of a table may begin as another one, with a dot behind it.
    table = max((each for each in tables if name == each or name.startswith(f"{each}.")), key=len, default="")
    return f"{word} {tables[table]}{name.removeprefix(table)}" if table else key


def _decided(step: Step, keys: frozenset[str]) -> Step:
    named = tuple(dict.fromkeys(hazard.allow for hazard in step.hazards if hazard.allow))
    # What the way over several versions drops is known already, by the name that it has now.
    allowed = tuple(key for key in named if key in keys or key in step.allowed)
    # Required only where the migration allows all that it needs.
    return replace(step, allowed=allowed, optional=step.optional and allowed != named) if allowed else step
