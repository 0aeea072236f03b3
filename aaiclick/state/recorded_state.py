"""Reads what is recorded of a schema: its last record, the names that it declared, which other schemas declare tables
here, and the journal.

Two questions, one to each of the two tables; none to a table that is not there. A third one where the last record is
of code without a version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aaiclick.routine import Routine
from aaiclick.state.block_numbers import block_numbers_in
from aaiclick.state.journal import Entry
from aaiclick.state.owned import Owned
from aaiclick.state.owners import TableOwner, owners_of, take_overs
from aaiclick.state.progress import JournalScope, own_entries, read_journal
from aaiclick.state.record import Record, Space
from aaiclick.state.records import read_numbered, read_records


@dataclass(frozen=True, slots=True)
class RecordedState:
    """What is written down."""

    record: Record | None = None
    """The last transition; None where there is none."""
    numbered: Record | None = None
    """The last one to a version: code without a version changes definitions, and no migration is done by that. None
    where there never was one."""
    names: frozenset[tuple[Space, str]] = frozenset()
    """Every object that some version of the schema had here."""
    owners: Mapping[tuple[Space, str], TableOwner] = field(default_factory=dict[tuple[Space, str], TableOwner])
    """What belongs to another schema of this database."""
    entries: tuple[Entry, ...] = ()
    """What the journal holds of this generation, in the order in which it was said."""
    block_numbers: Mapping[str, str] = field(default_factory=dict[str, str])
    """The storages that keep block numbers because of us, by UUID, with the name that each had then."""

    @property
    def relations(self) -> frozenset[str]:
        """The names of what the catalogue of the database lists: tables, views and dictionaries."""
        return frozenset(name for space, name in self.names if not space)


def journal_scope(database: str, schema: str, record: Record | None) -> JournalScope:
    """Where what follows the record is entered."""
    return (
        JournalScope(database, schema, record.generation, record.seq)
        if record is not None
        else JournalScope(database, schema, 0)
    )


def read_recorded_state(owned: Owned, schema: str, *, journal: bool = True) -> Routine[RecordedState]:
    """Read both tables as far as they are there. ``journal``: whether what it holds of this schema counts.

    Raises UnsupportedObjectError where ``schema_version`` is somebody else's table.
    """
    record, claims = (yield from read_records(owned.database, schema)) if owned.recorded else (None, ())
    numbered = record
    if record is not None and record.version is None:
        # Asked only then: in a database that no code without a version has seen it is the same record.
        numbered = yield from read_numbered(owned.database, schema)
    scope = journal_scope(owned.database, schema, record)
    # Behind the record, which says of which generation entries are wanted.
    entries = (yield from read_journal(scope)) if owned.journal else ()
    own = own_entries(entries) if journal else ()
    names: frozenset[tuple[Space, str]] = frozenset(
        (claim.space, claim.name) for claim in claims if claim.schema == schema
    )
    owners = owners_of(claims, take_overs(entries), schema)
    return RecordedState(record, numbered, names, owners, own, block_numbers_in(entries))
