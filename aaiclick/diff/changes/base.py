"""What every change has: words, commands, hazards, checks.

A change is one difference between the live table and the wanted one. It knows its description, the ALTER commands
that make it, what they do to rows and values, and what has to be counted in the data first. Whether the engine
accepts the commands is found out by the rehearsal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from aaiclick.diff.hazards import Hazard


class Phase(IntEnum):
    """The order in which the commands for one table are safe.

    For example an index has to be dropped before the column that it reads (error 47), and a column has to be added
    before the sort key that takes it in (error 36). The order was found with the ALTERs between 1,105 pairs of real
    table definitions.
    """

    # Before anything gives the rows of old parts another default to read.
    WRITE_OLD_VALUES = -1
    # Before the columns that they read are dropped or get another type (47, 524).
    DROP_OBJECTS = 0
    # Before the column that the default reads is dropped (44).
    REMOVE_DEFAULT = 1
    # Before the column that the key loses is dropped (524).
    SHORTEN_KEY = 2
    # Before a rename or an addition that takes the name of one.
    DROP_COLUMNS = 3
    # Before all that follows: the commands behind it use the new names.
    RENAME = 4
    # Before positions, keys and objects that name them.
    ADD_COLUMNS = 5
    # Behind all additions, in one mutation: the server carries an ALTER out in pieces, and what a column reads has to
    # be there in the piece that writes it (47).
    WRITE_COLUMNS = 6
    MODIFY = 7
    # New columns whose expressions read what MODIFY changes: a mutation or a merge in between would store what they are
    # over the old type or the old ALIAS.
    ADD_READERS = 8
    WRITE_READERS = 9
    # AFTER may name any new column.
    MOVE = 10
    # In the ALTER that adds the column which the key takes in, and behind that command (36).
    SORT_KEY = 11
    # When the columns that they read have their last types.
    ADD_OBJECTS = 12
    TTL = 13
    SETTINGS = 14
    COMMENT = 15
    # Last: it writes what was added for the rows that are there.
    MATERIALIZE = 16


@dataclass(frozen=True, slots=True)
class AlterCommand:
    """One command of an ALTER TABLE."""

    phase: Phase
    """Its place among the commands for one table."""
    text: str
    """The command, as SQL, without ALTER TABLE."""
    alone: bool = False
    """True where it is sent in an ALTER of its own."""
    recovery: str = ""
    """Command that puts the column back where this one fails on the data; '' where it cannot."""
    place: int = 0
    """Its place among the commands of the phase that are sent together; those of one place keep their order."""
    sets_ttl: bool = False
    """True where it sets a TTL. Each part has noted when its rows expire, and a merge drops a part whose rows are all
    past that, whatever the TTL is by then: so the notes have to be made anew."""


@dataclass(frozen=True, slots=True)
class DataCheck:
    """A question to the rows: how many of them keep the change from being made."""

    condition: str
    """Condition over the live columns, true for such a row."""
    example: str
    """Expression that is shown of one of them."""
    problem: str
    """End of the sentence '<count> rows ...'."""
    forward: str = ""
    """Evaluated instead of ``condition`` where the engine has no conversion back, so that nothing can be compared. It
    only shows that every row converts. '' for none."""
    unproven: Hazard | None = None
    """Hazard of the step where only ``forward`` could be evaluated."""
    allowable: Hazard | None = None
    """Hazard of the step where rows are found, with their count and an example. None: such rows block the step."""
    hint: str = ""
    """What can be done about it; '' for nothing."""


class Change(Protocol):
    """One difference between the live table and the target."""

    @property
    def words(self) -> str:
        """What differs, for an operator: ``sort key a -> (a, b)``."""
        ...

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        """The ALTER commands that make the change; empty where ALTER has no syntax for it."""
        ...

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        """What the change does to rows, values and old code."""
        ...

    @property
    def copied_hazards(self) -> tuple[Hazard, ...]:
        """The same where rows are copied into a new table."""
        ...

    @property
    def checks(self) -> tuple[DataCheck, ...]:
        """What has to be counted in the rows before the change is made."""
        ...


@dataclass(frozen=True, slots=True)
class BaseChange:
    """A change that needs no check and no consent, unless it says otherwise."""

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        return ()

    @property
    def copied_hazards(self) -> tuple[Hazard, ...]:
        return self.hazards

    @property
    def checks(self) -> tuple[DataCheck, ...]:
        return ()


def or_none(text: str) -> str:
    """A clause for people: ``none`` where it is absent."""
    return text or "none"
