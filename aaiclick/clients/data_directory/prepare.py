"""The data directory of the embedded engine: whether it is one, and who may read a new one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias

from aaiclick.clients.url import MEMORY
from aaiclick.errors import ConnectionFailed, UsageError

Directory: TypeAlias = Literal["database", "missing", "empty"]
# What a session leaves that made no database: its scratch directory, its lock file, functions, and what the engine
# keeps beside them.
_OF_THE_ENGINE = frozenset(
    (
        "access",
        "data",
        "disks",
        "flags",
        "format_schemas",
        "metadata_dropped",
        "named_collections",
        "preprocessed_configs",
        "status",
        "store",
        "tmp",
    )
) | {"user_defined", "user_files", "user_scripts", "uuid", "workload"}


def directory_state(path: str) -> Directory:
    """What is in the directory. Raises ``UsageError`` where an embedded engine must not be opened on it."""
    try:
        names = {entry.name for entry in Path(path).iterdir()}
    except FileNotFoundError:
        return "missing"
    except NotADirectoryError:
        raise UsageError(f"{path} is a file. The embedded engine needs a directory of its own") from None
    except PermissionError:
        raise UsageError(
            f"{path} cannot be read by this user. Run as the user who owns it, or give another --url"
        ) from None
    if "metadata" in names:
        return "database"
    if names <= _OF_THE_ENGINE:
        return "empty"
    raise UsageError(
        f"{path} holds other files and no ClickHouse data. Give the data directory itself, or an empty one"
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
