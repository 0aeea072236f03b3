"""The model as an engine: it carries out the statements of the product, and knows no others."""

from __future__ import annotations

import re
from functools import lru_cache

from aaiclick.errors import StatementError
from aaiclick.routine import Command, Query, Rows
from tests.simulation.model import bookkeeping, catalog
from tests.simulation.model.ddl import HANDLERS, create_table
from tests.simulation.model.inserts import begin, resolved
from tests.simulation.model.state import Running, Server, UnmodelledError

_TAG = re.compile(r"\s*/\* aaiclick:([0-9a-z]+) \*/ ")
_PIPELINE = "EXPLAIN PIPELINE "
_BEGIN, _END = "/* aaiclick:", " */ "
_KILL = re.compile(r"KILL QUERY WHERE extract\(query, .*?\) IN \((?P<nonces>.*)\) ASYNC\Z")


@lru_cache(maxsize=32)
def untagged(sql: str) -> tuple[str, str]:
    """The statement, and the nonce of its holder ('')."""
    if sql.startswith(_BEGIN) and (end := sql.find(_END, len(_BEGIN))) > 0:
        return sql[end + len(_END) :], sql[len(_BEGIN) : end]
    found = _TAG.match(sql)
    return (sql[found.end() :], found[1]) if found is not None else (sql.strip(), "")


_HANDLERS = {
    word: tuple(pair for pair in HANDLERS if pair[0].pattern.startswith(word))
    for word in {pattern.pattern.partition(" ")[0] for pattern, _ in HANDLERS}
}
_LONGEST = max(len(start) for start, _ in catalog.ASKED)


@lru_cache(maxsize=4096)
def _known(beginning: str) -> catalog.Asked | None:
    return next((asked for start, asked in catalog.ASKED if beginning.startswith(start)), None)


def ask(server: Server, effect: Query, database: str) -> Rows:
    """Raises StatementError, UnmodelledError."""
    sql = untagged(effect.sql)[0].lstrip()
    asked = _known(sql[:_LONGEST])
    if asked is not None:
        return asked(server, effect.parameters, sql)
    for pattern, answered in bookkeeping.ASKED:
        found = pattern.match(sql)
        if found is not None and found["db"] != "system":
            return answered(server, found, effect.parameters, database)
    raise UnmodelledError(effect.sql)


def command(server: Server, effect: Command, database: str) -> Running | None:
    """Carry it out at once; an INSERT of rows is only begun. Raises StatementError, UnmodelledError."""
    sql, tag = untagged(effect.sql)
    server.changes += 1
    place = effect.database or database
    try:
        if sql.startswith("INSERT INTO "):
            return begin(server, effect, sql, place, tag)
        if sql.startswith(_PIPELINE):
            # It is looked at, and not carried out.
            resolved(server, sql.removeprefix(_PIPELINE), place)
            return None
        if sql.startswith("CREATE TABLE "):
            create_table(server, sql, place)
            return None
        if sql.startswith("KILL ") and (killed := _KILL.match(sql)) is not None:
            for each in server.running.values():
                each.killed = each.killed or f"'{each.tag}'" in killed["nonces"]
            return None
        for pattern, handler in _HANDLERS.get(sql.partition(" ")[0], ()):
            found = pattern.match(sql)
            if found is not None:
                handler(server, found, place)
                return None
    except StatementError as error:
        raise StatementError(error.message, error.code, error.name, effect.sql) from None
    raise UnmodelledError(effect.sql)
