"""Old tables that are kept for a rollback: what their comments say, and their removal when the time is over."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import Catalog, Settings
from aaiclick.clickhouse.features import FENCE, has_readonly_setting
from aaiclick.clickhouse.names import kept_table
from aaiclick.clickhouse.parts import names_of_detached, parts
from aaiclick.clickhouse.statements import ask, ddl, drop_table
from aaiclick.clickhouse.storages import remove_guards
from aaiclick.clickhouse.tables import Physical, physical
from aaiclick.clickhouse.write_fence import lift_fence
from aaiclick.events import Note
from aaiclick.printable import count_that, rows_text
from aaiclick.routine import Emit, Nonce, Routine, number, text
from aaiclick.sql.clauses import modify_setting, reset_setting
from aaiclick.sql.ddl import alter_table, rename_table
from aaiclick.sql.quoting import qualified
from aaiclick.state.block_numbers import note_block_numbers, reset_unneeded_block_numbers
from aaiclick.state.comments import CommentFormat, replace_comment
from aaiclick.state.rebuild_mark import Mark
from aaiclick.state.replicated.base_blocks import BaseBlock

KEPT_PREFIX = "_aaiclick_old_"
DAY = 86400
LAST_MOMENT = 253_402_300_799
"""The end of the year 9999, in Unix seconds: Python shows no later moment."""
KEPT_ALONE = "this host keeps it for itself alone, from a start that took the cluster for one node: DROP TABLE there"
"""Why a table of a cluster stays that all other hosts know nothing of."""


# It stays in the comment of the table for as long as that is kept, over any number of releases: a field that is added
# needs a default that says what earlier ones did.
@dataclass(frozen=True, slots=True)
class KeptComment:
    """The comment of a kept table. All times are the server's."""

    table: str
    """What it was called."""
    uuid: str
    """Its storage."""
    replaced_by: str
    """The storage that took its place."""
    since: int
    """When; Unix seconds."""
    expires: int
    """When it is dropped, Unix seconds; 0: it stays until somebody decides."""
    saved: Settings = ()
    """Its settings before its merges were stopped."""
    reason: str = ""
    """Why it stays; '' where it expires."""
    copied: int = -1
    """The highest of its blocks whose rows were copied into the new table."""
    base: int | None = None
    """The block of the new table up to which those rows are; None: nobody can tell."""
    numbered: bool = False
    """The new table keeps block numbers because of a setting of ours."""
    comment: str = ""
    """Its comment before it was kept."""
    back: bool = False
    """It was replaced by a still older one."""
    back_to: int | None = None
    """The version that this was done for."""
    moment: int = 0
    """``since`` in Unix milliseconds, as the records of transitions have it; 0: an earlier release did not write it."""
    brought: int | None = None
    """Everything up to this block is in the new table, also what came late; None: an earlier release did not write
    it."""
    format: int = 1
    """Of the comment."""
    bases: tuple[BaseBlock, ...] = ()
    """On a cluster, in place of ``base``, which is -1 then."""
    replicated: bool = False
    """All hosts of a cluster keep it."""
    detached: tuple[str, ...] = ()
    """Its detached parts that go with it: that was allowed by name."""

    def of_shard(self, shard: int) -> KeptComment:
        """What it says of one shard."""
        return replace(self, bases=tuple(each for each in self.bases if each[0] == shard))

    @property
    def earliest(self) -> int:
        """Unix milliseconds: it was not replaced before."""
        return self.moment or self.since * 1000

    @property
    def latest(self) -> int:
        """Unix milliseconds: it was not replaced later."""
        return self.moment or self.since * 1000 + 999


@dataclass(frozen=True, slots=True)
class KeptRow:
    """A kept table as the database has it."""

    name: str
    """What it is called now."""
    kept: KeptComment
    """What its comment says."""
    rows: int
    """Its rows."""
    bytes: int
    """Its size on disk."""
    hosts: tuple[KeptOnHost, ...] = ()
    """Where all hosts of a cluster keep it: what each has, in the order of the cluster. ``rows`` and ``bytes`` are
    those of the host that is asked."""


@dataclass(frozen=True, slots=True)
class KeptOnHost:
    """A kept table on one host of a cluster."""

    host: str
    rows: int
    bytes: int


COMMENT = CommentFormat(KeptComment, frozenset({"bases", "replicated", "detached"}))


def keep(mark: Mark, old: Physical, reason: str) -> Routine[str]:
    """Give the old storage its kept name, comment and fence; the name. Can be repeated after a crash at any point."""
    # Killed behind the rename: name and comment came with one another, at most the fence is missing.
    if old.name.startswith(KEPT_PREFIX):
        name = old.name
    else:
        name = yield from _free_name(old.database, mark)
        moment = yield from _server_time()
        since = moment // 1000
        kept = KeptComment(
            mark.table,
            mark.source,
            mark.shadow,
            since,
            0 if reason else since + mark.keep_old_seconds,
            mark.saved,
            reason,
            mark.copied,
            # With a reason to stay nobody can tell which rows came since: no rollback may count by it.
            mark.base if not reason else None,
            mark.numbered,
            # A run that was killed between comment and name is begun again: then this is no comment of the user's any
            # more.
            old.comment if (again := parse_kept(old.comment)) is None else again.comment,
            mark.back,
            mark.back_to,
            moment,
            mark.high,
            detached=mark.detached,
        )
        # Entered while the table has its scratch name: once it is a kept one, somebody may drop it by hand, and its
        # comment with it.
        if mark.numbered:
            yield from note_block_numbers(old.database, mark.table, mark.shadow)
        # A fenced table refuses the comment, and until it is renamed it is no kept table: comment first, name second,
        # fence last.
        if old.fenced:
            yield from lift_fence(old)
        yield from remove_guards(old)
        yield from replace_comment(old.database, old.name, COMMENT.dump(kept))
        yield from ddl(rename_table(qualified(old.database, old.name), qualified(old.database, name)))
    if (yield from has_readonly_setting()):
        yield from ddl(alter_table(qualified(old.database, name), modify_setting(FENCE, 1)))
    return name


def tables_with_our_block_numbers(
    listed: Sequence[KeptRow], noted: Mapping[str, str], catalog: Catalog
) -> frozenset[str]:
    """The live tables that have ``enable_block_number_column`` because of us: as long as the tables that they replaced
    are kept, or until a start finds that one was dropped by hand and its time is over."""
    ours = {**noted, **{row.kept.replaced_by: row.kept.table for row in listed if row.kept.numbered}}
    return frozenset(name for name in ours.values() if (live := catalog.get(name)) is not None and live.uuid in ours)


def parse_kept(comment: str) -> KeptComment | None:
    """What a kept table's comment says; None where it says something else."""
    return COMMENT.load(comment)


def drop_expired(
    database: str, listed: Sequence[KeptRow], at: int, noted: Mapping[str, str], named: Collection[str] = ()
) -> Routine[tuple[str, ...]]:
    """Drop the kept tables whose time is over; their names. ``at``: Unix seconds by the server's clock. ``noted``: the
    storages that have block numbers because of us, by UUID, with their names. ``named``: those that somebody has looked
    at, so that what only they hold is no reason to keep them.

    A table that got rows after its rows were last moved (by a flush that nobody could wait for), or of which parts were
    detached that nobody has agreed to lose, is kept, with a Note.
    The setting that a new table had for the sake of a kept one is reset, also if somebody dropped that one by hand.
    """
    dropped: list[str] = []
    ours = dict(noted)
    for row in listed:
        if not row.kept.expires or row.kept.expires > at:
            continue
        if row.name not in named and (reason := (yield from _only_in(database, row))):
            yield from _keep_on(database, row, reason)
            continue
        if row.kept.numbered and row.kept.replaced_by not in ours:
            # Kept by a release that did not enter it: once the table is gone only the journal says whose setting it is.
            yield from note_block_numbers(database, row.kept.table, row.kept.replaced_by)
            ours[row.kept.replaced_by] = row.kept.table
        yield from drop_table(database, row.name)
        dropped.append(row.name)
    # The setting goes second: without the numbers, a kept table that a kill has left could not be rolled back to. Only
    # ours: a setting that is declared, or that somebody has given the table by hand, is theirs.
    yield from reset_unneeded_block_numbers(
        database, ours, {row.kept.replaced_by for row in listed if row.name not in dropped}
    )
    return tuple(dropped)


def _only_in(database: str, row: KeptRow) -> Routine[str]:
    """What a kept table holds that is nowhere else, as a reason to keep it; '' for nothing."""
    brought = row.kept.brought
    table = yield from physical(database, row.name)
    if table is None or table.uuid != row.kept.uuid:
        return ""
    # Behind the last look of its own run a flush may still have come. A patch part changes rows that are there, and
    # brings none.
    present = (yield from parts(table)) if brought is not None else ()
    late = sum(part.rows for part in present if part.first > (brought or 0) and not part.patch)
    if late:
        return f"{rows_text(late)} reached it after it was replaced, and not {row.kept.table}"
    # An earlier release did not look for them when it exchanged the tables.
    found = yield from new_detached(names_of_detached(table), row.kept.detached)
    return since_replaced(row.kept, found)


def new_detached(looked: Routine[tuple[str, ...]], known: Collection[str]) -> Routine[tuple[str, ...]]:
    """The detached parts of a storage that nobody has agreed to leave behind. ``looked``: asks for all of them, here or
    on all hosts."""
    return tuple(name for name in (yield from looked) if name not in known)


def detached_words(found: Sequence[str], when: str, *, on_hosts: bool = False) -> str:
    """Why a table stays of which these parts were detached. ``on_hosts``: those of a cluster keep it."""
    # There a constraint keeps writers out, which ATTACH does not look at.
    back = (
        "on such a host ATTACH PARTITION of the old one brings them back"
        if on_hosts
        else f"on the old one RESET SETTING {FENCE} and ATTACH PARTITION bring them back"
    )
    return (
        f"{count_that(len(found), 'part', 'were')} detached from the old table {when} (such as {found[0]}), and the "
        f"new one may lack the rows, or still show them: {back}"
    )


def since_replaced(kept: KeptComment, found: Sequence[str]) -> str:
    """The same of what was found before it was to be dropped, its time being over; '' for nothing."""
    when = f"when {kept.table} was replaced, or later"
    return detached_words(found, when, on_hosts=kept.replicated) if found else ""


def say_kept(database: str, row: KeptRow, reason: str) -> Routine[None]:
    """Say, now and in what is said of it, that a kept table stays until somebody has looked at it. With this reason no
    run drops it."""
    yield Emit(Note(f"{row.name}: {reason}. It is kept until somebody has looked at it", "warning"))
    yield from replace_comment(database, row.name, COMMENT.dump(replace(row.kept, expires=0, reason=reason)))


def _keep_on(database: str, row: KeptRow, reason: str) -> Routine[None]:
    """Until somebody has looked at it. A fenced table refuses a comment, so the fence goes for as long."""
    target = qualified(database, row.name)
    fenced = yield from has_readonly_setting()
    if fenced:
        yield from ddl(alter_table(target, reset_setting(FENCE)))
    # A kill before the fence is up again leaves the table writable.
    yield from say_kept(database, row, reason)
    if fenced:
        yield from ddl(alter_table(target, modify_setting(FENCE, 1)))


def next_expiry(listed: Sequence[KeptRow]) -> int | None:
    """When the first of them expires (Unix seconds); None where none does."""
    return min((row.kept.expires for row in listed if row.kept.expires), default=None)


def _server_time() -> Routine[int]:
    rows = yield from ask("SELECT toUnixTimestamp64Milli(now64(3))")
    return number(rows[0][0])


def _free_name(database: str, mark: Mark) -> Routine[str]:
    """One run may rebuild a table twice: the second kept table gets a number of its own."""
    nonce = mark.nonce
    while True:
        name = kept_table(nonce, mark.table)
        if (yield from physical(database, name)) is None:
            return name
        rows = yield Nonce()
        nonce = text(rows[0][0])
