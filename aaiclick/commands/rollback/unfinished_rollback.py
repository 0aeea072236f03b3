"""A rollback that was killed: the next start records it if all of its tables are back, and forgets it if none is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aaiclick.apply.everywhere import everywhere
from aaiclick.apply.rollback.path import earlier_of
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.statements import CREATE, send_permissively
from aaiclick.clickhouse.tables import physicals
from aaiclick.commands.inspection.digests import live_digest
from aaiclick.commands.inspection.inspect import Inspection
from aaiclick.commands.newer_version import coming_back
from aaiclick.error_codes import TABLE_ALREADY_EXISTS
from aaiclick.errors import StatementError
from aaiclick.routine import Command, Routine
from aaiclick.state.cache import update_cache
from aaiclick.state.record import Record
from aaiclick.state.records import all_records, append
from aaiclick.state.transition import UnfinishedRollback, forget_back
from aaiclick.version import VERSION


def settle_back(found: Inspection, going: UnfinishedRollback, who: str) -> Routine[None]:
    """Record a killed rollback, or forget it. Only under the lease, after what killed runs left is put right.

    Raises SchemaVersionError where only some tables are back: going on copies rows, which only the command does.
    """
    database = found.catalog.database
    live = yield from physicals(database, tuple(sorted({*going.tables, *going.renames, *going.renames.values()})))
    # Under the name is another storage than the one that was to go: so this table is back.
    replaced = {name for name, uuid in going.tables.items() if name in live and live[name].uuid not in ("", uuid)}
    renamed = {now for now, before in going.renames.items() if now not in live and before in live}
    asked = {*going.tables, *going.renames}
    if asked and not replaced | renamed:
        yield from forget_back(found.scope, going, found.unfinished_migration)
        return
    # One that is put back and has its former name to get is back when it has that.
    back = renamed | (replaced - going.renames.keys())
    if len(back) < len(asked):
        raise coming_back(found, going)
    # All are back: its run lived to exchange the last one, and the record is missing, and perhaps what reads them.
    yield from send_views(database, going.views, None if found.topology.single else Reach(found.topology))
    earlier = earlier_of((yield from all_records(database, found.schema.name)), going.to)
    digest = yield from live_digest(found.schema, found.catalog)
    # The record ends the generation of the journal, and with it the entry of this rollback. A kill before it: all of
    # this is done once more. The cache goes second, because it must not speak of a version that is not recorded.
    yield from append(database, returned(found.schema.name, going.before, going.to, earlier, digest, who, 0.0))
    yield from update_cache(database, found.schema.name, None)


def send_views(database: str, views: Mapping[str, Sequence[str]], reach: Reach | None) -> Routine[None]:
    """Give what reads the tables the form that goes with them. What of it was done already can be done again."""
    for sql in (sql for sent in views.values() for sql in sent):
        try:
            command = Command(sql, settings={**CREATE, "flatten_nested": 0}, database=database)
            yield from everywhere(send_permissively(command), reach)
        except StatementError as error:
            # A view that was dropped first: a run that was killed has made it anew.
            if error.code != TABLE_ALREADY_EXISTS:
                raise


def returned(schema: str, live: int, to: int, earlier: Record | None, digest: str, who: str, seconds: float) -> Record:
    """The record of a rollback; ``earlier`` is that of the version that was rolled back to."""
    return Record(
        schema=schema,
        version=to,
        state="rolled back",
        spec=earlier.spec if earlier else "",
        objects=digest,
        forms=earlier.forms if earlier else "",
        plan="",
        who=who,
        seconds=seconds,
        library=VERSION,
        migrations=earlier.migrations if earlier else "",
        oldest_code=earlier.oldest_code if earlier else None,
        from_version=live,
    )
