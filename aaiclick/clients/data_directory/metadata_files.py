"""Keeps the file with a table's definition safe while an ALTER of the embedded engine rewrites it.

On a full disk the engine reports success for an ALTER and leaves an empty file, and the database does not open
again. So a copy of the file is made first, which needs its space before anything is changed. It is put back by a
rename, which needs none.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from aaiclick.error_codes import NOT_ENOUGH_SPACE
from aaiclick.errors import StatementError
from aaiclick.sql.tokens import unquote

KEPT = "aaiclick_metadata"
"""The directory of the copies, beside the engine's own: in those the engine refuses files that it does not know."""
_ALTER = re.compile(
    r"\s*(?:/\*.*?\*/\s*)?ALTER\s+TABLE\s+(?P<first>`(?:[^`\\]|\\.|``)*`|\w+)(?:\.(?P<second>`(?:[^`\\]|\\.|``)*`|\w+))?",
    re.IGNORECASE | re.DOTALL,
)
_WORD = re.compile(rb"[A-Za-z0-9_]")


_ROOM = 64 << 10
"""Bytes that have to be free before an ALTER may rewrite a definition."""


def writes_definition(sql: str) -> bool:
    """True for a statement that rewrites a table's definition."""
    return _ALTER.match(sql) is not None


@contextmanager
def definition_kept(data: str, sql: str, database: str) -> Generator[None, None, None]:
    """Run one statement on the engine with the data directory ``data``.

    Raises ``StatementError`` 243 where there is no space for a new definition: before the statement, or after it
    with the old definition put back.
    """
    file = _definition(Path(data), sql, database)
    if file is None:
        yield
        return
    copy: Path | None = Path(data, KEPT, file.parent.name, file.name)
    assert copy is not None
    try:
        # The copy comes before the statement: when the disk is full nothing could be written afterwards.
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
        _require_room(copy.with_suffix(".room"))
    except OSError as error:
        _remove(copy)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room(data, sql, "Nothing was changed: make room and run again") from error
        copy = None  # read-only, or gone: the engine says what is wrong
    try:
        yield
    finally:
        # Whatever the engine answered: only the file shows what it has written.
        broken = copy is not None and _is_empty(file)
        if copy is not None:
            if broken:
                os.replace(copy, file)
            _remove(copy)
    if broken:
        raise _no_room(data, sql, "The definition of the table is as it was: make room and run again")


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


def _definition(data: Path, sql: str, database: str) -> Path | None:
    """The file that an ALTER TABLE rewrites; None for any other statement, and where the engine keeps it elsewhere."""
    match = _ALTER.match(sql)
    if match is None:
        return None
    place, name = (database, match["first"]) if match["second"] is None else (match["first"], match["second"])
    file = data / "metadata" / _escaped(_plain(place)) / f"{_escaped(_plain(name))}.sql"
    return file if file.is_file() else None


def _plain(name: str) -> str:
    return unquote(name) if name.startswith("`") else name


def _escaped(name: str) -> str:
    """A name as the engine calls its file: every byte that is no ASCII word character as ``%XX``."""
    return "".join(
        chr(byte) if _WORD.match(bytes([byte])) else f"%{byte:02X}" for byte in name.encode("utf-8", "surrogateescape")
    )


def _require_room(ballast: Path) -> None:
    """Raise where there is no space for a second file: the engine writes a new one before it renames it over the old
    one."""
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
        f"no space is left on the disk of {data}: a table's definition cannot be written. {consequence}",
        NOT_ENOUGH_SPACE,
        "NOT_ENOUGH_SPACE",
        sql,
    )
