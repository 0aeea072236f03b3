"""Runs the function of a migration. Its requests become statements of this run, and its end is entered in the journal.

A function has ended when the journal says so. That entry is the first thing that a run does when the function has
returned, before it tells anybody or looks at anything but its lease; whatever fails or is killed afterwards, the
function is not called again on the way to this version. A run that is killed between the two calls it again, from its
last bookmark, and ``attempt`` says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from aaiclick.clock import clock
from aaiclick.errors import AaiclickError, ApplyError, LeaseLostError
from aaiclick.events import Progress
from aaiclick.migration_function import MigrationFunction
from aaiclick.routine import Call, Command, Emit, Query, Reply, Routine, Row, Sleep, number, text
from aaiclick.state.progress import JournalScope, enter_end, enter_start, set_bookmark

PAUSES = (0.1, 1.0, 5.0)
"""Seconds before the end of a function is tried to be entered again."""
WAIT = 5.0
"""Seconds without a request after which the lease is looked after."""


def run_move(
    function: MigrationFunction, scope: JournalScope, version: int, label: str, name: str, attempt: int = 1
) -> Routine[None]:
    """Let the function run to its end. Raises ApplyError with the migration's name where it fails: the next run goes on
    at its bookmark. ``attempt`` is the number of this call, and is entered before it begins."""
    # Before the function is called: after a kill the next run sees that there was a call, and counts on from it.
    yield from enter_start(scope, f"{version}:move", {"attempt": attempt})
    started = yield from clock()
    reply: Reply = None
    try:
        while True:
            try:
                rows = yield Call(function, reply, WAIT)
            except Exception as error:
                said = str(error) if isinstance(error, AaiclickError) else f"{type(error).__name__}: {error}"
                raise ApplyError(
                    f"{label}: {name} failed: {said}. v{version} is not recorded; the next run goes on at its bookmark"
                ) from error
            request = rows[0]
            # Nothing stands between this and the entry of the end: see the head of this file.
            if request[0] == "done":
                break
            reply = yield from _carry_out(request, scope, version, label, started)
    # It waits for an answer that nobody will give any more: its next request raises.
    finally:
        function.abandon()
    yield from _enter_end(scope, version, label, name)


def _enter_end(scope: JournalScope, version: int, label: str, name: str) -> Routine[None]:
    """Enter the end, again after every error: a second entry does no harm, without one the function is called again."""
    for pause in (*PAUSES, None):
        try:
            return (yield from enter_end(scope, f"{version}:move"))
        except LeaseLostError:
            # Another run may be calling the function by now: its entry is its own.
            raise
        except AaiclickError as error:
            if pause is None:
                told = (
                    f"{label}: {name} ended, but that could not be entered in the journal: {error}. The next run "
                    "calls it again, with attempt > 1"
                )
                raise ApplyError(told) from error
            yield Sleep(pause)


def _carry_out(request: Row, scope: JournalScope, version: int, label: str, started: float) -> Routine[Reply]:
    """One request. An error is the function's: it may know what to do about it."""
    kind = text(request[0])
    try:
        if kind == "query":
            return (yield Query(text(request[1]), _values(request[2]), _values(request[3])))
        if kind == "command":
            yield Command(
                text(request[1]), _values(request[2]), _values(request[3]), database=scope.database, long=True
            )
        elif kind == "bookmark":
            # In the journal before the function goes on: a kill later costs at most what came behind this bookmark.
            yield from set_bookmark(scope, version, json.loads(text(request[1])))
        elif kind == "progress":
            seconds = (yield from clock()) - started
            yield Emit(Progress(label, "move", number(request[1]), number(request[2]), seconds))
        else:
            yield Sleep(0.0)  # nothing was asked: a chance to renew the lease
    except Exception as error:
        return error
    return ()


def _values(encoded: object) -> Mapping[str, str | int]:
    return cast("dict[str, str | int]", json.loads(str(encoded)))
