"""What is done already of the migrations that are pending: as the journal says, and as an operator decides."""

from __future__ import annotations

from dataclasses import replace

from aaiclick.catalog.forms import Catalog
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema
from aaiclick.state.progress import copies_in_place, progress_of, put_elsewhere, reached_storages
from aaiclick.state.recorded_state import RecordedState, journal_scope
from aaiclick.versions.history import ReleaseHistory
from aaiclick.versions.live_version import Displaced, LiveVersion, MigrationProgress, scripts_between, statement_doubt


def migration_progress(
    schema: Schema,
    catalog: Catalog,
    known: ReleaseHistory,
    live: LiveVersion,
    recorded: RecordedState,
    skipped: frozenset[str],
) -> Routine[tuple[RecordedState, MigrationProgress]]:
    """What is done of the migrations that are pending, and the entries that say so."""
    pending = scripts_between(schema, known, live)
    if not pending:
        # Released forms alone may ask for a copy, too: a column begins anew, or is stored of an ALIAS, on the way.
        done = copies_in_place(recorded.entries, catalog, live.number or 0)
        return recorded, MigrationProgress(done=done, reached=reached_storages(recorded.entries))
    # Before anything is told by the entries: an exchange that nobody lived to enter would look as if it had not
    # happened.
    entries = yield from put_elsewhere(recorded.entries, catalog, pending)
    scope = journal_scope(catalog.database, schema.name, recorded.record)
    # After what the journal says: an operator decides what it leaves open.
    progress = _decided(known, progress_of(scope, entries, catalog, pending), skipped)
    return replace(recorded, entries=entries), replace(progress, reached=reached_storages(entries))


def _decided(known: ReleaseHistory, progress: MigrationProgress, allowed: frozenset[str]) -> MigrationProgress:
    """What is done, with what the operator says of it."""
    taken: dict[str, Displaced] = {}
    doubtful: dict[str, Displaced] = {}
    for key, displaced in progress.displaced.items():
        script = known.script(int(key.partition(":")[0]))
        doubt = displaced.doubt(script.label) if script is not None else None
        # Without its migration nothing of it can be applied again, so nobody is asked.
        if doubt is None or doubt.given(doubt.skipped, allowed):
            taken[key] = displaced
        elif not doubt.given(doubt.again, allowed):
            doubtful[key] = displaced
    skipped, rerun = _statements(known, progress, allowed)
    done = progress.done | skipped | taken.keys()
    return replace(progress, done=done, displaced=doubtful, taken=taken, rerun=rerun)


def _statements(
    known: ReleaseHistory, progress: MigrationProgress, allowed: frozenset[str]
) -> tuple[frozenset[str], dict[str, str]]:
    """Of the statements that may or may not have happened: those that the operator says have happened, and what allows
    others to be sent again."""
    skipped: set[str] = set()
    rerun: dict[str, str] = {}
    for key in progress.outcome_unknown:
        script = known.script(int(key.partition(":")[0]))
        if script is None:
            continue
        doubt = statement_doubt(script.label, key, progress)
        if doubt.given(doubt.skipped, allowed):
            skipped.add(key)
        elif given := doubt.given(doubt.again, allowed):
            rerun[key] = given
    return frozenset(skipped), rerun
