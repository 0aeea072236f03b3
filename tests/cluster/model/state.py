"""What there is at one moment of a copy on a cluster: what Keeper has, what each host shows, and how far runs are.

O is the storage with the user's rows, N the new one. Rows are bits; each belongs to the shard of the host that took it.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Statement: TypeAlias = tuple[str, int, int]
"""A statement that is on its way: its kind, the host or shard that it is for, and the number of its run; where it names
the new table, that of the run whose mark has the name."""


class Bounds(NamedTuple):
    """How much may happen, and to which hosts. ``shards``: that of each host; ``alters``: an operator does."""

    shards: tuple[int, ...]
    inserts: int = 1
    kills: int = 1
    belated: int = 0
    away: int = 0
    alters: bool = False


class RunState(NamedTuple):
    """How far a run is."""

    at: str
    """Its next step; '' when it is over."""
    place: int = 0
    """The shard or host that the step is for."""
    waited: int = 0
    """Rows of INSERTs that ran at its first look."""
    mark: int = -1
    """The run whose mark it goes by: all names of a copy are those of that run."""
    looked: bool = False
    """The host had the new table already, when it was looked at."""


class State(NamedTuple):
    """Everything that decides what can happen next."""

    runs: tuple[RunState, ...]
    """Of all runs; one that was killed is over."""
    holder: int
    """The run that has the lease; -1: nobody. A run that is over has it until somebody takes it."""
    note: tuple[int, str]
    """The run that wrote the mark, and its phase; (-1, '') for none."""
    before: tuple[int, str]
    """What it said before, which a host shows that has not come by the last line."""
    names: str
    """For each host the storage that has the name of the table."""
    shadows: tuple[bool, ...]
    """For each host whether the other storage has the name of the shadow."""
    exchanged: tuple[bool, ...]
    """For each host whether it ever had N under the name."""
    made: int
    """N is there: the run whose mark has its name; -1 where it is not."""
    closing: tuple[bool, ...]
    """For each shard whether the log of O has the constraint."""
    closed: tuple[bool, ...]
    """For each host whether it shows that."""
    new_closing: tuple[bool, ...]
    new_closed: tuple[bool, ...]
    """The same of N."""
    guards: frozenset[int]
    """The runs whose guards O has."""
    old: tuple[int, ...]
    """For each shard the rows of O in Keeper."""
    old_at: tuple[int, ...]
    """For each host those that it has fetched."""
    new: tuple[int, ...]
    new_at: tuple[int, ...]
    """The same of N."""
    staged: tuple[int, ...]
    """For each shard the rows that were copied."""
    flying: tuple[tuple[str, int], ...]
    """For each host the INSERT that runs there: its storage and row; ('', 0) for none."""
    taken: int
    """Rows that were acknowledged."""
    inserts: int
    kills: int
    away: int
    """How many of each were played."""
    altering: tuple[bool, ...]
    """For each shard whether the log of O has an operator's ALTER."""
    altered: tuple[bool, ...]
    """For each host whether it shows that."""
    defined: tuple[bool, ...]
    """The same when the copy began."""
    has_it: bool
    """The new table was planned with it."""
    kept: bool
    """O is kept because of it, and that is said."""
    gone: int
    """The host that does not answer; -1 for none."""
    told: bool
    """A run has ended because of that: the next one begins when it is back."""
    belated: tuple[Statement, ...]
    """Statements of runs that are over, which may come at any time."""
    late: int
    """How many of them there were."""
    wrong: str = ""
    """What has happened that must not."""


def first(bounds: Bounds) -> State:
    """Nothing has begun; there is one row in each shard."""
    hosts, shards = len(bounds.shards), 1 + max(bounds.shards)
    rows = tuple(1 << shard for shard in range(shards))
    return State(
        runs=(),
        holder=-1,
        note=(-1, ""),
        before=(-1, ""),
        names="O" * hosts,
        shadows=(False,) * hosts,
        exchanged=(False,) * hosts,
        made=-1,
        closing=(False,) * shards,
        closed=(False,) * hosts,
        new_closing=(False,) * shards,
        new_closed=(False,) * hosts,
        guards=frozenset(),
        old=rows,
        old_at=tuple(rows[shard] for shard in bounds.shards),
        new=(0,) * shards,
        new_at=(0,) * hosts,
        staged=(0,) * shards,
        flying=(("", 0),) * hosts,
        taken=sum(rows),
        inserts=0,
        kills=0,
        away=0,
        altering=(False,) * shards,
        altered=(False,) * hosts,
        defined=(False,) * hosts,
        has_it=False,
        kept=False,
        gone=-1,
        told=False,
        belated=(),
        late=0,
    )
