"""Empty files where the engine expects definitions: it opens no directory that has one.

They are what a full disk has left, by a statement that nobody looked at afterwards: of another program, of a process
that was killed in that moment, or of an earlier release of this library.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from pathlib import Path

from aaiclick.errors import ConnectionFailed

log = logging.getLogger("aaiclick")
_OURS = re.compile(
    r"_aaiclick_(?:(?:scratch|staged|stage|new|taken|old|mark|feed|fed|probe)_|lock|(?:lease|journal)\.sql\Z)"
    r"|schema_version\.sql\Z"
)
# After the exchange such a table is the old one, and holds rows that may be nowhere else. What is written down here is
# in no other place either: only where no part is there did the disk run full at its CREATE.
_WITH_ROWS = re.compile(r"_aaiclick_(?:(?:old|new|taken)_|journal)|schema_version")
_UUID = re.compile(rb"UUID '([0-9a-f-]{36})'")


def settle_broken(path: str) -> bool:
    """Take away those of this library's own objects without rows; True where there were any and nothing else is in the
    way.

    Only while no engine has the directory open. Raises ``ConnectionFailed`` for those of others.
    """
    data = Path(path)
    empty = [file for file in _definitions(data) if not file.stat().st_size]
    if not empty:
        return False
    # Whose rows are whose cannot be told without a definition.
    rows = any(_WITH_ROWS.match(file.name) for file in empty) and _rows_of_nobody(data)
    others = [file for file in empty if not _OURS.match(file.name) or (rows and _WITH_ROWS.match(file.name))]
    if others:
        what = "is an empty file" if len(others) == 1 else f"and {len(others) - 1} more are empty files"
        raise ConnectionFailed(
            f"the embedded engine cannot open {path}: {others[0]} {what} where a definition has to stand, as a full "
            "disk leaves it. Put the definition back (from a backup, or as it was created, beginning with ATTACH), or "
            "move the file away if its object is not needed, and start again"
        )
    for file in empty:
        file.unlink()
        log.warning(
            "%s was an empty definition, which a full disk had left of an object of this library: removed", file
        )
    return True


def _definitions(data: Path) -> Iterable[Path]:
    for pattern in ("metadata/*.sql", "metadata/*/*.sql", "named_collections/*.sql"):
        yield from sorted(file for file in data.glob(pattern) if file.is_file())


def _rows_of_nobody(data: Path) -> bool:
    """Whether parts are there that no definition names."""
    known: set[str] = set()
    for pattern in ("metadata/*/*.sql", "metadata_dropped/*.sql"):
        for file in data.glob(pattern):
            known |= {each.decode() for each in _UUID.findall(file.read_bytes())}
    stored = (folder for folder in data.glob("store/*/*") if folder.name not in known)
    return any(part.is_dir() and part.name != "detached" for folder in stored for part in folder.glob("*_*_*"))
