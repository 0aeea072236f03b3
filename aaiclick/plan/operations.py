"""What a step does, as data: one class for each way of carrying it out. It is part of a plan's JSON, so its field names
stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from aaiclick.catalog.forms import Settings, TableForm
from aaiclick.diff.hazards import Hazard, HazardKind
from aaiclick.printable import count_text, count_that


# All of these are read from saved plans, and from marks in databases, by later releases too: a field that is added
# needs a default, and none ever changes its name or its meaning.
@dataclass(frozen=True, slots=True)
class CreateWork:
    """One CREATE of a missing object."""

    sql: str
    """The CREATE statement."""
    settings: Settings = ()
    """Settings that are sent with it."""
    kind: Literal["create"] = "create"
    """Tells the classes apart in JSON."""
    secret: bool = False
    """True where the statement holds a secret: a plan's JSON leaves it out."""
    load: str = ""
    """Statement that shows whether the object can be used, such as SYSTEM RELOAD DICTIONARY; '' for none."""
    undo: str = ""
    """Statement that drops the object again where ``load`` fails; '' for none."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition that no live row met when it was counted, and that no row may meet until the change is made.

    It becomes a CHECK constraint of the live table for that time, so an INSERT of such a row is refused.
    ``condition`` reads stored columns. ``problem`` ends the sentence '<count> rows ...', ``example`` is an
    expression that is shown of one.
    """

    condition: str
    problem: str
    example: str


PARTS = "parts"
"""The parameter of a question with the names of parts, a comma between them."""


@dataclass(frozen=True, slots=True)
class MergeFinding:
    """What the counts of a look say where certain ones of them are more than 0."""

    places: tuple[int, ...]
    """Which: all of these."""
    kind: HazardKind
    """What it does to rows."""
    message: str
    """The sentence, with places for the counts: ``{0:,}``, ``{0:key}`` (1 key, 2 keys), ``{0:key become}``."""
    allow: str
    """What allows it."""
    one: str = ""
    """The sentence where the first of them is 1; '' for the same one."""


class _Count(int):
    """A count as it stands in a sentence, by what is counted."""

    def __format__(self, spec: str) -> str:
        noun, _, verb = spec.partition(" ")
        if verb:
            return count_that(self, noun, verb)
        return count_text(self, noun) if noun.isalpha() else super().__format__(spec)


@dataclass(frozen=True, slots=True)
class MergeLook:
    """Counts over the rows of a table that have found nothing, and are asked once more when no other row can come in:
    rows that came after the plan, or that a replica had not fetched yet, may be such that merges combine them."""

    columns: tuple[str, ...]
    """The counts, as SQL."""
    source: str
    """What they are counted over, as it stands behind FROM."""
    near: str
    """The same of those rows only that rows of the parts ``PARTS`` could meet; '' where that cannot be told."""
    findings: tuple[MergeFinding, ...]
    """What they may find. The first one counts."""
    settings: Settings = ()
    """Settings that are sent with the question."""

    def found(self, counts: Sequence[int]) -> Hazard | None:
        """The first finding that the counts show; None for none."""
        for each in self.findings:
            if all(counts[place] > 0 for place in each.places):
                words = each.one if each.one and counts[each.places[0]] == 1 else each.message
                return Hazard(each.kind, words.format(*map(_Count, counts)), each.allow)
        return None


@dataclass(frozen=True, slots=True)
class Alter:
    """One ALTER TABLE."""

    sql: str
    """The statement."""
    mutates: bool = False
    """True where it starts a mutation."""
    risky: bool = False
    """True where it can fail on the data inside its mutation; it is then sent alone."""
    recovery: str = ""
    """ALTER that puts the column back where this one fails; '' for none."""
    retimes: bool = False
    """True where it sets a TTL: parts have to compute anew when their rows expire."""
    recalculating: bool = False
    """True where the table itself sets ``materialize_ttl_recalculate_only``: a change of its TTL then deletes nothing
    by itself."""
    guards: tuple[Guard, ...] = ()
    """Guards that it relies on; it takes their constraints away."""


@dataclass(frozen=True, slots=True)
class AlterWork:
    """ALTERs of one table, in an order that the rehearsal has shown to be accepted."""

    table: str
    """Name of the table."""
    alters: tuple[Alter, ...]
    """The statements."""
    settings: Settings = ()
    """Settings that are sent with each."""
    kind: Literal["alter"] = "alter"
    """Tells the classes apart in JSON."""
    frees_ttl: bool = False
    """True where a TTL is removed or longer than before: also merges that run already must keep the rows that it would
    have deleted."""
    seen: int = 0
    """Block number up to which rows were counted for the guards. Rows of newer parts are counted again; 0: all rows
    are."""
    rereads: bool = False
    """True where parts that are detached, and attached later, are read otherwise behind it."""


@dataclass(frozen=True, slots=True)
class AttachWork:
    """ALTERs of the live table; then a new table takes over its parts as hard links, and the two are exchanged."""

    table: str
    """Name of the table."""
    form: TableForm
    """Form of the new table."""
    alters: tuple[Alter, ...] = ()
    """ALTERs that are sent first."""
    settings: Settings = ()
    """Settings that are sent with each."""
    kind: Literal["attach"] = "attach"
    """Tells the classes apart in JSON."""
    guards: tuple[Guard, ...] = ()
    """Guards that stay until the tables are exchanged."""
    seen: int = 0
    """As in ``AlterWork``."""
    looks: tuple[MergeLook, ...] = ()
    """What is counted once more: before the ALTERs, or where there are none when writers are refused."""


@dataclass(frozen=True, slots=True)
class CopyColumn:
    """A column that a copy fills with an expression over the old columns.

    ``verify`` is False where two values may become the same: the column is then left out of the checksum, and named
    in the plan.
    """

    target: str
    expression: str
    verify: bool = True


@dataclass(frozen=True, slots=True)
class RebuildWork:
    """A new table that is filled with a copy of the rows, and exchanged with the live one."""

    table: str
    """Name of the table."""
    form: TableForm
    """Form of the new table."""
    columns: tuple[CopyColumn, ...]
    """All stored columns of the new table that the copy fills; the others get their default."""
    where: str = ""
    """Condition on the old rows; '' for all rows."""
    ordered: bool = False
    """True where the result of a merge depends on the order of rows, so the copy has to keep it."""
    fenced: bool = False
    """True where writers are kept out for the last part of the copy: a materialized view reads the table, or the order
    of rows matters."""
    keeps_ttl: bool = False
    """True where the new TTL may delete rows that the old one keeps, or where the old table has none: its TTL merges
    then go on. False: they are stopped before the first row is read."""
    settings: Settings = ()
    """Settings that are sent with the copy."""
    kind: Literal["rebuild"] = "rebuild"
    """Tells the classes apart in JSON."""
    back: tuple[CopyColumn, ...] = ()
    """For a rollback: old columns as expressions over the new ones."""
    guards: tuple[Guard, ...] = ()
    """Guards that stay until the tables are exchanged."""
    seen: int = 0
    """As in ``AlterWork``."""
    looks: tuple[MergeLook, ...] = ()
    """What is counted once more before the tables are exchanged."""


@dataclass(frozen=True, slots=True)
class ReplaceWork:
    """Statements that replace an object without rows of its own, or change a view's query in place."""

    statements: tuple[str, ...]
    """The statements, in order."""
    settings: Settings = ()
    """Settings that are sent with each."""
    kind: Literal["replace"] = "replace"
    """Tells the classes apart in JSON."""
    secret: bool = False
    """As in ``CreateWork``."""
    trial: str = ""
    """CREATE of a dictionary without its head: it is loaded under another name first. '' for none."""


@dataclass(frozen=True, slots=True)
class Fill:
    """Rows that a view's query yields for what its source held before the view was there."""

    source: str
    """Table that the rows are read from."""
    target: str
    """Table that they go into; '' for the view's inner table."""
    columns: tuple[tuple[str, str], ...]
    """Name and expression of each column."""
    keys: tuple[str, ...]
    """Columns to group by; empty for none."""
    where: str = ""
    """Condition on the rows of the source; '' for all rows."""
    empty: bool = True
    """True where the target has to be empty once writers are kept out: rows in it would count twice."""
    before: str = ""
    """The view's query up to its condition; '' where the query is made of the fields above."""
    behind: str = ""
    """The view's query behind its condition."""


@dataclass(frozen=True, slots=True)
class BackfillWork:
    """Statements that put a materialized view in place between two inserts of its sources, and a fill with the rows
    that were there.

    Writers of the sources are kept out in the meantime, so every row goes through the old view or the new one, and
    through one of them only.
    """

    view: str
    """Name of the view."""
    statements: tuple[str, ...]
    """The statements. Each may be sent again, except a CREATE."""
    sources: tuple[str, ...]
    """Tables whose writers are kept out."""
    fill: Fill | None = None
    """What is inserted afterwards; None for nothing."""
    undo: str = ""
    """CREATE of the old view, for where the new one is refused; '' for none."""
    kind: Literal["feed"] = "feed"
    """Tells the classes apart in JSON; saved plans have always had this word."""


@dataclass(frozen=True, slots=True)
class CollectionWork:
    """One CREATE or ALTER of a named collection. Its values come from the declaration when it is sent."""

    name: str
    """Name of the collection."""
    pairs: tuple[tuple[str, str], ...]
    """The keys that are set, each with ``OVERRIDABLE``, ``NOT OVERRIDABLE`` or ''."""
    there: bool = False
    """True: the collection is there, and altered."""
    kind: Literal["named collection"] = "named collection"
    """Tells the classes apart in JSON."""


@dataclass(frozen=True, slots=True)
class DropWork:
    """One DROP. It is planned only for what an earlier version declared, and carried out only where it is allowed by
    name."""

    sql: str
    kind: Literal["drop"] = "drop"


@dataclass(frozen=True, slots=True)
class SqlWork:
    """Statements of a migration."""

    statements: tuple[str, ...]
    migration: int
    kind: Literal["sql"] = "sql"


@dataclass(frozen=True, slots=True)
class CallableWork:
    """The function of a migration."""

    migration: int
    kind: Literal["callable"] = "callable"
    checksum: str = ""
    """The checksum of the migration, which covers the file that holds the function."""


Work: TypeAlias = (
    CreateWork
    | AlterWork
    | AttachWork
    | RebuildWork
    | ReplaceWork
    | BackfillWork
    | CollectionWork
    | DropWork
    | SqlWork
    | CallableWork
)
