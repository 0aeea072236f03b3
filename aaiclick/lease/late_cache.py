"""The cache of the warm start takes nothing from a run that lost its lease, however late that is sent.

The cache is a comment, and an ALTER is sent by name: paused between the proof of its lease and the sending, a run could
overwrite what its successor has noted there (a transition that is under way, a newer version), and be killed before it
empties the cache. So each ALTER of the cache adds and drops a constraint with the name of its run, which changes
nothing, and the successor leaves a constraint of that name there: from then on the server refuses such an ALTER as a
whole. On a cluster the cache is a line, which the server takes from the holder of the lease alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from aaiclick.clickhouse.names import PREFIX, RECORDS
from aaiclick.clickhouse.tables import create_query
from aaiclick.error_codes import ACCESS_DENIED, ILLEGAL_COLUMN, QUERY_IS_PROHIBITED
from aaiclick.errors import StatementError
from aaiclick.lease.lock import tagged
from aaiclick.routine import Command, Routine
from aaiclick.sql.clauses import add_constraint, drop_constraint, modify_comment
from aaiclick.sql.ddl import alter_table, is_alter
from aaiclick.sql.quoting import qualified

_ENDED = f"{PREFIX}ended_"
_NAMED = re.compile(rf"{_ENDED}([0-9a-z]+)")
_NOTHING = "ASSUME 1"
"""Looked at by no INSERT."""
WITHOUT_CONSTRAINTS = frozenset({ACCESS_DENIED, QUERY_IS_PROHIBITED})
"""What a user who may not change constraints hears, and a Replicated database that takes no ALTER of two kinds."""
_MOST = 20
"""So many former runs are kept out whose tombstones are gone. Those that have one all are, however many are killed one
after the other."""


def only_of(sql: str, database: str, nonce: str) -> str:
    """A statement as the run sends it: with its constraint, where it is about the cache."""
    if not is_alter(sql):
        return sql
    table = qualified(database, RECORDS)
    writes = alter_table(table, modify_comment("")).removesuffix("''")
    if not sql.startswith(writes):
        return sql
    own = (add_constraint(f"{_ENDED}{nonce}", _NOTHING), drop_constraint(f"{_ENDED}{nonce}"))
    return alter_table(table, *own, sql.removeprefix(alter_table(table, "")).lstrip())


def is_refused(sql: str, nonce: str, error: Exception) -> bool:
    """Whether the server refused such a statement of the run because a successor has shut it out."""
    return isinstance(error, StatementError) and error.code == ILLEGAL_COLUMN and f"{_ENDED}{nonce} " in sql


def shut_out(database: str, nonces: Collection[str], recent: Collection[str], by: str = "") -> Routine[None]:
    """Leave a constraint for each former run, before this one's first effect. ``recent``: all that have a tombstone;
    their constraints stay. ``by``: the nonce the statements are tagged with; '' under the guard of the lease, which
    tags them itself."""
    if not nonces:
        return
    definition = yield from create_query(database, RECORDS)
    there = tuple(dict.fromkeys(_NAMED.findall(definition)))
    missing = sorted(set(nonces) - set(there))
    if not definition or not missing:
        return
    # In a crash loop of a process whose death is seen at once, many runs end within the time that another one is paused
    # for: so none is forgotten by number alone, before its tombstone has been collected.
    over = [nonce for nonce in there if nonce not in recent]
    old = over[: max(0, len(there) + len(missing) - _MOST)]
    # A run that gives its lease back late shuts itself out, beside its successor, which does the same.
    commands = [add_constraint(f"{_ENDED}{nonce}", _NOTHING, if_not_exists=True) for nonce in missing]
    commands += [drop_constraint(f"{_ENDED}{nonce}", if_exists=True) for nonce in old]
    sql = alter_table(qualified(database, RECORDS), *commands)
    try:
        yield Command(tagged(by, sql) if by else sql)
    except StatementError as error:
        # Who may write comments and no constraints goes on without: the cache is written so, too.
        if error.code not in WITHOUT_CONSTRAINTS:
            raise
