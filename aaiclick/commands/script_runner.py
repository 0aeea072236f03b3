"""Gives the executor what it needs to run the statements and functions of migrations."""

from __future__ import annotations

from aaiclick.apply.migration_function import run_move
from aaiclick.apply.run import Runner
from aaiclick.apply.script_steps import run_statements
from aaiclick.catalog.read import read_catalog
from aaiclick.catalog.reflect import reflect_catalog
from aaiclick.clients.callables import Facts, MoveFunction
from aaiclick.commands.inspection.inspect import Inspection
from aaiclick.errors import ApplyError
from aaiclick.plan.operations import CallableWork, SqlWork
from aaiclick.routine import Routine
from aaiclick.versions.scripts import statements_of


def runner_for(found: Inspection, names_storages: bool = False) -> Runner:
    """Carries out the statements and functions of the migrations that are to come. ``names_storages``: whether the
    database lets a CREATE say which storage it makes."""
    scope = found.scope

    def runner(work: CallableWork | SqlWork) -> Routine[None]:
        script = found.released.script(work.migration)
        if script is None:
            raise ApplyError(f"migration {work.migration} is in the plan, but not in the code: plan again")
        if isinstance(work, SqlWork):
            total = len(statements_of(script.migration))
            yield from run_statements(work, scope, script.label, total, found.progress.sent, names_storages)
            return
        move = script.migration.move
        if move is None:
            raise ApplyError(f"{script.label} has no function: plan again")
        names = tuple(sorted(found.catalog.objects.keys() | {item.name for item in found.schema.objects}))
        # Read now: the steps before the function have changed tables since the plan was made.
        catalog = yield from read_catalog(scope.database, names)
        before = reflect_catalog(catalog, found.schema.name)
        attempt = found.progress.attempts.get(script.version, 0) + 1
        facts = Facts(
            scope.database,
            script.version,
            before,
            found.schema,
            found.progress.bookmarks.get(script.version, "null"),
            attempt,
        )
        name = getattr(move, "__name__", "its function")
        yield from run_move(MoveFunction(move, facts), scope, script.version, script.label, name, attempt)

    return runner
