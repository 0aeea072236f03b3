"""Checks before anything is changed whether a table can be rebuilt, or have its parts attached."""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.apply.run import ApplyOptions
from aaiclick.catalog.forms import TableForm
from aaiclick.clickhouse.background_inserts import BackgroundInserts, find_background_inserts
from aaiclick.clickhouse.features import FENCE
from aaiclick.clickhouse.merges import MERGES_STOPPED, settings_in
from aaiclick.clickhouse.statements import ask
from aaiclick.clickhouse.tables import Physical
from aaiclick.errors import ApplyError
from aaiclick.plan.operations import AttachWork
from aaiclick.printable import allow_flag, count_that
from aaiclick.routine import Routine, text
from aaiclick.sql.hex_text import hexed
from aaiclick.state.definitions import definition_of, kinds_altered
from aaiclick.state.kept_tables import detached_words, new_detached, parse_kept
from aaiclick.state.rebuild_mark import Mark

WHILE_COPIED = "while it was copied"
TO_BE_TAKEN = "while its parts were to be taken over"
"""When somebody else has altered a table."""


def require_rebuildable(source: Physical, form: TableForm) -> Routine[None]:
    """Raise ApplyError where the copy by parts cannot work, before anything is touched."""
    for engine in (source.engine, form.engine):
        if engine.startswith(("Replicated", "Shared")):
            raise ApplyError(
                f"{source.name}: {engine} is replicated, and a copy on one replica is not safe. Nothing was changed"
            )
        if not engine.endswith("MergeTree"):
            raise ApplyError(
                f"{source.name}: a rebuild between {source.engine} and {form.engine} is not possible: both have to "
                "be of the MergeTree family"
            )
    if source.fenced:
        raise ApplyError(
            f"{source.name} is read-only ({FENCE}): lift that first (ALTER TABLE ... RESET SETTING {FENCE})"
        )
    # All that follows tells the two tables apart by UUID, never by name: an EXCHANGE swaps the names.
    if not source.uuid:
        raise ApplyError(
            f"{source.name} has no UUID, so its storage cannot be told apart from its copy. Nothing was changed"
        )
    rows = yield from ask(
        "SELECT name FROM system.columns WHERE database = unhex({db:String}) AND table = unhex({name:String}) AND "
        "name IN ('_part', '_partition_id')",
        {"db": hexed(source.database), "name": hexed(source.name)},
    )
    if rows:
        raise ApplyError(
            f"{source.name}: a column is called {text(rows[0][0])}, which hides the part a row is in. Rename it first"
        )


def require_as_planned(source: Physical, options: ApplyOptions) -> None:
    """Raise ApplyError where somebody has altered the table since it was read for the plan."""
    live = options.planned.get(source.name)
    if live is None or live.uuid != source.uuid:
        return
    kinds = kinds_altered(definition_of(live.text, live.database), _defined(source))
    require_none_altered(source.name, kinds, "since this was planned")


def require_altered_by_us(before: Physical, source: Physical, work: AttachWork) -> None:
    """The same where our own ALTERs have come in between: of clauses in which they change nothing."""
    towards = work.form if work.alters else None
    require_none_altered(source.name, kinds_altered(_defined(before), _defined(source), towards), TO_BE_TAKEN)


def require_unaltered(mark: Mark, source: Physical | None) -> None:
    """Raise ApplyError where somebody has altered the table since its copy began: the new one does not show it, nor has
    it values of a column that was added."""
    if source is not None:
        require_none_altered(mark.table, _altered(mark, source), WHILE_COPIED)


def require_definition(mark: Mark, undone: Physical | None) -> None:
    """The same behind an error, when the copy is undone and the table has its settings back."""
    if undone is not None:
        require_none_altered(mark.table, kinds_altered(mark.defined, _defined(undone)), WHILE_COPIED)


def _altered(mark: Mark, stopped: Physical) -> tuple[str, ...]:
    """The kinds of clauses that somebody has altered of a table whose merges the copy has stopped."""
    kinds = kinds_altered(mark.defined, _defined(stopped))
    # The copy has set these itself: with another value than that, somebody else has set one of them since.
    held = dict(settings_in(stopped.definition))
    other = mark.defined and any(held.get(name) != value for name, value in MERGES_STOPPED)
    return (*kinds, "settings") if other and "settings" not in kinds else kinds


def altered_behind(mark: Mark, old: Physical) -> str:
    """What was altered of the old table in the moment of the exchange, as a reason to keep it; '' for nothing."""
    # Killed between the comment of a kept table and its name, it has ours.
    ours = parse_kept(old.comment) is not None
    kinds = _altered(mark, old)
    return altered_words(tuple(kind for kind in kinds if not (ours and kind == "comment")))


def altered_words(kinds: Sequence[str], where: str = "") -> str:
    """The same of these kinds of clauses. ``where``: on which hosts; '' for all, or the one."""
    if not kinds:
        return ""
    return (
        f"{_named(kinds)} altered on the old table in the moment of the exchange{where}, which the new table does not "
        "show"
    )


def require_none_altered(name: str, kinds: Sequence[str], when: str) -> None:
    """Raise ApplyError where clauses of these kinds were altered, before anything was exchanged."""
    if kinds:
        raise ApplyError(
            f"{name}: its {_named(kinds)} altered by somebody else {when}. Nothing was exchanged, and the table is as "
            "that ALTER left it. Run again: the next start plans anew"
        )


def _defined(table: Physical) -> str:
    return definition_of(table.created, table.database)


def _named(kinds: Sequence[str]) -> str:
    return f"{' and '.join(kinds)} {'was' if kinds in (('TTL',), ('comment',)) else 'were'}"


def agreed_detached(
    table: str, looked: Routine[tuple[str, ...]], options: ApplyOptions, *, at_once: bool = False
) -> Routine[tuple[str, ...]]:
    """The detached parts of a table that stay behind because that was allowed by name. ``looked``: asks for all of
    them, here or on all hosts. ``at_once``: raise ApplyError where there are some and nobody was asked; else that is
    done right before the exchange."""
    if not (at_once or options.leave_detached):
        return ()
    found = yield from looked
    if found and not options.leave_detached:
        raise ApplyError(_detached_since(table, found, "since this was planned"))
    return found


def require_none_detached(table: str, looked: Routine[tuple[str, ...]], known: Sequence[str]) -> Routine[None]:
    """Raise ApplyError where parts were detached since the copy began: the new table lacks their rows, and the old one
    would take them away with it. ``known``: those that may go with it."""
    # On one host nothing can be detached behind a fence, but it may have been before that went up.
    if found := (yield from new_detached(looked, known)):
        raise ApplyError(_detached_since(table, found, WHILE_COPIED))


def detached_behind(looked: Routine[tuple[str, ...]], known: Sequence[str], *, on_hosts: bool = False) -> Routine[str]:
    """What was detached of the old table in the moment of the exchange, as a reason to keep it; '' for nothing."""
    found = yield from new_detached(looked, known)
    return detached_words(found, "in the moment of the exchange", on_hosts=on_hosts) if found else ""


def _detached_since(table: str, found: Sequence[str], when: str) -> str:
    return (
        f"{table}: {count_that(len(found), 'part', 'were')} detached by somebody else {when} (such as {found[0]}), and "
        "would go with the old table. Nothing was exchanged. ALTER TABLE ... ATTACH PARTITION brings the rows back; "
        f"else run again: the next plan asks for 'leave-detached-parts {table}'"
    )


def require_resting_streams(source: Physical, options: ApplyOptions) -> Routine[None]:
    """Raise ApplyError where a stream brings rows into the table and nobody has said that it is stopped."""
    if source.name not in options.writers_stopped:
        found = yield from find_background_inserts(source.database, source.name, topology=options.topology)
        require_resting(source, found, options)


def require_resting(source: Physical, found: BackgroundInserts, options: ApplyOptions) -> None:
    """The same of what was ``found`` to bring rows into the table.

    Rows that a stream brings during the exchange would land in the old table, and nothing shows when the last of them
    did.
    """
    if found.streams and source.name not in options.writers_stopped:
        raise ApplyError(
            f"{', '.join(found.streams)} {'brings' if len(found.streams) == 1 else 'bring'} rows into {source.name} "
            f"all the time, and nobody can wait for them{found.doubt}."
            f" Stop them (DETACH TABLE) and run: aaiclick migrate {allow_flag(f'writers-stopped {source.name}')}"
        )
