"""What a version does to a table, and what several of them do to it in one copy."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from aaiclick.catalog.forms import TableForm
from aaiclick.specs.migrations import Rebuild
from aaiclick.specs.renames import with_leaves


@dataclass(frozen=True, slots=True)
class VersionChange:
    """What one version does to one table."""

    version: int
    """The number of the version."""
    label: str
    """What people call its migration: ``0002_sort_key.sql``; ``version 2`` where it has none."""
    table: str
    """Name of the table from this version on."""
    before: str
    """Name of the table until this version."""
    renames: Mapping[str, str] = field(default_factory=dict[str, str])
    """Renames of columns that its migration lists, old -> new."""
    rebuild: Rebuild | None = None
    """Expressions and filter of its migration; None where it has none, or the copy was made already."""
    in_place: bool = False
    """True where the migration says ``strategy: alter``: anything but an ALTER is refused."""
    form: TableForm | None = None
    """The released form of the table; None where no lock file has it, and for the newest version, whose form is the
    declaration."""
    doubt: str = ""
    """Why nobody knows whether the copy was made already; '' where it was not."""
    allow: str = ""
    """The key that allows it all the same."""
    dropped: frozenset[str] = frozenset()
    """Columns that its migration allows to drop. They are gone with it where its form lacks them."""
    gone: bool = False
    """True where its migration drops the whole table: what a later version makes under the name begins empty."""
    copied: bool = False
    """True where the copy that its migration asks for is made already."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far the rows of a storage are on a way over several versions."""

    version: int
    """What the versions up to this one say of the rows is done; 0: none of it."""
    columns: Mapping[str, bool] | None = None
    """Where an ALTER of the storage was begun, and nothing says that it has ended: the columns as they were before it,
    and whether each was stored; else None."""
    until: int = 0
    """The version that this ALTER leads to."""


@dataclass(frozen=True, slots=True)
class PossibleRename:
    """A name that a version has no longer, and another one that came with it: nothing says whether that is a rename.
    Lock files of releases before a remark ``renamed_from`` was written into the migration have such."""

    version: int
    """The number of the version."""
    old: str
    """The column, or table, that is gone."""
    new: str
    """The one that came."""


def possible_column_renames(first: TableForm, changes: Sequence[VersionChange]) -> tuple[PossibleRename, ...]:
    """Columns that may have been renamed on the way. ``first``: the released form before the first of the changes."""
    found: list[PossibleRename] = []
    before: TableForm | None = first
    for change in changes:
        form = change.form
        if before is not None and form is not None and not change.copied:
            filled = change.rebuild.columns if change.rebuild is not None else {}
            # A rename of a Nested renames each of its arrays, and the server shows these as columns of their own.
            renames = with_leaves(change.renames, [column.name for column in before.columns])
            gone = [
                column
                for column in before.columns
                if form.column(column.name) is None and column.name not in {*renames, *change.dropped}
            ]
            came = [
                column
                for column in form.columns
                if before.column(column.name) is None and column.name not in {*renames.values(), *filled}
            ]
            found += [
                PossibleRename(change.version, old.name, new.name)
                for old in gone
                for new in came
                # Of another type it would be a new column in any case: a rename changes no value.
                if old.type == new.type
            ]
        before = form
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Composed:
    """The changes of several versions put together, for one copy."""

    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    """Expression over the live columns for each column of the declaration that a migration fills."""
    renames: Mapping[str, str] = field(default_factory=dict[str, str])
    """Renames over all versions: live name -> declared name."""
    where: str = ""
    """Condition on the live rows, as SQL; '' for all rows."""
    back: Mapping[str, str] = field(default_factory=dict[str, str])
    """Expression over the declared columns for live columns, for a rollback; empty where no migration says how."""
    rebuilds: tuple[VersionChange, ...] = ()
    """The versions whose expressions are in it."""
    in_place: tuple[VersionChange, ...] = ()
    """The versions that allow no copy."""
    problem: str = ""
    """Why the versions cannot be put into one copy; '' where they can."""
    defaults: Mapping[str, str] = field(default_factory=dict[str, str])
    """Columns that a version added with another default than the declared one, and what people call that version."""
    anew: Mapping[str, Drop] = field(default_factory=dict[str, "Drop"])
    """Columns that a version drops and a later one adds again: none of their values stays."""
    emptied: str = ""
    """What people call the version that drops the table, which a later one makes anew; '' where none does."""
    unknown_defaults: tuple[str, ...] = ()
    """New columns that a version on the way may have added with another default than the declared one: no lock file has
    its form."""

    aliases: Mapping[str, StoredAlias] = field(default_factory=dict[str, "StoredAlias"])
    """ALIAS columns that a version between changed or stored, and that are stored in the end with the values that they
    had then."""
    unread: Mapping[str, Drop] = field(default_factory=dict[str, "Drop"])
    """Stored columns that a version makes an ALIAS of and a later one stores again: none of their values stays."""
    through: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Columns that are converted through the types of the versions between, with these: one conversion would give their
    values another meaning."""

    dropped: Collection[str] = ()
    """Live columns that versions on the way drop, by their live names, and that nobody declares in the end: the
    migrations allow it under the names that they have then."""

    @property
    def fills(self) -> bool:
        """True where only a copy gives the columns what the versions between say."""
        return bool(self.rebuilds or self.defaults or self.aliases or self.unread)


@dataclass(frozen=True, slots=True)
class StoredAlias:
    """Whose values a column has that was an ALIAS."""

    label: str
    """What people call the version."""
    materialized: bool
    """True where that version made it MATERIALIZED: other values than the ALIAS has are allowed by name there."""
    same: bool
    """True where the values are those that the ALIAS has now."""


@dataclass(frozen=True, slots=True)
class Drop:
    """A column whose values a version gives up."""

    label: str
    """What people call the version."""
    column: str
    """The name that the column had then."""
    ephemeral: bool = False
    """True where that version makes it EPHEMERAL, and does not drop it."""
    reads: str = ""
    """What rows read as the column so far, where it is an ALIAS; '' where it is stored."""
    same: bool = False
    """True for an ALIAS as which rows read the same in the end."""

    @property
    def key(self) -> str:
        """What allows it, without the table."""
        return "change-default" if self.ephemeral else "drop-column"
