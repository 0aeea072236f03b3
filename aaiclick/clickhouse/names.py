"""Names of the objects this library makes in a user's database.

All of them start with ``_aaiclick_`` and carry the nonce of the run that made them, so a run can never meet the
scratch objects of another one, and a statement of a run that was taken over fails on names that are gone. The one
exception is ``schema_version``, which users are meant to read.

The table a name belongs to is only a readable label: whatever is not a short plain word is shortened and gets a hash.
Names stay pure ASCII words, because ClickHouse writes every other byte as three characters into the file name, and
because the engine takes no table name longer than 213 bytes less the database's (code 69): with these, the database's
name may have 140.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from aaiclick.sql.quoting import file_name_length

PREFIX = "_aaiclick_"
RECORDS = "schema_version"
JOURNAL = f"{PREFIX}journal"
NOTES = f"{PREFIX}notes"
"""What comments say on one host, on the hosts of a cluster (``state/notes.py``)."""
GUARD = f"{PREFIX}guard_"
"""Constraints that are there between two ALTERs of a run (``clickhouse/storages.py``)."""
FENCE_CONSTRAINT = f"{PREFIX}fence_a_migration_is_under_way"
"""A constraint that no row meets (``clickhouse/write_fence.py``). A writer that is refused reads its name."""

STAGED_PREFIX = f"{PREFIX}staged_"
"""Databases of one host with staging tables (``staging_database``)."""

MAX_BYTES = 200
"""No name of ours is longer."""

PROBE_PREFIX = f"{PREFIX}probe_"
"""Empty tables that ask whether a UUID is free (``clickhouse/storages.py``), for as long as one statement takes."""

_ON_DISK = frozenset({"Atomic", "Ordinary", "Overlay", "Replicated"})
_LABEL = 32
"""Characters of a table's name that stand in a name of ours."""
_PLAIN = re.compile(r"[A-Za-z0-9_]+\Z")
_HASHED = re.compile(r"(?:.*_)?[0-9a-f]{10}\Z", re.DOTALL)
_NONCE = re.compile(r"[0-9a-z]{1,32}\Z")
_NAME = re.compile(
    PREFIX + r"(?P<kind>scratch|new|stage|taken|old|mark|probe)_(?P<nonce>[0-9a-z]{1,32})(?:_(?P<rest>.+))?\Z",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class OurName:
    """A name read back. ``kind``: scratch, new, stage, taken, old, mark or probe; ``label`` is the table's name,
    perhaps shortened."""

    kind: str
    nonce: str
    label: str = ""
    chunk: int | None = None


def is_ours(name: str) -> bool:
    """True for every name that starts as ours do (``schema_version`` does not)."""
    return name.startswith(PREFIX)


def shadow_table(nonce: str, table: str) -> str:
    """The new form of a table while it is filled."""
    return _checked(f"{PREFIX}new_{_nonce(nonce)}_{label(table)}")


def staging_table(nonce: str, chunk: int, table: str) -> str:
    """Where one chunk of a copy is filled and counted before it moves on; ``chunk`` counts from 0."""
    if chunk < 0:
        raise ValueError(f"chunk {chunk} is negative")
    return _checked(f"{PREFIX}stage_{_nonce(nonce)}_{chunk}_{label(table)}")


def staging_database(nonce: str, table: str) -> str:
    """The database of one host alone in which the rows of a replicated table are copied."""
    return _checked(f"{STAGED_PREFIX}{_nonce(nonce)}_{label(table)}")


def taken_table(nonce: str, table: str) -> str:
    """What a table of ours is called that is about to be dropped: a name that no other run knows."""
    return _checked(f"{PREFIX}taken_{_nonce(nonce)}_{label(table)}")


def kept_table(nonce: str, table: str) -> str:
    """The old form of a table, kept for a rollback."""
    return _checked(f"{PREFIX}old_{_nonce(nonce)}_{label(table)}")


def mark_table(nonce: str, table: str) -> str:
    """The empty table that says what belongs to whom while a table is rebuilt."""
    return _checked(f"{PREFIX}mark_{_nonce(nonce)}_{label(table)}")


def probe_table(nonce: str) -> str:
    """A table that asks whether a UUID is free."""
    return f"{PROBE_PREFIX}{_nonce(nonce)}"


def parse_name(name: str) -> OurName | None:
    """The parts of a scratch, shadow, staging, taken, kept, mark or probe name; None for every other name."""
    match = _NAME.match(name)
    if match is None:
        return None
    kind, nonce, rest = match["kind"], match["nonce"], match["rest"] or ""
    if kind in ("scratch", "probe"):
        return None if rest else OurName(kind, nonce)
    # The number of the chunk stands in front of the label.
    if kind == "stage":
        chunk, _, rest = rest.partition("_")
        return OurName(kind, nonce, rest, int(chunk)) if chunk.isdecimal() and rest else None
    return OurName(kind, nonce, rest) if rest else None


def label(table: str) -> str:
    """A table's name as a part of ours: itself where it is a short plain word, else shortened with a hash of the whole
    name."""
    # A plain name that looks like a shortened one gets a hash as well, so that two tables never share a label.
    if len(table) <= _LABEL and _PLAIN.match(table) and not _HASHED.match(table):
        return table
    digest = hashlib.blake2s(table.encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()
    slug = re.sub(r"[^A-Za-z0-9]+", "_", table)[: _LABEL - len(digest) - 1].strip("_")
    return f"{slug}_{digest}" if slug else digest


def longest_table_name(database: str, engine: str) -> int | None:
    """How long the name of a table, view or dictionary may be there as a file (``file_name_length``); None where
    nothing says. The server names the file of a dropped one after database, table and UUID, and a file name has 255
    bytes; releases that do not check that fail at the DROP."""
    return 213 - file_name_length(database) if engine in _ON_DISK else None


def longest_of_a_copy(table: str) -> int:
    """How long the longest name is of the tables that are beside a table while it is copied: the one under which a
    staging table waits for its DROP."""
    return len(taken_table("0" * 24, table))


def _nonce(nonce: str) -> str:
    if _NONCE.match(nonce) is None:
        raise ValueError(f"{nonce!r} is no nonce: 1 to 32 lower-case letters and digits are needed")
    return nonce


def _checked(name: str) -> str:
    if len(name.encode()) > MAX_BYTES:
        raise ValueError(f"{name!r} is longer than {MAX_BYTES} bytes")
    return name
