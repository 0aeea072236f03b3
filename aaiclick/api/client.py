"""Opens a client, runs a routine on it, and closes what was opened. Events go to the caller and to the log."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

from aaiclick.api.command_line import name_schema
from aaiclick.api.located import locate
from aaiclick.clients import open_async_connection, open_connection
from aaiclick.errors import AaiclickError, UsageError
from aaiclick.events import FIGURES_WANTED, Event, Note, PlanReady, Progress, StepDone, StepStarted, Waiting
from aaiclick.observers import Observed, begin
from aaiclick.plan.policy import Policy
from aaiclick.printable import shown
from aaiclick.routine import AsyncConnection, Connection, OnEvent, Routine, run, run_async
from aaiclick.specs.schema import Schema

T = TypeVar("T")
CLUSTER = "AAICLICK_CLUSTER"
log = logging.getLogger("aaiclick")
Make = Callable[[Connection | AsyncConnection], Routine[T]]


def run_on_client(
    client: object, make: Make[T], caller: str, on_event: OnEvent | None = None, schema: Schema | None = None
) -> T:
    """Run the routine that ``make`` gives for the connection. A client that was handed in stays open.

    The command lines in errors are those of ``schema``.
    """
    observed = begin(caller, schema.name if schema is not None else "")
    tell = _tell(on_event, observed)
    return _observe_end(observed, lambda: _open_and_run(client, make, caller, tell, schema))


def run_on_connection(
    connection: Connection, make: Make[T], caller: str, on_event: OnEvent | None, schema: Schema
) -> T:
    """The same on a connection that is open, and stays so."""
    observed = begin(caller, schema.name)
    tell = _tell(on_event, observed)
    return _observe_end(observed, lambda: _run(connection, make, tell, schema))


def _observe_end(observed: Observed, call: Callable[[], T]) -> T:
    try:
        answer = call()
    # Also an interrupt: a call that began for its observers has to end for them.
    except BaseException as error:
        observed.ended(None, error)
        raise
    observed.ended(answer, None)
    return answer


def _run(connection: Connection, make: Make[T], tell: OnEvent, schema: Schema | None) -> T:
    with _explained(schema):
        return run(make(connection), connection, tell)


@contextmanager
def _explained(schema: Schema | None) -> Generator[None, None, None]:
    """Errors say the command line of the schema, and where in its SQL file they are."""
    try:
        yield
    except AaiclickError as error:
        name_schema(error, schema)
        locate(error, schema)
        raise


def _open_and_run(client: object, make: Make[T], caller: str, tell: OnEvent, schema: Schema | None) -> T:
    connection = open_connection(client, caller=caller)
    try:
        return _run(connection, make, tell, schema)
    finally:
        connection.close()


async def run_on_client_async(
    client: object, make: Make[T], caller: str, on_event: OnEvent | None = None, schema: Schema | None = None
) -> T:
    """The async twin of ``run_on_client``."""
    observed = begin(caller, schema.name if schema is not None else "")
    try:
        answer = await _open_and_run_async(client, make, caller, _tell(on_event, observed), schema)
    except BaseException as error:
        observed.ended(None, error)
        raise
    observed.ended(answer, None)
    return answer


async def _open_and_run_async(client: object, make: Make[T], caller: str, tell: OnEvent, schema: Schema | None) -> T:
    connection = await open_async_connection(client, caller=caller)
    try:
        with _explained(schema):
            return await run_async(make(connection), connection, tell)
    finally:
        await connection.close()


def check_arguments(caller: str, schema: object, policy: object = None) -> None:
    """Raises ``UsageError`` where something else than a ``Schema`` or a ``Policy`` is given."""
    if not isinstance(schema, Schema):
        raise UsageError(f"{caller} was given {_described(schema)} as the schema: a Schema is wanted")
    if policy is not None and not isinstance(policy, Policy):
        raise UsageError(
            f"{caller} was given {_described(policy)} as the policy: write Policy.check(), safe(), lossless() or "
            "everything()"
        )


def _described(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else f"an object of type {type(value).__name__}"


def policy_for(policy: Policy | None, embedded: bool) -> Policy:
    """An explicit policy, else the environment's, else the default for the kind of engine."""
    return policy if policy is not None else Policy.default(embedded, os.environ)


def placed(schema: Schema) -> Schema:
    """The schema on the cluster that the environment names ('' there: on none), with the values of its variables.
    Raises ``UsageError`` where one cannot have its value."""
    schema = schema.resolved(os.environ)
    named = os.environ.get(CLUSTER)
    return schema if named is None or named == (schema.cluster or "") else schema.model_copy(update={"cluster": named})


def _tell(on_event: OnEvent | None, observed: Observed) -> OnEvent:
    def tell(event: Event) -> object:
        _log(event)
        # The caller last: where it raises, log and observers have the event already.
        wanted = observed.event(event)
        if on_event is not None:
            on_event(event)
        return FIGURES_WANTED if wanted else None

    return tell


def _log(event: Event) -> None:
    match event:
        case PlanReady(schema, steps, rows):
            log.info("%s: %d steps, %d rows to copy or rewrite", shown(schema), steps, rows)
        case StepStarted(index, total, name, change, strategy, rows):
            log.info("step %d of %d: %s: %s (%s, %d rows)", index, total, shown(name), shown(change), strategy, rows)
        case Progress(name, phase, done, total, seconds):
            log.debug("%s: %s: %d of %d rows after %.1f s", shown(name), phase, done, total, seconds)
        case StepDone(index, total, name, strategy, rows, seconds):
            log.info("step %d of %d done: %s (%s, %d rows, %.1f s)", index, total, shown(name), strategy, rows, seconds)
        case Waiting(what, seconds, ends):
            log.info("waiting: %s (%.1f s%s)", shown(what), seconds, f"; {ends}" if ends else "")
        case Note(sentence, level):
            log.log(logging.WARNING if level == "warning" else logging.INFO, "%s", shown(sentence))
        case _:
            log.debug("%s", shown(str(event)))
