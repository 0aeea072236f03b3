"""The function of a migration: it is let run, its requests are carried out as statements of this run, and that it ended is entered.

The entry follows the function's end by one statement. A run that is killed between the two calls the function again, from its last bookmark;
a function that sets one behind each thing it did does nothing twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from aaiclick.apply.ledger import Account, begin, finish, set_bookmark
from aaiclick.apply.mutations import now
from aaiclick.errors import AaiclickError, ApplyError
from aaiclick.events import Progress
from aaiclick.routine import Call, Command, Emit, Errand, Query, Reply, Routine, Row, Sleep, number, text

WAIT = 5.0
"""Seconds without a request after which the lease is looked after."""


def run_move(errand: Errand, account: Account, version: int, label: str, name: str) -> Routine[None]:
    """Let the function run to its end. Raises ApplyError with the migration's name where it fails: the next run goes on at its bookmark."""
    yield from begin(account, f"{version}:move")
    started = yield from now()
    reply: Reply = None
    try:
        while True:
            try:
                rows = yield Call(errand, reply, WAIT)
            except Exception as error:
                said = str(error) if isinstance(error, AaiclickError) else f"{type(error).__name__}: {error}"
                raise ApplyError(f"{label}: {name} failed: {said}. v{version} is not recorded; the next run goes on at its bookmark") from error
            request = rows[0]
            if request[0] == "done":
                break
            reply = yield from _carry_out(request, account, version, label, started)
    finally:
        errand.abandon()
    yield from finish(account, f"{version}:move")


def _carry_out(request: Row, account: Account, version: int, label: str, started: float) -> Routine[Reply]:
    """One request. An error is the function's: it may know what to do about it."""
    kind = text(request[0])
    try:
        if kind == "query":
            return (yield Query(text(request[1]), _values(request[2]), _values(request[3])))
        if kind == "command":
            yield Command(text(request[1]), _values(request[2]), _values(request[3]), database=account.database, long=True)
        elif kind == "bookmark":
            yield from set_bookmark(account, version, json.loads(text(request[1])))
        elif kind == "progress":
            seconds = (yield from now()) - started
            yield Emit(Progress(label, "move", number(request[1]), number(request[2]), seconds))
        else:
            yield Sleep(0.0)  # nothing was asked: a chance to renew the lease
    except Exception as error:
        return error
    return ()


def _values(encoded: object) -> Mapping[str, str | int]:
    return cast("dict[str, str | int]", json.loads(str(encoded)))
