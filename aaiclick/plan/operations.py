"""What a step does when it is carried out, as data: one class for each strategy. A plan with its work survives JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from aaiclick.catalog.forms import Settings, TableForm


@dataclass(frozen=True, slots=True)
class CreateWork:
    """One CREATE of an object that is missing. ``secret``: its text is never written down (a plan's JSON leaves it out). ``load``: the statement that
    shows whether it can be used; where it fails the object is dropped again, by ``undo``."""

    sql: str
    settings: Settings = ()
    kind: Literal["create"] = "create"
    secret: bool = False
    load: str = ""
    undo: str = ""


@dataclass(frozen=True, slots=True)
class Guard:
    """What no row met when it was looked at, and none may meet before the change: ``condition`` over the stored columns of the live table. ``problem``
    ends a sentence about rows that do, ``example`` is shown of one of them."""

    condition: str
    problem: str
    example: str


@dataclass(frozen=True, slots=True)
class Alter:
    """One ALTER. ``risky``: it can fail on the data inside its mutation, so it is sent alone and ``recovery`` (the ALTER that puts the
    column back) belongs to it. ``retimes``: it sets a TTL, and parts work out anew when their rows expire; ``recalculating``: the table
    itself declares that they only do that. ``guards``: what it rests on; it takes them away."""

    sql: str
    mutates: bool = False
    risky: bool = False
    recovery: str = ""
    retimes: bool = False
    recalculating: bool = False
    guards: tuple[Guard, ...] = ()


@dataclass(frozen=True, slots=True)
class AlterWork:
    """ALTERs of one table, in an order that the rehearsal has shown to be accepted. ``frees_ttl``: a TTL goes or lengthens, and rows that
    the old one would take are kept from now on, also by merges that are running already. ``seen``: rows up to this block number were looked
    at; those of newer parts are counted again for the guards (0: all rows are)."""

    table: str
    alters: tuple[Alter, ...]
    settings: Settings = ()
    kind: Literal["alter"] = "alter"
    frees_ttl: bool = False
    seen: int = 0


@dataclass(frozen=True, slots=True)
class AttachWork:
    """``alters`` on the live table first; then a new table of ``form`` takes over its parts by hard link, and the two are exchanged. ``guards``: what
    that rests on; ``seen`` as in ``AlterWork``."""

    table: str
    form: TableForm
    alters: tuple[Alter, ...] = ()
    settings: Settings = ()
    kind: Literal["attach"] = "attach"
    guards: tuple[Guard, ...] = ()
    seen: int = 0


@dataclass(frozen=True, slots=True)
class CopyColumn:
    """``target`` is filled with ``expression`` over the old columns; ``verify`` is False where the conversion is not injective (the
    column is then left out of the checksum, and named)."""

    target: str
    expression: str
    verify: bool = True


@dataclass(frozen=True, slots=True)
class RebuildWork:
    """A new table of ``form`` is filled by a copy of the rows and exchanged with ``table``.

    ``columns`` lists every stored column of ``form`` that the copy fills. ``where`` filters old rows ('' for all). ``ordered``: the
    result depends on the order of rows (Replacing without version, Collapsing ...). ``fenced``: a materialized view reads the table
    or the engine is ordered. ``keeps_ttl`` is False where the new table has no TTL or a longer one: TTL merges are then stopped
    before the first read. ``back``: for old columns how they follow from the new ones, where a migration says so. ``guards``: what the copy rests
    on; ``seen`` as in ``AlterWork``.
    """

    table: str
    form: TableForm
    columns: tuple[CopyColumn, ...]
    where: str = ""
    ordered: bool = False
    fenced: bool = False
    keeps_ttl: bool = False
    settings: Settings = ()
    kind: Literal["rebuild"] = "rebuild"
    back: tuple[CopyColumn, ...] = ()
    guards: tuple[Guard, ...] = ()
    seen: int = 0


@dataclass(frozen=True, slots=True)
class ReplaceWork:
    """Statements that replace an object without rows of its own (view, dictionary), or change a view's query in place. ``secret`` as in
    ``CreateWork``. ``trial``: the CREATE of a dictionary behind its name; it is loaded under another one first ('' for none)."""

    statements: tuple[str, ...]
    settings: Settings = ()
    kind: Literal["replace"] = "replace"
    secret: bool = False
    trial: str = ""


@dataclass(frozen=True, slots=True)
class Fill:
    """What a view would have made of the rows that ``source`` held before it: ``columns`` are (name, expression) over the rows that
    ``where`` selects ('' for all), grouped by ``keys``, which are names among them; they go into ``target``. ``empty``: the target may hold
    nothing when writers are kept out, else rows would count twice.

    ``target`` is '' for the table that the view owns. Where ``before`` is not '', the query is ``before``, the condition and ``behind``, and yields ``columns``
    by name."""

    source: str
    target: str
    columns: tuple[tuple[str, str], ...]
    keys: tuple[str, ...]
    where: str = ""
    empty: bool = True
    before: str = ""
    behind: str = ""


@dataclass(frozen=True, slots=True)
class BackfillWork:
    """Statements that put a materialized view in place between two inserts of its ``sources``, so that every row meets the old view or the
    new one, and never both; then the ``fill`` for rows that were there before. Each statement may be sent again, apart from a last CREATE.
    ``undo`` makes the old view again where the new one is refused."""

    view: str
    statements: tuple[str, ...]
    sources: tuple[str, ...]
    fill: Fill | None = None
    undo: str = ""
    kind: Literal["feed"] = "feed"


@dataclass(frozen=True, slots=True)
class DropWork:
    """One DROP, only ever planned for what was asked for by name."""

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
    """The data move of a migration."""

    migration: int
    kind: Literal["callable"] = "callable"


Work: TypeAlias = CreateWork | AlterWork | AttachWork | RebuildWork | ReplaceWork | BackfillWork | DropWork | SqlWork | CallableWork
