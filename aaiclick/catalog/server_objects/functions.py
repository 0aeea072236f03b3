"""SQL functions of the server, and stand-ins in scratch for functions that the plan will change.

The engine writes a function's body into each object that calls it. A declaration that calls a function which is
missing, or will change, is therefore created in scratch with a stand-in function of a unique name. The result is
what it will be, and the live function is not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from aaiclick.catalog.fingerprint import text_digest
from aaiclick.catalog.forms import FunctionForm
from aaiclick.catalog.scratch import PREFIX, STALE_SECONDS, Scratch, made_at, run_of
from aaiclick.catalog.scratch_objects import formatted
from aaiclick.clock import clock
from aaiclick.error_codes import ACCESS_DENIED
from aaiclick.errors import PlanError, SpecError, StatementError
from aaiclick.relay import INTERRUPTIONS
from aaiclick.routine import Command, Query, Routine, number, text
from aaiclick.specs.functions import Function, create_function_sql
from aaiclick.sql.ddl import drop
from aaiclick.sql.function_calls import renamed_calls
from aaiclick.sql.hex_text import hexed_list
from aaiclick.sql.quoting import quote_name

T = TypeVar("T")
_LIVE = (
    "SELECT name, create_query FROM system.functions WHERE origin = 'SQLUserDefined'"
    " AND has(arrayMap(x -> unhex(x), splitByChar(',', {names:String})), name) ORDER BY name"
)
_BUILT_IN = (
    "SELECT name, toUInt8(case_insensitive) FROM system.functions WHERE origin != 'SQLUserDefined'"
    " AND has(arrayMap(x -> unhex(x), splitByChar(',', {names:String})), lower(name)) ORDER BY name"
)


def read_functions(names: Iterable[str]) -> Routine[dict[str, FunctionForm]]:
    """The live functions among these names."""
    rows = yield Query(_LIVE, {"names": hexed_list(names)})
    return {text(row[0]): FunctionForm(text(row[0]), text(row[1])) for row in rows}


def names_of_the_server(names: Collection[str]) -> Routine[frozenset[str]]:
    """Those of the names that a function of the server itself has: it makes none of that name (609)."""
    rows = yield Query(_BUILT_IN, {"names": hexed_list(name.lower() for name in names)})
    # One that is called in any case keeps its own spelling and the one in small letters to itself, and no other.
    taken = {text(row[0]) for row in rows} | {text(row[0]).lower() for row in rows if number(row[1])}
    return frozenset(names) & taken


def function_form(function: Function) -> Routine[FunctionForm]:
    """The engine's text of a declared function. Raises ``SpecError`` where the engine cannot parse it."""
    try:
        return FunctionForm(function.name, (yield from formatted(create_function_sql(function))))
    except StatementError as error:
        raise SpecError(f"function {function.name}", error.message) from None


def function_stamp(names: Collection[str]) -> Routine[str]:
    """A digest of the live functions of these names; '' for none."""
    if not names:
        return ""
    found = yield from read_functions(names)
    return text_digest({name: form.text for name, form in found.items()})


def with_stand_ins(
    scratch: Scratch, functions: Sequence[Function], body: Callable[[Scratch], Routine[T]]
) -> Routine[T]:
    """Run ``body`` with a scratch database in which calls of these functions mean the declared ones. The stand-ins are
    dropped afterwards, also when it fails.

    Raises ``PlanError`` where the user may not create functions, ``SpecError`` where the engine refuses one.
    """
    names = {function.name: f"{PREFIX}{scratch.nonce}_{number}" for number, function in enumerate(functions)}
    made: list[str] = []
    try:
        for function in functions:
            # One that calls another of them calls that one's stand-in.
            stand_in = Function(names[function.name], renamed_calls(function.body, names))
            # Before it is made: where this is interrupted, it may have been made all the same.
            made.append(stand_in.name)
            try:
                yield Command(create_function_sql(stand_in))
            except StatementError as error:
                made.pop()
                if error.code == ACCESS_DENIED:
                    raise PlanError(
                        f"function {function.name}: this user may not create functions: {error.message}"
                    ) from error
                raise SpecError(f"function {function.name}", error.message) from None
        result = yield from body(replace(scratch, functions=names))
        yield from _drop(made)
    except (Exception, *INTERRUPTIONS):
        # The first error counts. What cannot be dropped now goes when a later run sweeps.
        yield from _drop(made, quiet=True)
        raise
    return result


def sweep_stand_ins() -> Routine[None]:
    """Drop stand-ins that a killed run left more than an hour ago, by the server's clock and by that of this process.

    The time in a name is of its maker's clock, which may be slow. But as long as its run is at work, its scratch
    database (or scratch tables) is there, so those of a run that still has any stay.
    """
    rows = yield Query(
        "SELECT name, toUnixTimestamp(now()) FROM system.functions WHERE origin = 'SQLUserDefined' AND "
        "startsWith(name, {prefix:String}) ORDER BY name",
        {"prefix": PREFIX},
    )
    if not rows:
        return
    seconds = min((yield from clock()), float(number(rows[0][1])))
    names = [text(row[0]) for row in rows]
    # A name alone makes no function ours: one without our time in it is somebody else's.
    old = [name for name in names if (made := made_at(name)) is not None and made < seconds - STALE_SECONDS]
    at_work = (yield from _places()) if old else ()
    yield from _drop([name for name in old if not any(run_of(place) == run_of(name) for place in at_work)])


def _places() -> Routine[tuple[str, ...]]:
    """The names of all scratch databases, and of all scratch tables."""
    rows = yield Query(
        "SELECT name FROM system.databases WHERE startsWith(name, {prefix:String}) UNION ALL "
        "SELECT DISTINCT name FROM system.tables WHERE startsWith(name, {prefix:String})",
        {"prefix": PREFIX},
    )
    return tuple(text(row[0]) for row in rows)


def _drop(names: Sequence[str], quiet: bool = False) -> Routine[None]:
    for name in names:
        try:
            yield Command(drop("FUNCTION", quote_name(name), if_exists=True))
        except StatementError:
            if not quiet:
                raise
