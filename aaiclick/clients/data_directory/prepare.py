"""The data directory of the embedded engine: whether it is one, and who may read a new one."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias

from aaiclick.clients.data_directory.metadata_files import KEPT
from aaiclick.clients.url import MEMORY
from aaiclick.errors import ConnectionFailed, UsageError

Directory: TypeAlias = Literal["database", "missing", "empty"]
# What the engine makes, and keeps, beside the definitions.
_OF_THE_ENGINE = frozenset(
    (
        KEPT,
        "access",
        "data",
        "disks",
        "flags",
        "format_schemas",
        "metadata",
        "metadata_dropped",
        "named_collections",
        "preprocessed_configs",
        "status",
        "store",
        "tmp",
    )
) | {"user_defined", "user_files", "user_scripts", "uuid", "workload"}
# What lies in them has names of the engine's: without a database tables that were dropped may still wait for their end.
_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_FILES = {
    "data": re.compile(r"(?!)"),
    "flags": re.compile(r"force_\w+\Z"),
    "metadata_dropped": re.compile(rf".+\.{_UUID}\.sql\Z"),
    "store": re.compile(rf"[0-9a-f]{{3}}/{_UUID}(/|\Z)"),
    "tmp": re.compile(r"tmp"),
}
_CONTENT = {"uuid": re.compile(rb"[0-9a-f-]{36}\s*\Z"), "status": re.compile(rb"(PID: |\Z)")}


def directory_state(path: str) -> Directory:
    """What is in the directory. Raises ``UsageError`` where an embedded engine must not be opened on it."""
    place = Path(path)
    try:
        names = {entry.name for entry in place.iterdir()}
        definitions = _definitions(place / "metadata") if "metadata" in names else ""
        if definitions == "some":
            return "database"
        if definitions != "others'" and names <= _OF_THE_ENGINE and all(_is_engines(place / name) for name in names):
            return "database" if "metadata" in names else "empty"
    except FileNotFoundError:
        return "missing"
    except NotADirectoryError:
        raise UsageError(f"{path} is a file. The embedded engine needs a directory of its own") from None
    except PermissionError:
        raise UsageError(
            f"{path} cannot be read by this user. Run as the user who owns it, or give another --url"
        ) from None
    raise UsageError(
        f"{path} holds other files and no ClickHouse data. Give the data directory itself, or an empty one"
    )


def _definitions(metadata: Path) -> Literal["", "some", "others'"]:
    """What is in ``metadata``: nothing, definitions, or what no engine has written."""
    found: Literal["", "some"] = ""
    for entry in sorted(metadata.iterdir()):
        # The tables of a database are in a folder of its name, which leads into ``store`` but for old kinds. Of those
        # one file is enough: there may be many.
        file = next(iter(sorted(entry.iterdir())), None) if entry.is_dir() and not entry.is_symlink() else entry
        if file is None:
            continue
        if entry.is_symlink() and "store" in entry.readlink().parts:
            found = "some"
        elif ".sql" not in file.suffixes or not file.is_file():
            return "others'"
        else:
            with file.open("rb") as text:
                # A full disk has left an empty one.
                if text.read(7) not in (b"ATTACH ", b""):
                    return "others'"
            found = "some"
    return found


def _is_engines(entry: Path) -> bool:
    """Whether it is what it is called like: other programs have files and folders of these names, too."""
    if entry.name in _CONTENT:
        return entry.is_file() and _CONTENT[entry.name].match(entry.read_bytes()[:64]) is not None
    if entry.name not in _FILES:
        return entry.is_dir()
    named = _FILES[entry.name]
    return entry.is_dir() and all(
        named.match(os.path.relpath(os.path.join(folder, file), entry))
        for folder, _, files in os.walk(entry)
        for file in files
    )


def prepare_directory(path: str) -> bool:
    """Check the directory of a URL before an engine is opened on it, and create it for this user alone if it is
    missing. True where it was created.

    Raises ``UsageError`` where it holds other files, ``ConnectionFailed`` where it cannot be created.
    """
    if path == MEMORY:
        return False
    if Path(path).exists():
        directory_state(path)
        return False
    try:
        # Other users of the machine cannot read the data.
        Path(path).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConnectionFailed(
            f"the directory {path} cannot be made ({error.strerror}). Choose another one in the URL"
        ) from error
    return True


def forget_directory(path: str) -> None:
    """Remove a directory that was created for an engine that then did not start."""
    with suppress(OSError):
        Path(path).rmdir()
