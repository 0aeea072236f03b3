"""Schema migrations for ClickHouse that run inside the application.

Declare the tables, call ``ensure_schema(client, SCHEMA)`` at start-up, and the live database is brought to the declared
version without losing a row, or the start stops with one clear sentence.

Everything is imported on first use: ``import aaiclick`` loads no driver, and no more than it has to.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from aaiclick import version as _version

if TYPE_CHECKING:
    from aaiclick.api.ensure import ensure_schema, ensure_schema_async
    from aaiclick.api.once import forget
    from aaiclick.api.plan import plan_schema, plan_schema_async
    from aaiclick.api.reflect import reflect_schema, reflect_schema_async
    from aaiclick.api.rollback import rollback_schema, rollback_schema_async
    from aaiclick.api.validate import validate_schema, validate_schema_async
    from aaiclick.plan.model import Plan
    from aaiclick.plan.policy import Policy
    from aaiclick.specs.columns import Column, Constraint, Index, Projection
    from aaiclick.specs.engines import (
        AggregatingMergeTree as AggregatingMergeTree,
    )
    from aaiclick.specs.engines import (
        CoalescingMergeTree as CoalescingMergeTree,
    )
    from aaiclick.specs.engines import (
        CollapsingMergeTree as CollapsingMergeTree,
    )
    from aaiclick.specs.engines import (
        Engine as Engine,
    )
    from aaiclick.specs.engines import (
        GraphiteMergeTree as GraphiteMergeTree,
    )
    from aaiclick.specs.engines import (
        MergeTree,
    )
    from aaiclick.specs.engines import (
        ReplacingMergeTree as ReplacingMergeTree,
    )
    from aaiclick.specs.engines import (
        SummingMergeTree as SummingMergeTree,
    )
    from aaiclick.specs.engines import (
        VersionedCollapsingMergeTree as VersionedCollapsingMergeTree,
    )
    from aaiclick.specs.migrations import Migration, Rebuild
    from aaiclick.specs.schema import Schema
    from aaiclick.specs.tables import Table
    from aaiclick.specs.views import Dictionary, MaterializedView, TableFamily, View

__version__ = _version.VERSION

__all__ = [
    "Column",
    "Constraint",
    "Dictionary",
    "Index",
    "MaterializedView",
    "MergeTree",
    "Migration",
    "Plan",
    "Policy",
    "Projection",
    "Rebuild",
    "Schema",
    "Table",
    "TableFamily",
    "View",
    "ensure_schema",
    "ensure_schema_async",
    "forget",
    "plan_schema",
    "plan_schema_async",
    "reflect_schema",
    "reflect_schema_async",
    "rollback_schema",
    "rollback_schema_async",
    "validate_schema",
    "validate_schema_async",
]

_SPECS = (
    "AggregatingMergeTree CoalescingMergeTree CollapsingMergeTree Column Constraint Dictionary Engine "
    "GraphiteMergeTree Index MaterializedView"
    " MergeTree Migration Projection Rebuild ReplacingMergeTree Schema SummingMergeTree Table TableFamily "
    "VersionedCollapsingMergeTree View"
)
_HOME = {
    **dict.fromkeys(_SPECS.split(), "aaiclick.specs"),
    "Plan": "aaiclick.plan.model",
    "Policy": "aaiclick.plan.policy",
    "forget": "aaiclick.api.once",
    **{
        f"{verb}_schema{suffix}": f"aaiclick.api.{verb}"
        for verb in ("ensure", "plan", "reflect", "rollback", "validate")
        for suffix in ("", "_async")
    },
}


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'aaiclick' has no attribute {name!r}")
    value: object = getattr(import_module(home), name)
    # From now on the name is found without this function.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
