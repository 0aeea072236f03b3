"""Keeps the files with definitions whole while a statement of the embedded engine writes one.

On a full disk the engine reports success for a CREATE or an ALTER and leaves an empty file, and the database does not
open again. So room is asked for before each of them. Where there is a file already, a copy of it is made first, which
needs its space before anything is changed; it is put back by a rename, which needs none. What was made with an empty
file is dropped. (RENAME, EXCHANGE and DROP only move files: they may run on a full disk, and some make room.)
"""

from __future__ import annotations

import errno
import os
import re
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from aaiclick.error_codes import NOT_ENOUGH_SPACE
from aaiclick.errors import AaiclickError, StatementError
from aaiclick.sql.ddl import drop
from aaiclick.sql.quoting import qualified, quote_name
from aaiclick.sql.tokens import unquote

KEPT = "aaiclick_metadata"
"""The directory of the copies, beside the engine's own: in those the engine refuses files that it does not know."""
_COPIED = re.compile(rb" UUID '[0-9a-f-]{36}'")
_WRITES = re.compile(
    r"\s*(?:/\*.*?\*/\s*)?(?P<verb>CREATE|ALTER|ATTACH)\s+(?P<replace>OR\s+REPLACE\s+)?"
    r"(?P<kind>TABLE|VIEW|MATERIALIZED\s+VIEW|DICTIONARY|DATABASE|FUNCTION|NAMED\s+COLLECTION)\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    r"(?P<first>`(?:[^`\\]|\\.|``)*`|\w+)(?:\.(?P<second>`(?:[^`\\]|\\.|``)*`|\w+))?",
    re.IGNORECASE | re.DOTALL,
)
_WORD = re.compile(rb"[A-Za-z0-9_]")
_PLACES = {"FUNCTION": "user_defined", "NAMED COLLECTION": "named_collections", "DATABASE": "metadata"}
# What the server makes beside the object itself: the table of a materialized view, and the next one of a replacement.
_BESIDE = (".inner", "_tmp_replace_", "%2Einner")


_ROOM = 64 << 10
"""Bytes that have to be free before a definition may be written."""


@dataclass(frozen=True, slots=True)
class _Definition:
    """The file that a statement writes."""

    file: Path
    """Where the engine keeps the text."""
    kind: str
    """TABLE, VIEW, DICTIONARY, DATABASE, FUNCTION or NAMED COLLECTION."""
    name: str
    """As it stands in SQL."""
    database: str
    """Name of the database that it is in; '' for what is in none."""
    replaces: bool
    """CREATE OR REPLACE."""

    @property
    def copy(self) -> tuple[str, str]:
        """Folder and name of its copy."""
        return self.file.parent.name, self.file.name


def writes_definition(sql: str) -> bool:
    """True for a statement that writes the definition of an object anew."""
    return _WRITES.match(sql) is not None


@contextmanager
def definition_kept(data: str, sql: str, database: str, send: Callable[[str], object]) -> Generator[None, None, None]:
    """Run one statement on the engine with the data directory ``data``. ``send`` sends another one.

    Raises ``StatementError`` 243 where there is no space for a new definition: before the statement, or after it
    with the old definition put back, and what has none dropped.
    """
    written = _definition(Path(data), sql, database)
    if written is None:
        yield
        return
    file = written.file
    copy: Path | None = Path(data, KEPT, *written.copy)
    assert copy is not None
    try:
        # The copy comes before the statement: when the disk is full nothing could be written afterwards.
        copy.parent.mkdir(parents=True, exist_ok=True)
        if file.is_file():
            copy.write_bytes(_as_put_back(file.read_bytes(), written))
        _require_room(copy.with_suffix(".room"))
    except OSError as error:
        _remove(copy)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room(data, sql, "Nothing was changed: make room and run again") from error
        copy = None  # read-only, or gone: the engine says what is wrong
    broken = made = False
    try:
        yield
    finally:
        # Whatever the engine answered: only the file shows what it has written.
        broken = _is_empty(file)
        had = copy is not None and copy.is_file()
        if broken and copy is not None and had:
            os.replace(copy, file)
        elif broken:
            made = True
            _drop(written, send)
        if broken:
            _drop_beside(written, send)
        if copy is not None:
            _remove(copy)
    if made:
        raise _no_room(data, sql, "What it was to make was dropped again: make room and run again")
    if broken:
        raise _no_room(data, sql, "The definition is as it was: make room and run again")


def _as_put_back(text: bytes, written: _Definition) -> bytes:
    """The old definition as it may come back. A replaced view has another UUID by then, and the server goes on to drop
    the old one by its own: so what comes back is a third."""
    return _COPIED.sub(f" UUID '{uuid.uuid4()}'".encode(), text, count=1) if written.replaces else text


def _drop(made: _Definition, send: Callable[[str], object]) -> None:
    """Take away an object without a definition. It has no rows: nobody had the answer of its CREATE."""
    kind = "VIEW" if made.kind == "MATERIALIZED VIEW" else made.kind
    with suppress(AaiclickError):
        # SYNC: an empty definition among those that are about to be dropped is no better.
        send(drop(kind, made.name, if_exists=True, sync=bool(made.database) or kind == "DATABASE"))
    if _is_empty(made.file):
        _remove(made.file)


def _drop_beside(written: _Definition, send: Callable[[str], object]) -> None:
    if not written.database:
        return
    for file in sorted(written.file.parent.glob("*.sql")):
        if file.name.startswith(_BESIDE) and _is_empty(file):
            name = qualified(written.database, _unescaped(file.stem))
            _drop(_Definition(file, "TABLE", name, written.database, False), send)


def restore_definitions(data: str) -> tuple[str, ...]:
    """Put copies back over empty definitions that a killed process left; their names as ``database/table.sql``.

    Only while no engine has the directory open.
    """
    kept = Path(data, KEPT)
    found: list[str] = []
    if not kept.is_dir():
        return ()
    for copy in sorted(kept.glob("*/*")):
        file = Path(data, "metadata", copy.parent.name, copy.name)
        # A copy beside a whole definition is of a run that was killed before or after its ALTER: the engine's file
        # counts.
        if copy.suffix == ".sql" and copy.stat().st_size and _is_empty(file):
            os.replace(copy, file)
            found.append(f"{copy.parent.name}/{copy.name}")
        else:
            _remove(copy)
    _remove_folders(kept)
    return tuple(found)


def _definition(data: Path, sql: str, database: str) -> _Definition | None:
    """The file that a statement writes; None for any other statement, and where the engine keeps it elsewhere."""
    match = _WRITES.match(sql)
    if match is None:
        return None
    kind = " ".join(match["kind"].upper().split())
    first, second = _plain(match["first"]), match["second"]
    replaces = match["replace"] is not None
    if kind in _PLACES:
        stem = f"function_{_escaped(first)}" if kind == "FUNCTION" else _escaped(first)
        file = data / _PLACES[kind] / f"{stem}.sql"
        return _Definition(file, kind, quote_name(first), "", False)
    place, name = (database, first) if second is None else (first, _plain(second))
    file = data / "metadata" / _escaped(place) / f"{_escaped(name)}.sql"
    # In a database in memory, or one whose definitions are elsewhere, there is no such file. (The folder of a database
    # may be made with its first table.)
    known = match["verb"].upper() != "ALTER" or file.is_file()
    # The rows of a replaced table are on their way out: its definition is of no more use.
    return _Definition(file, kind, qualified(place, name), place, replaces) if known else None


def _plain(name: str) -> str:
    return unquote(name) if name.startswith("`") else name


def _escaped(name: str) -> str:
    """A name as the engine calls its file: every byte that is no ASCII word character as ``%XX``."""
    return "".join(
        chr(byte) if _WORD.match(bytes([byte])) else f"%{byte:02X}" for byte in name.encode("utf-8", "surrogateescape")
    )


def _unescaped(stem: str) -> str:
    return re.sub(rb"%([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), stem.encode()).decode(
        "utf-8", "surrogateescape"
    )


def _require_room(ballast: Path) -> None:
    """Raise where there is no space for a new file: the engine writes one before it renames it over the old one."""
    try:
        ballast.write_bytes(bytes(_ROOM))
    finally:
        _remove(ballast)


def _is_empty(file: Path) -> bool:
    try:
        return file.stat().st_size == 0
    except OSError:
        return False


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _remove_folders(kept: Path) -> None:
    with suppress(OSError):
        for folder in kept.iterdir():
            folder.rmdir()
        kept.rmdir()


def _no_room(data: str, sql: str, consequence: str) -> StatementError:
    return StatementError(
        f"no space is left on the disk of {data}: a definition cannot be written. {consequence}",
        NOT_ENOUGH_SPACE,
        "NOT_ENOUGH_SPACE",
        sql,
    )
