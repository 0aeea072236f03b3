"""The scratch database: a place for empty objects that nobody else uses.

It is a database ``_aaiclick_scratch_<nonce>``. Where the user may not create databases, it is tables with that name
in front, inside the given database. The nonce begins with the time, so what a killed run left behind can be told
from what is in use. Under a lease it ends with the holder's own mark, so the next holder can remove it at once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from aaiclick.catalog.permissive import permissive
from aaiclick.catalog.read import REPLICATED_DATABASES
from aaiclick.clock import clock
from aaiclick.error_codes import (
    ACCESS_DENIED,
    DATABASE_NOT_EMPTY,
    READONLY,
    UNKNOWN_DATABASE_ENGINE,
)
from aaiclick.errors import OutcomeUnknownError, StatementError
from aaiclick.events import Note
from aaiclick.relay import INTERRUPTIONS
from aaiclick.routine import Command, Emit, Nonce, Query, Routine, text
from aaiclick.sql.ddl import create, drop, with_cluster
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import file_name_length, qualified, quote_name, quote_string

T = TypeVar("T")
PREFIX = "_aaiclick_scratch_"
_TRIES = 4
"""How often it is dropped again where a table appears in it meanwhile."""
STALE_SECONDS = 3600
"""Seconds after which scratch counts as that of a killed run."""
_QUEUE: Mapping[str, str | int] = {
    "distributed_ddl_task_timeout": 5,
    "distributed_ddl_output_mode": "null_status_on_timeout",
}
"""A host that is away drops it when it is back: nobody waits for that."""
# A file name has 255 bytes, and the server names the file of a dropped table after database, table and UUID.
_LONGEST_FILE_NAME = 170
_NAME = re.compile(PREFIX + r"(?P<made>[0-9a-f]{8})[0-9a-f]{12}(?P<holder>[0-9a-z]{1,12})?(?:_|\Z)")


@dataclass(frozen=True, slots=True)
class Scratch:
    """A scratch database that is open, or tables with a prefix in its place."""

    database: str
    """The database that holds the scratch objects."""
    nonce: str
    """What makes its name unique: time and holder."""
    prefix: str = ""
    """What stands before each name where the database is not scratch's own; '' where it is."""
    settings: Mapping[str, str | int] = field(default_factory=dict[str, "str | int"])
    """Permissive settings to be sent with every CREATE in it."""
    functions: Mapping[str, str] = field(default_factory=dict[str, str])
    """For SQL functions that will change the names of their stand-ins."""

    def name(self, wanted: str) -> str:
        """The name in scratch of an object called ``wanted``: the same, or a digest where that would be too long for a
        file name."""
        name = self.prefix + wanted
        if file_name_length(name) <= _LONGEST_FILE_NAME:
            return name
        return (
            f"{self.prefix}long_{hashlib.blake2s(wanted.encode('utf-8', 'surrogatepass'), digest_size=8).hexdigest()}"
        )

    def sql_name(self, wanted: str) -> str:
        """``name``, quoted and with its database."""
        return qualified(self.database, self.name(wanted))


def open_scratch(fallback: str | None = None, settings: Mapping[str, str | int] | None = None) -> Routine[Scratch]:
    """Create a scratch database. ``fallback`` is the database for scratch tables where the user may not create
    databases; a Replicated one is none, because they would be on every host. ``settings`` are the permissive ones of
    this server; None: it is asked for them.

    Raises ``StatementError`` where neither is allowed.
    """
    # The time is in the name, so that a later run can tell by the name alone what nobody uses any more.
    seconds = int((yield from clock()))
    nonce = f"{seconds:08x}{text((yield Nonce(signed=True))[0][0])}"
    own = f"{PREFIX}{nonce}"
    database, prefix = own, ""
    try:
        # Whatever the server's default is: tables have UUIDs there, as those of the user have.
        yield Command(create("DATABASE", quote_name(own), "ENGINE = Atomic"))
    except StatementError as error:
        # A server that knows no Atomic makes one of its own kind, which will do.
        if error.code == UNKNOWN_DATABASE_ENGINE:
            yield Command(create("DATABASE", quote_name(own)))
        elif error.code in (ACCESS_DENIED, READONLY) and fallback is not None and (yield from _is_local(fallback)):
            database, prefix = fallback, f"{own}_"
        else:
            raise
    except INTERRUPTIONS:
        # It may have been carried out all the same.
        yield from close_scratch(Scratch(own, nonce), quiet=True, sync=False)
        raise
    scratch = Scratch(database, nonce, prefix)
    if settings is not None:
        return replace(scratch, settings=settings)
    try:
        return replace(scratch, settings=(yield from permissive(own)))
    except INTERRUPTIONS:
        yield from close_scratch(scratch, quiet=True, sync=False)
        raise
    except Exception:
        yield from close_scratch(scratch, quiet=True)
        raise


def close_scratch(scratch: Scratch, quiet: bool = False, *, sync: bool = True) -> Routine[None]:
    """Drop everything in it. ``quiet``: a refusal is ignored, because another error is already being raised. ``sync``:
    wait until its files are gone, and so for statements that still run in it."""
    try:
        if scratch.prefix:
            yield from _drop_tables(scratch.database, scratch.prefix)
        else:
            # SYNC: otherwise the files of each table stay for eight minutes of the engine's life, and an embedded
            # engine seldom lives that long.
            yield from _drop_database(
                Command(drop("DATABASE", quote_name(scratch.database), if_exists=True, sync=sync))
            )
    except StatementError:
        if not quiet:
            raise


def _drop_database(gone: Command) -> Routine[None]:
    """Nobody else knows of the database, so once more is safe. Left alone it would wait for a start that compares, an
    hour later."""
    for _ in range(_TRIES):
        try:
            yield gone
        except OutcomeUnknownError:
            break
        except StatementError as error:
            # The CREATE of a run that was told to stop has reached the server, and makes its table just now.
            if error.code != DATABASE_NOT_EMPTY:
                raise
        else:
            return
    yield gone


def with_scratch(
    body: Callable[[Scratch], Routine[T]],
    fallback: str | None = None,
    settings: Mapping[str, str | int] | None = None,
) -> Routine[T]:
    """Run ``body`` with a scratch database, and drop that afterwards, also when it fails. ``sweep_stale_scratch``
    removes what a killed run leaves."""
    scratch = yield from open_scratch(fallback, settings)
    try:
        try:
            result = yield from body(scratch)
        except Exception:
            yield from close_scratch(scratch, quiet=True)
            raise
        yield from close_scratch(scratch)
    except INTERRUPTIONS:
        # A run that is told to stop has a few seconds in all. Also where it was about to drop it.
        yield from close_scratch(scratch, quiet=True, sync=False)
        raise
    return result


Ended = Callable[[Collection[str]], Routine[frozenset[str]]]
"""Which of these holders of a lease are at their end."""


@dataclass(frozen=True, slots=True)
class ScratchPlaces:
    """Scratch databases of the server, and scratch tables of one database, each with its engine.

    ``at`` is the moment when they were read, in Unix seconds by the server's clock. ``uptime`` is how long the
    server was running then, in seconds.
    """

    databases: tuple[str, ...]
    tables: tuple[tuple[str, str], ...]
    at: float
    uptime: int


def sweep_stale_scratch(
    places: ScratchPlaces, database: str, *, embedded: bool = False, ended: Ended | None = None, cluster: str = ""
) -> Routine[tuple[str, ...]]:
    """Drop scratch databases, and scratch tables in ``database``, that nobody uses any more; their names.

    That is those older than an hour by the clock of this process, and those of lease holders that
    ``ended`` knows to be gone. One that cannot be dropped is left, with a Note. ``embedded``: also
    those older than the engine's start, because only one process at a time has the engine. ``cluster``: databases are
    those of all its hosts, and are dropped on every one.
    """
    if cluster:
        places = yield from scratch_on_hosts(places, cluster)
    seconds = yield from clock()
    holders = {
        holder for name in (*places.databases, *(name for name, _ in places.tables)) if (holder := _holder(name))
    }
    # A holder that is known to be gone needs no hour: its scratch is dropped at once.
    gone = (yield from ended(holders)) if ended is not None and holders else frozenset[str]()
    stale = [
        name
        for name in places.databases
        if _holder(name) in gone or _is_stale(name, seconds) or (embedded and _is_of_before(name, places))
    ]
    # IF EXISTS, because another process may sweep at the same time.
    for name in stale:
        there = with_cluster(quote_name(name), cluster) if cluster else quote_name(name)
        try:
            yield Command(drop("DATABASE", there, if_exists=True, sync=True), settings=_QUEUE if cluster else {})
        except OutcomeUnknownError:
            raise
        except StatementError as error:
            yield Emit(Note(f"the scratch database {name} of a killed run stays: {error}", "warning"))
    old = [(name, engine) for name, engine in places.tables if _holder(name) in gone or _is_stale(name, seconds)]
    for each in _views_first(old):
        try:
            yield from _drop(database, [each])
        except OutcomeUnknownError:
            raise
        except StatementError as error:
            yield Emit(Note(f"the scratch table {each[0]} of a killed run stays: {error}", "warning"))
    return (*stale, *(name for name, _ in old))


def scratch_on_hosts(here: ScratchPlaces, cluster: str) -> Routine[ScratchPlaces]:
    """What one host has, with the scratch databases of all hosts of the cluster that answer."""
    rows = yield Query(
        f"SELECT DISTINCT name FROM clusterAllReplicas({quote_string(cluster)}, system.databases) WHERE "
        "startsWith(name, {scratch:String}) ORDER BY name",
        {"scratch": PREFIX},
        {"skip_unavailable_shards": 1},
    )
    return replace(here, databases=tuple(text(row[0]) for row in rows))


def abandoned(places: ScratchPlaces) -> Routine[tuple[str, str]]:
    """Names of a scratch database of the server and of a scratch table that ``sweep_stale_scratch`` would drop for
    their age; '' for none."""
    seconds = yield from clock()
    tables = (name for name, _ in places.tables)
    database, table = (
        next((name for name in sorted(names) if _is_stale(name, seconds)), "") for names in (places.databases, tables)
    )
    return database, table


def next_stale(places: ScratchPlaces) -> int | None:
    """When the newest of these may be removed by anybody, in Unix seconds; None where there is none. Runs that are at
    work remove their own."""
    made = [
        at for name in (*places.databases, *(name for name, _ in places.tables)) if (at := made_at(name)) is not None
    ]
    return max(made) + STALE_SECONDS + 1 if made else None


def _is_local(database: str) -> Routine[bool]:
    """Whether a table that is made there is on this host alone."""
    rows = yield Query("SELECT engine FROM system.databases WHERE name = unhex({db:String})", {"db": hexed(database)})
    return not rows or text(rows[0][0]) not in REPLICATED_DATABASES


def _holder(name: str) -> str:
    """The lease holder in a scratch name; '' for none."""
    match = _NAME.match(name)
    return (match["holder"] or "") if match is not None else ""


def _is_stale(name: str, seconds: float) -> bool:
    made = made_at(name)
    return made is not None and seconds - made > STALE_SECONDS


def _is_of_before(name: str, places: ScratchPlaces) -> bool:
    """Whether it is from before the server's start. uptime() counts whole seconds, and so does the name."""
    made = made_at(name)
    return made is not None and places.at - made > places.uptime + 2


def made_at(name: str) -> int | None:
    """When it was made, in Unix seconds by the maker's clock; None for a name that is none of ours."""
    match = _NAME.match(name)
    return int(match["made"], 16) if match is not None else None


def run_of(name: str) -> str:
    """What the names of one run have in common; '' for a name that is none of ours."""
    match = _NAME.match(name)
    return match.group(0).rstrip("_") if match is not None else ""


def _drop_tables(database: str, prefix: str) -> Routine[None]:
    yield from _drop(database, (yield from _tables(database, prefix)))


def _tables(database: str, prefix: str) -> Routine[list[tuple[str, str]]]:
    rows = yield Query(
        "SELECT name, engine FROM system.tables WHERE database = {database:String} AND startsWith(name, "
        "{prefix:String}) ORDER BY name",
        {"database": database, "prefix": prefix},
    )
    return [(text(row[0]), text(row[1])) for row in rows]


def _views_first(tables: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """They hold nothing."""
    # So what is left after an error half-way reads nothing that is gone.
    return sorted(tables, key=lambda entry: (not entry[1].endswith("View"), entry[0]))


def _drop(database: str, tables: list[tuple[str, str]]) -> Routine[None]:
    for name, engine in _views_first(tables):
        noun = {"View": "VIEW", "MaterializedView": "VIEW", "Dictionary": "DICTIONARY"}.get(engine, "TABLE")
        gone = drop(noun, qualified(database, name), if_exists=True, sync=noun == "TABLE")
        # All of them go, in whatever order their expressions ask each other.
        yield Command(gone, settings={"check_table_dependencies": 0})
