"""What earlier runs on the way to a version have already done, as the journal shows it.

A plan is worked out anew by every run, so whatever a migration does of its own accord has to be remembered apart from
it: a function that ended, a statement that was sent, a rebuild whose expressions have been applied. Entries belong to a
schema, a version and a generation: whoever starts meanwhile, of whatever version, and whatever it records, they stay
those of their transition. A new generation begins with a rollback and with ``aaiclick adopt`` (see
``Record.generation``): what was done before counts no more then.

Earlier releases kept their entries under the number of the record that they started from. They are read as well, and
carried over by the next run that holds the lease.

A rebuild needs no outcome: the exchange of the two tables is what completes it, so its entry holds the UUIDs of both,
and the next run looks which one is there. (Earlier releases entered that of the table that goes.)

Its outcome holds the storages whose rows are converted: the one that was put in place, and those that later steps of
the transition make of it. Where another one is under the name when somebody relies on it, the operator decides. (Where
it holds none it is of an earlier release, and is believed.) Where another one is converted after that, or instead, the
entry goes on to hold the earlier ones: he may put one of them back at any moment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import cast

from aaiclick.catalog.forms import Catalog, LiveObject
from aaiclick.clickhouse.names import parse_name
from aaiclick.clickhouse.storages import storage
from aaiclick.routine import Routine
from aaiclick.sql.hex_text import hexed
from aaiclick.state.block_numbers import RUN as BLOCK_NUMBERS
from aaiclick.state.journal import Action, Details, Entry, ensure_journal, intent, last_entries, outcome
from aaiclick.state.owners import RUN as OWNERS
from aaiclick.versions.live_version import Displaced, MigrationProgress, Sent, later_names
from aaiclick.versions.scripts import Script
from aaiclick.versions.version_changes import Reached

_BOOKMARK = "bookmark"
TTL_CHANGE = ":ttl:"
"""In the keys of changes of a TTL (``entries/stopped.py``)."""
_RUN = "generation "
STOPPED = ":stopped:"
"""In the keys of views that are stopped and made anew (``entries/remade_views.py``)."""
KEPT = ":view:"
"""In the keys of views that are dropped to be made anew (``entries/remade_views.py``)."""
UNWRITTEN = ":unwritten:"
"""In the keys of columns that are added by one statement and written by the next (``entries/unwritten.py``)."""
REACHED = "reached:"
"""Begins the keys of storages that are further than their definition tells (``entries/reached.py``)."""
_REBUILD = ":rebuild:"
_STATEMENT = ":sql:"
_MARKED = 8
"""So many characters tell the times apart that a statement was sent."""


@dataclass(frozen=True, slots=True)
class JournalScope:
    """Where the entries of a schema are kept. ``seq`` is that of the last record (0: none)."""

    database: str
    schema: str
    generation: int
    seq: int = 0

    @property
    def run(self) -> str:
        """The name of the entries in the journal."""
        return f"{_RUN}{self.generation}"

    @property
    def former_run(self) -> str:
        """The name under which an earlier release would have entered what follows the last record."""
        return f"from {self.seq}"

    def action(self, key: str, number: int = 0) -> Action:
        """One thing that is done once."""
        return Action(self.run, self.schema, "", key, number)


def read_journal(scope: JournalScope) -> Routine[tuple[Entry, ...]]:
    """The last word on everything that was done in this generation; on what was stopped in any, and has to be put
    back; and on what belongs to the database: owners of tables, block numbers."""
    # Releases before this one named entries by the record that the run had started from. Their entries count as well,
    # or what they have done would be done twice.
    former = "startsWith(run, 'from ') AND toUInt64OrZero(substring(run, 6)) >= {least:UInt64}"
    # What has to be put back is put back whatever was rolled back or adopted since.
    left = " OR ".join(f"position(step, '{kind}') > 0" for kind in (STOPPED, KEPT, UNWRITTEN, TTL_CHANGE))
    condition = (
        f"(run IN ('{OWNERS}', '{BLOCK_NUMBERS}') OR (schema = unhex({{schema:String}}) AND (run = "
        f"unhex({{run:String}}) OR ({former}) OR (startsWith(run, '{_RUN}') AND ({left})))))"
    )
    parameters: dict[str, str | int] = {
        "schema": hexed(scope.schema),
        "run": hexed(scope.run),
        "least": scope.generation,
    }
    return (yield from last_entries(scope.database, condition, parameters))


def own_entries(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Those of the generation among them, in the order in which they were said."""
    # An earlier release and this one may have entered the same thing under two names: the later entry counts.
    last = {
        (entry.action.step, entry.action.number): entry
        for entry in entries
        if entry.action.run not in (OWNERS, BLOCK_NUMBERS)
    }
    return tuple(sorted(last.values(), key=lambda entry: entry.seq))


def read_entries(scope: JournalScope) -> Routine[tuple[Entry, ...]]:
    """The last word on everything that was done in this generation, in the order in which it was said."""
    return own_entries((yield from read_journal(scope)))


def version_of(entry: Entry) -> int:
    """The version that an entry is about; 0 for what is about none."""
    digits = entry.action.step.partition(":")[0]
    return int(digits) if digits.isdecimal() else 0


def finished_parts(entries: Iterable[Entry]) -> tuple[str, ...]:
    """What migrations have finished here, for people, whichever of them are pending."""
    kinds = (_REBUILD, _STATEMENT, ":move")
    done = [entry.action.step for entry in entries if entry.state == "done" and version_of(entry)]
    parts = (key.split(":", 2) for key in sorted(done) if any(kind in key for kind in kinds))
    said = {"rebuild": "the copy of {}", "sql": "statement {}", "move": "the function"}
    return tuple(f"{said[kind].format(*rest)} of migration {version}" for version, kind, *rest in parts if kind in said)


def progress_of(
    scope: JournalScope, entries: Sequence[Entry], catalog: Catalog, scripts: Sequence[Script] = ()
) -> MigrationProgress:
    """What is done. ``scripts``: the migrations that are pending."""
    # Another table under the name is not the converted one, whatever the journal says.
    displaced = displaced_by(entries, catalog, scripts)
    done = {entry.action.step for entry in entries if _is_done(entry, catalog)} - displaced.keys()
    # An intent without an outcome: the run was killed between the two, and the statement may have been carried out.
    doubtful = {
        entry.action.step for entry in entries if entry.state == "intent" and _STATEMENT in entry.action.step
    } - done
    # The last one counts: entries come in the order in which they were written.
    bookmarks = {
        version_of(entry): json.dumps(entry.details.get("value"))
        for entry in entries
        if entry.action.step.endswith(f":{_BOOKMARK}")
    }
    attempts = {version_of(entry): _attempt(entry) for entry in entries if entry.action.step.endswith(":move")}
    sent = {entry.action.step: _sent(scope, entry) for entry in entries if _STATEMENT in entry.action.step}
    return MigrationProgress(
        frozenset(done),
        frozenset(doubtful),
        sent,
        bookmarks=bookmarks,
        attempts=attempts,
        displaced=displaced,
    )


@dataclass(frozen=True, slots=True)
class Converted:
    """A copy with a migration's expressions that is done: of which table, and which storages hold converted rows."""

    table: str
    storages: tuple[str, ...]


def conversions(
    entries: Iterable[Entry], pending: Sequence[Script], progress: MigrationProgress | None = None
) -> dict[str, Converted]:
    """The storages whose rows are converted for pending migrations, by the keys of the copies, as far as they are
    known. ``progress``: what the operator says besides."""
    versions = {script.version for script in pending}
    found: dict[str, Converted] = {}
    for entry in entries:
        key, table = entry.action.step, str(entry.details.get("table", ""))
        storages = _converted(entry)
        if storages and _REBUILD in key and version_of(entry) in versions:
            found[key] = Converted(table, storages)
    # What an operator takes for converted counts like a copy that was made here.
    for key, taken in progress.taken.items() if progress is not None else ():
        found[key] = Converted(taken.table, (*taken.converted, taken.uuid))
    return found


def displaced_by(entries: Iterable[Entry], catalog: Catalog, scripts: Sequence[Script]) -> dict[str, Displaced]:
    """The copies for pending migrations that are done of another table than the one that is there: somebody else has
    put that one under the name, and nobody has begun yet to convert it."""
    entries = tuple(entries)
    begun = {entry.action.step: entry for entry in entries if entry.state == "intent"}
    found: dict[str, Displaced] = {}
    for key, converted in conversions(entries, scripts).items():
        intent = begun.get(key)
        if intent is not None and not _storages(intent):
            continue  # nobody knows that its exchange happened
        live = _live(converted.table, catalog, scripts)
        before = intent.details.get("uuid") if intent is not None else None
        if live is not None and live.uuid and live.uuid not in (*converted.storages, before):
            found[key] = Displaced(live.name, live.uuid, converted.storages)
    return found


def copies_in_place(entries: Iterable[Entry], catalog: Catalog, live: int) -> frozenset[str]:
    """The keys of the copies for versions above ``live`` whose new table is the one that is there."""
    found: set[str] = set()
    for entry in entries:
        there = catalog.get(str(entry.details.get("table", "")))
        if _REBUILD not in entry.action.step or version_of(entry) <= live or there is None or not there.uuid:
            continue
        if there.uuid in _converted(entry) and _is_done(entry, catalog):
            found.add(entry.action.step)
    return frozenset(found)


def reached_storages(entries: Iterable[Entry]) -> dict[str, Reached]:
    """How far the rows of storages are, by UUID."""
    found: dict[str, Reached] = {}
    for entry in entries:
        kind, _, uuid = entry.action.step.partition(REACHED)
        if kind or not uuid:
            continue
        version, columns = _whole(entry, "version"), entry.details.get("columns")
        if entry.state == "done":
            found[uuid] = Reached(version)
        elif isinstance(columns, dict):
            known = cast("dict[str, object]", columns)
            stored = {name: bool(each) for name, each in known.items()}
            found[uuid] = Reached(_whole(entry, "before"), stored, version)
    return found


def put_elsewhere(entries: Sequence[Entry], catalog: Catalog, scripts: Sequence[Script]) -> Routine[tuple[Entry, ...]]:
    """The entries, where the run that was about to exchange two tables did not live to say that it happened, and
    somebody else has put another one under the name since. Its new table has a name of its own then: the exchange
    happened. One question for each such table.
    """
    versions = {script.version for script in scripts}
    found = list(entries)
    for place, entry in enumerate(entries):
        new = str(entry.details.get("new", ""))
        if entry.state != "intent" or not new or _REBUILD not in entry.action.step or version_of(entry) not in versions:
            continue
        live = _live(str(entry.details.get("table", "")), catalog, scripts)
        if live is None or live.uuid in ("", *_converted(entry), entry.details.get("uuid")):
            continue
        there = yield from storage(catalog.database, new)
        # Before the exchange it has a name of ours; somebody has given it another one, so the exchange happened.
        if there is not None and parse_name(there.name) is None:
            details: Details = {"table": entry.details.get("table"), "storages": list(_converted(entry))}
            found[place] = replace(entry, state="done", details=details)
    return tuple(found)


def carry_over(scope: JournalScope, entries: Iterable[Entry], above: int) -> Routine[None]:
    """Enter anew what an earlier release entered of the versions above one. Only under the lease."""
    for entry in entries:
        # The keys of TTL changes carry version 0, so they would never be above one.
        changes_ttl = (
            TTL_CHANGE in entry.action.step and entry.state == "intent" and entry.action.run == scope.former_run
        )
        if entry.action.run == scope.run or not (changes_ttl or version_of(entry) > above):
            continue
        action = scope.action(entry.action.step, entry.action.number)
        if entry.state in ("done", "failed", "undone"):
            yield from outcome(scope.database, action, entry.state, entry.details)
        else:
            # The keys that decide about it stay those that were given.
            mark = {"mark": _sent(scope, entry).mark} if _STATEMENT in entry.action.step else {}
            yield from intent(scope.database, action, {**entry.details, **mark})


def enter_start(
    scope: JournalScope, key: str, details: Mapping[str, object] | None = None, number: int = 0
) -> Routine[None]:
    """Say that something that is done once is about to begin."""
    yield from ensure_journal(scope.database)
    yield from intent(scope.database, scope.action(key, number), details)


def enter_finished_rebuilds(
    scope: JournalScope, entries: Sequence[Entry], pending: Sequence[Script], progress: MigrationProgress
) -> Routine[None]:
    """Write down what the catalogue alone tells of a killed run, and what the operator says, before anything that would
    make it tell something else. Only under the lease."""
    known = conversions(entries, pending, progress)
    for entry in entries:
        key = entry.action.step
        if key in progress.taken or (entry.state == "intent" and key in progress.done and _REBUILD in key):
            yield from enter_rebuild_end(scope, key, known.get(key))


def enter_rebuild_end(scope: JournalScope, key: str, converted: Converted | None) -> Routine[None]:
    """Say that the rows of these storages are converted; None: of the table that is there, whichever it is."""
    known = converted if converted is not None and all(converted.storages) else None
    details: Details = {"table": known.table, "storages": known.storages} if known is not None else {}
    yield from outcome(scope.database, scope.action(key), "done", details)


def enter_end(scope: JournalScope, key: str) -> Routine[None]:
    """Say that it ended well."""
    yield from outcome(scope.database, scope.action(key), "done")


def enter_statement(scope: JournalScope, key: str, times: int, made: str = "") -> Routine[None]:
    """Say that a statement is about to be sent. ``times``: how often, with this one. ``made``: UUID of the table that
    it makes and fills."""
    yield from enter_start(scope, key, {"attempt": times} | ({"made": made} if made else {}))


def enter_refusal(scope: JournalScope, key: str, why: str, times: int) -> Routine[None]:
    """Say that a statement did not happen: the server refused it as a whole. ``times``: how often it was sent."""
    yield from outcome(scope.database, scope.action(key), "failed", {"error": why[:2000], "attempt": times})


def set_bookmark(scope: JournalScope, version: int, value: object) -> Routine[None]:
    """Keep how far the function of a migration came."""
    yield from outcome(scope.database, scope.action(f"{version}:{_BOOKMARK}"), "done", {"value": value})


def begun(scope: JournalScope, entries: Iterable[Entry], kind: str) -> Iterator[Entry]:
    """What was begun of a kind, in whichever generation, and not ended."""
    return (
        entry
        for entry in entries
        if entry.state == "intent"
        and kind in entry.action.step
        and (entry.action.run == scope.former_run or entry.action.run.startswith(_RUN))
    )


def _storages(entry: Entry) -> tuple[str, ...]:
    listed = entry.details.get("storages")
    return tuple(str(uuid) for uuid in cast("list[object]", listed)) if isinstance(listed, list) else ()


def _converted(entry: Entry) -> tuple[str, ...]:
    """The storages whose rows are converted. A storage that is about to be put in place is complete, whether that
    happens or not."""
    new = str(entry.details.get("new", "")) if entry.state == "intent" else ""
    return (*_storages(entry), new) if new else _storages(entry)


def _live(table: str, catalog: Catalog, scripts: Sequence[Script]) -> LiveObject | None:
    """The table under the last name that it has by now."""
    there = (catalog.get(name) for name in later_names(table, scripts))
    return next((one for one in there if one is not None), None)


def _sent(scope: JournalScope, entry: Entry) -> Sent:
    """Lines of the journal are only ever added, so no two have the same number; tenants have the same lines, at other
    times."""
    line = f"{scope.database} {entry.seq} {entry.at}"
    mark = str(entry.details.get("mark") or sha256(line.encode()).hexdigest()[:_MARKED])
    return Sent(_attempt(entry), mark, str(entry.details.get("made") or ""))


def _whole(entry: Entry, key: str) -> int:
    number = entry.details.get(key)
    return number if isinstance(number, int) else 0


def _attempt(entry: Entry) -> int:
    # Earlier releases did not count.
    number = entry.details.get("attempt")
    return number if isinstance(number, int) else 1


def _is_done(entry: Entry, catalog: Catalog) -> bool:
    # It says how far a function came, and never that it ended.
    if entry.action.step.endswith(f":{_BOOKMARK}"):
        return False
    if entry.state == "done":
        return True
    before, new = entry.details.get("uuid"), entry.details.get("new")
    live = catalog.get(str(entry.details.get("table", "")))
    if entry.state != "intent" or _REBUILD not in entry.action.step or live is None:
        return False
    if isinstance(new, str):
        # Somebody else may have put another table under the name.
        return bool(live.uuid) and live.uuid in _converted(entry)
    # Earlier releases entered only the table that goes: that it is gone from the name is all there is to see.
    return bool(before) and live.uuid not in ("", before)
