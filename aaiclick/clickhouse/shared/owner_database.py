"""Which database the tables beside a Replicated one belong to: they outlive a DROP DATABASE, and a new database may get
the old name.

The database that holds them says in its comment which UUIDs the other one had, on each host another. An earlier release
wrote no comment, and a host that joined later may have a UUID of its own: so they belong to another database only where
none of the UUIDs is there any more. One that was restored has other UUIDs, too, and its tables: nothing is held against
those.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from aaiclick.clickhouse.names import PREFIX
from aaiclick.clickhouse.shared.bookkeeping import Bookkeeping
from aaiclick.clickhouse.topology import LOOK, PROOF
from aaiclick.errors import StatementError, UsageError
from aaiclick.routine import Query, Routine, number, text
from aaiclick.sql.ddl import drop, with_cluster
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import quote_name, quote_string

_KEY = "databases"


@dataclass(frozen=True, slots=True)
class Homes:
    """The hosts that have the database beside."""

    lacking: tuple[str, ...]
    """Those that answer and have none, as sentences call them."""
    comment: str
    """What its comment says: the UUIDs that the other one has on the hosts that answer."""


def homes(books: Bookkeeping) -> Routine[Homes]:
    """Which hosts that answer have the database beside, and what its comment says."""
    rows = yield Query(
        f"SELECT toUInt64(_shard_num) AS place, name, toString(uuid) AS id FROM {_everywhere(books)} WHERE name IN "
        "(unhex({db:String}), unhex({home:String})) UNION ALL SELECT toUInt64(_shard_num), '', '' FROM "
        # A host that has neither answers here all the same.
        f"clusterAllReplicas({quote_string(books.cluster)}, system.one)",
        {"db": hexed(books.database), "home": hexed(books.home)},
        LOOK,
    )
    there = {number(row[0]) for row in rows if text(row[1]) == books.home}
    lacking = {number(row[0]) for row in rows} - there
    said = json.dumps({_KEY: sorted({text(row[2]) for row in rows if text(row[1]) == books.database})})
    return Homes(tuple(books.host(place) for place in sorted(lacking)), said)


def require_own(books: Bookkeeping) -> Routine[None]:
    """To be asked where nothing that is declared is there. Raises ``UsageError`` where the database is empty and is not
    the one that the tables beside it were made for."""
    everywhere_named = f"FROM {_everywhere(books)} WHERE name = unhex"
    question = Query(
        "SELECT 'holds', name FROM system.tables WHERE database = unhex({db:String}) AND NOT startsWith(name, "
        f"{{prefix:String}}) UNION ALL SELECT 'has', toString(uuid) {everywhere_named}({{db:String}}) UNION ALL "
        f"SELECT 'said', comment {everywhere_named}({{home:String}})",
        {"db": hexed(books.database), "home": hexed(books.home), "prefix": PREFIX},
        PROOF,
    )
    try:
        rows = yield question
    except StatementError as error:
        if not error.code:
            raise
        return  # a host that does not answer may have the database that they are of
    said = _uuids(text(row[1]) for row in rows if text(row[0]) == "said")
    has = {text(row[1]) for row in rows if text(row[0]) == "has"}
    if not said or said & has or any(text(row[0]) == "holds" for row in rows):
        return
    statement = drop("DATABASE", with_cluster(quote_name(books.home), books.cluster), if_exists=True)
    raise UsageError(
        f"database {books.database} is empty, and what is recorded in {books.home} is of another one of that name, "
        "which was dropped since (it had another UUID). Nothing was changed. Where nobody needs those records any "
        f"more: {statement}"
    )


def _everywhere(books: Bookkeeping) -> str:
    return f"clusterAllReplicas({quote_string(books.cluster)}, system.databases)"


def _uuids(comments: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for comment in comments:
        try:
            said: object = json.loads(comment)
        except ValueError:
            continue  # no comment, or somebody else's
        listed = cast("dict[str, object]", said).get(_KEY) if isinstance(said, dict) else None
        if isinstance(listed, list):
            found |= {each for each in cast("list[object]", listed) if isinstance(each, str)}
    return found
