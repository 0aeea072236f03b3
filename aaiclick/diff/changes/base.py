"""What every change can say about itself.

A change is one difference between the live table and the wanted one. It knows its words, the ALTER commands that make it, what
they do to rows and values, and what has to be counted in the data beforehand. It does not know whether the engine accepts the
commands: that is found out by rehearsal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from aaiclick.diff.hazards import Hazard


class Phase(IntEnum):
    """The order in which commands of one table are safe: what others depend on goes last, what depends on others goes first.

    Source: the generated ALTERs over 1,105 pairs of real table definitions; e.g. an index must be dropped before the column it
    reads (error 47), a column added before the sort key that takes it in (36).
    """

    PIN = -1
    DROP_OBJECTS = 0
    REMOVE_DEFAULT = 1
    SHORTEN_KEY = 2
    DROP_COLUMNS = 3
    RENAME = 4
    ADD_COLUMNS = 5
    MODIFY = 6
    SORT_KEY = 7
    ADD_OBJECTS = 8
    TTL = 9
    SETTINGS = 10
    COMMENT = 11
    MATERIALIZE = 12


@dataclass(frozen=True, slots=True)
class AlterCommand:
    """One command of an ALTER. ``alone`` ones are sent by themselves: they can fail on the data, and ``recovery`` is the command that
    then puts the column back. ``retimes``: it sets a TTL, and what parts noted of an older one has to be worked out anew: a merge
    drops a part as a whole where all its rows are past their TTL *as noted*, whatever the TTL is by then."""

    phase: Phase
    text: str
    alone: bool = False
    recovery: str = ""
    sets_ttl: bool = False


@dataclass(frozen=True, slots=True)
class DataCheck:
    """Counts the rows that stand in the way: ``condition`` over the live table's columns is true for them, ``example`` is the expression
    shown for one of them. ``problem`` ends the sentence '<count> rows ...'.

    Where the engine has no conversion back (so that nothing can be compared) ``forward`` is evaluated instead, which only shows that every
    row converts; ``unproven`` is then a hazard of the step.

    ``allowable``: what is found does not block the step but is this hazard of it, its message with the count in front and an example.
    ``hint``: what can be done about it, at the end of the sentence.
    """

    condition: str
    example: str
    problem: str
    forward: str = ""
    unproven: Hazard | None = None
    allowable: Hazard | None = None
    hint: str = ""


class Change(Protocol):
    """One difference, in the form the strategies need."""

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
        """What the change does to rows, values and old code, whatever strategy carries it out."""
        ...

    @property
    def checks(self) -> tuple[DataCheck, ...]:
        """What has to be counted first."""
        ...


@dataclass(frozen=True, slots=True)
class BaseChange:
    """Base of changes without hazards and checks."""

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        return ()

    @property
    def checks(self) -> tuple[DataCheck, ...]:
        return ()


def shown(text: str) -> str:
    """A clause in words: ``none`` where it is absent."""
    return text or "none"
