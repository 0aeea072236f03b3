"""The definition of a table on disk, kept safe while an ALTER of the embedded engine writes it anew.

On a full disk the engine answers an ALTER with success and leaves an empty file: the database does not open again after that. So a copy of
the file is made first, which needs its room before anything is touched, and is put back by a rename, which needs none.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from aaiclick.errors import StatementError
from aaiclick.sql.tokens import unquote

KEPT = "aaiclick_metadata"
"""The directory of the copies, beside the engine's own: in those the engine refuses files that it does not know."""
NOT_ENOUGH_SPACE = 243
_ALTER = re.compile(
    r"\s*(?:/\*.*?\*/\s*)?ALTER\s+TABLE\s+(?P<first>`(?:[^`\\]|\\.|``)*`|\w+)(?:\.(?P<second>`(?:[^`\\]|\\.|``)*`|\w+))?", re.IGNORECASE | re.DOTALL
)
_WORD = re.compile(rb"[A-Za-z0-9_]")


_ROOM = 64 << 10


def writes_definition(sql: str) -> bool:
    """True for a statement that writes the definition of a table anew: for every other one nobody has to know where the data are."""
    return _ALTER.match(sql) is not None


@contextmanager
def definition_kept(data: str, sql: str, database: str) -> Generator[None, None, None]:
    """Around one statement on the engine whose data directory is ``data``. Raises ``StatementError`` 243 where there is no room for a new
    definition: before the statement, or after it with the old definition put back."""
    file = _definition(Path(data), sql, database)
    if file is None:
        yield
        return
    copy: Path | None = Path(data, KEPT, file.parent.name, file.name)
    assert copy is not None
    try:
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
        broken = copy is not None and _is_empty(file)
        if copy is not None:
            if broken:
                os.replace(copy, file)
            _remove(copy)
    if broken:
        raise _no_room(data, sql, "The definition of the table is as it was: make room and run again")


def put_back(data: str) -> tuple[str, ...]:
    """What a process that was killed inside such an ALTER left behind: definitions that are empty get their copy back. Only while no engine has
    the directory open. The files that were put right, as ``database/table.sql``."""
    kept = Path(data, KEPT)
    found: list[str] = []
    if not kept.is_dir():
        return ()
    for copy in sorted(kept.glob("*/*")):
        file = Path(data, "metadata", copy.parent.name, copy.name)
        if copy.suffix == ".sql" and copy.stat().st_size and _is_empty(file):
            os.replace(copy, file)
            found.append(f"{copy.parent.name}/{copy.name}")
        else:
            _remove(copy)
    _remove_folders(kept)
    return tuple(found)


def _definition(data: Path, sql: str, database: str) -> Path | None:
    """The file that an ALTER TABLE writes anew; None for every other statement, and where the engine keeps it elsewhere."""
    match = _ALTER.match(sql)
    if match is None:
        return None
    place, name = (database, match["first"]) if match["second"] is None else (match["first"], match["second"])
    file = data / "metadata" / _escaped(_plain(place)) / f"{_escaped(_plain(name))}.sql"
    return file if file.is_file() else None


def _plain(name: str) -> str:
    return unquote(name) if name.startswith("`") else name


def _escaped(name: str) -> str:
    """As the engine calls its files: every byte that is no ASCII word character as ``%XX``."""
    return "".join(chr(byte) if _WORD.match(bytes([byte])) else f"%{byte:02X}" for byte in name.encode("utf-8", "surrogateescape"))


def _require_room(ballast: Path) -> None:
    """The engine writes a new file beside the old one before it renames it."""
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
        f"no space is left on the disk of {data}: a table's definition cannot be written. {consequence}", NOT_ENOUGH_SPACE, "NOT_ENOUGH_SPACE", sql
    )
