"""What the model of a server holds: databases of storages, their parts, and the statements that run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from aaiclick.errors import StatementError
from aaiclick.sql.quoting import quote_string

Values = tuple[int, ...]
NAMES = {
    36: "BAD_ARGUMENTS",
    44: "ILLEGAL_COLUMN",
    57: "TABLE_ALREADY_EXISTS",
    60: "UNKNOWN_TABLE",
    81: "UNKNOWN_DATABASE",
    394: "QUERY_WAS_CANCELLED",
}
NAMES[395] = "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"
NAMES |= {82: "DATABASE_ALREADY_EXISTS", 774: "TABLE_IS_PERMANENTLY_READ_ONLY"}
FENCE = "table_readonly"
DROP_DELAY = 480.0
"""``database_atomic_delay_before_drop_table_sec``."""


class UnmodelledError(Exception):
    """The product sends a statement that the model does not know: teach it, and check it against the engine."""


def refusal(code: int, words: str, sql: str = "") -> StatementError:
    """What the server says."""
    name = NAMES[code]
    return StatementError(f"Code: {code}. DB::Exception: {words}. ({name})", code, name, sql)


@dataclass(slots=True)
class Part:
    """An active part; ``rows`` are those of all columns, in the order of the sort key."""

    partition: str
    first: int
    last: int
    level: int
    rows: tuple[Values, ...]
    numbered: bool = False
    name: str = field(init=False)
    shown: tuple[str | int, ...] = field(init=False)
    """As a row of ``system.parts``: it is asked for again and again."""

    def __post_init__(self) -> None:
        self.number(self.first, self.last)

    def number(self, first: int, last: int) -> None:
        """Its block numbers, and what has them in it. The hash of its files is the same for the same rows."""
        self.first, self.last = first, last
        self.name = f"{self.partition}_{first}_{last}_{self.level}"
        content = f"{hash(self.rows) & (1 << 64) - 1:032x}"
        size = len(self.rows), 500 + 8 * len(self.rows)
        self.shown = (self.partition, first, last, self.level, first, *size, self.name, 0, content)


@dataclass(slots=True)
class Storage:
    """A table, wherever it is called now. ``columns`` is the list as CREATE has it; ``clauses`` what stands between the
    engine and its settings; ``lines`` are the rows of a table of this library, which has no parts here. ``stopped``:
    the kinds of merges that SYSTEM STOP named."""

    uuid: str
    columns: str
    engine: str
    clauses: str
    settings: dict[str, str]
    comment: str = ""
    constraints: dict[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    lines: list[dict[str, object]] = field(default_factory=list)
    blocks: int = 0
    stopped: set[str] = field(default_factory=set)
    changed: float = 0.0
    merge_tree: bool = field(init=False)

    def __post_init__(self) -> None:
        self.merge_tree = self.engine.endswith("MergeTree")

    @property
    def fenced(self) -> bool:
        return self.settings.get(FENCE, "0") == "1"

    @property
    def engine_full(self) -> str:
        settings = ", ".join(f"{name} = {value}" for name, value in self.settings.items())
        # The server takes this name for the word NULL.
        engine = "`Null`" if self.engine == "Null" else self.engine
        return " ".join(part for part in (engine, self.clauses, f"SETTINGS {settings}" if settings else "") if part)

    def definition(self, database: str, name: str) -> str:
        """``create_table_query``."""
        guards = "".join(f", CONSTRAINT {guard} ASSUME {what}" for guard, what in self.constraints.items())
        comment = f" COMMENT {quote_string(self.comment)}" if self.comment else ""
        return (
            f"CREATE TABLE {shown(database)}.{shown(name)} ({self.columns}{guards}) ENGINE = "
            f"{self.engine_full}{comment}"
        )

    @property
    def rows(self) -> Iterator[Values]:
        for part in self.parts:
            yield from part.rows

    @property
    def in_order(self) -> Iterator[Values]:
        """As they were written."""
        for part in sorted(self.parts, key=lambda part: part.first):
            yield from part.rows

    @property
    def count(self) -> int:
        return len(self.lines) if self.lines else sum(len(part.rows) for part in self.parts)


def shown(name: str) -> str:
    """An identifier as the engine prints it."""
    return name if name.replace("_", "a").isalnum() and not name[0].isdigit() else f"`{name}`"


@dataclass(slots=True)
class Running:
    """An INSERT that the server is carrying out: it has resolved its ``target`` and has read its rows, and lands later,
    or was killed. ``level`` of its parts: 1 where rows were put together on the way in."""

    id: str
    tag: str
    target: Storage
    rows: tuple[Values, ...]
    level: int = 0
    killed: bool = False
    landed: Callable[[], None] | None = None


@dataclass(slots=True)
class Server:
    """``now`` is its clock (Unix seconds), which only the scheduler moves. ``changes`` counts what may give merges
    something to do. ``dropped``: when each storage that was dropped is gone."""

    now: float = 2_000_000_000.0
    started: float = 1_600_000_000.0
    version: str = "26.9.2.1"
    databases: dict[str, dict[str, Storage]] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)
    serial: int = 0
    apart: int = 0
    changes: int = 0
    dropped: dict[str, float] = field(default_factory=dict)

    def drop(self, storage: Storage) -> None:
        """Without SYNC the storage is there for some minutes more, and UNDROP would bring it back."""
        self.dropped[storage.uuid] = self.now + DROP_DELAY

    def waits(self, uuid: str) -> bool:
        """Whether a storage was dropped, and is not gone yet."""
        return self.now < self.dropped.get(uuid, 0.0)

    def fresh_uuid(self) -> str:
        """Storages are numbered: a schedule that is played again has the same ones. ``apart`` tells those of one
        schedule from those of another, where an engine remembers them."""
        self.serial += 1
        return f"{self.serial:08x}-5111-4000-8000-{self.apart:012x}"

    def find(self, database: str, name: str) -> Storage | None:
        return self.databases.get(database, {}).get(name)

    def need(self, database: str, name: str) -> Storage:
        """Raises 60, or 81 where there is no such database."""
        if database not in self.databases:
            raise refusal(81, f"Database {database} does not exist")
        found = self.databases[database].get(name)
        if found is None:
            raise refusal(60, f"Table {database}.{name} does not exist")
        return found
