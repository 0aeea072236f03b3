"""Steps for SQL functions. They come before everything that may call them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aaiclick.catalog.forms import FunctionForm
from aaiclick.catalog.server_objects.functions import function_form, names_of_the_server, read_functions
from aaiclick.diff.hazards import Hazard
from aaiclick.errors import SpecError
from aaiclick.plan.model import Step
from aaiclick.plan.steps import create_step, statements_step
from aaiclick.routine import Routine
from aaiclick.specs.functions import Function, calls, create_function_sql, function_order
from aaiclick.specs.schema import Schema


@dataclass(frozen=True, slots=True)
class PlannedFunctions:
    """Steps and forms of the declared functions. ``changed``: those whose result changes, because they or functions
    that they call do."""

    steps: tuple[Step, ...] = ()
    forms: Mapping[str, FunctionForm] | None = None
    changed: tuple[Function, ...] = ()


def plan_functions(schema: Schema) -> Routine[PlannedFunctions]:
    """Compare the declared functions with the live ones by the engine's own text. Other functions of the server are
    left alone. Raises ``SpecError`` for a name that the server takes for no function."""
    declared = function_order(schema.functions)
    if not declared:
        return PlannedFunctions()
    live = yield from read_functions(function.name for function in declared)
    # Only missing ones are asked about: a function of the name that is there is one of a user.
    missing = {function.name for function in declared} - set(live)
    if missing and (taken := (yield from names_of_the_server(missing))):
        name = min(taken)
        raise SpecError(f"function {name}", "the server has a function of its own of that name: take another one")
    forms: dict[str, FunctionForm] = {}
    steps: list[Step] = []
    changed: list[Function] = []
    # Called ones come before their callers, so that a caller of a changed function counts as changed.
    for function in declared:
        form = yield from function_form(function)
        forms[function.name] = form
        if function.name not in live:
            sql = create_function_sql(function)
            steps.append(create_step(function.name, "function", sql))
        elif live[function.name] != form:
            # In one statement, so that no query of anybody finds the function missing.
            sql = create_function_sql(function, replace=True)
            what = "the function is the server's: whatever calls it, in any database, gets other values from then on"
            hazard = Hazard("changes-values", what, f"change-function {function.name}")
            key = f"{function.name}:replace"
            steps.append(statements_step(key, function.name, "definition differs", (sql,), (hazard,)))
        elif not any(calls(function.body, other.name) for other in changed):
            continue
        changed.append(function)
    return PlannedFunctions(tuple(steps), forms, tuple(changed))
