"""Temporary files of the normal run lie in memory, where there is enough of it.

Nearly every test makes tables and drops a database, and each of these statements waits for the disk several times: on a
RAM disk they take a third of the time. What is tested there is the same: a killed process loses nothing that it had
written, on either.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

RAM_DISK = Path("/dev/shm")
ENOUGH = 6 << 30
"""Free bytes; a run takes a tenth of that."""
_PREFIX = "aaiclick-tests-"


def use_ram_disk() -> Path | None:
    """Send this process's temporary files, and those of its children, to a directory of their own; None where that is
    not possible, or where the user says (``TMPDIR``) where they have to be."""
    if (
        "TMPDIR" in os.environ
        or not os.path.ismount(RAM_DISK)
        or not os.access(RAM_DISK, os.W_OK)
        or shutil.disk_usage(RAM_DISK).free < ENOUGH
    ):
        return None
    _remove_dead()
    made = RAM_DISK / f"{_PREFIX}{os.getpid()}"
    made.mkdir(exist_ok=True)
    os.environ["TMPDIR"] = str(made)
    tempfile.tempdir = None
    return made


def keep_bytecode() -> None:
    """Where Python was told to write no bytecode, every process that a test starts would compile this library anew,
    which takes as long as what it is started for. They find it in the directory of this run, as all of them inherit
    this process's environment."""
    made = os.environ.get("TMPDIR", "")
    if sys.dont_write_bytecode and Path(made).name.startswith(_PREFIX):
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = os.path.join(made, "bytecode")


def leave_ram_disk(made: Path) -> None:
    """Remove the directory: memory is not where old runs are kept."""
    os.environ.pop("TMPDIR", None)
    tempfile.tempdir = None
    shutil.rmtree(made, ignore_errors=True)


def _remove_dead() -> None:
    for found in RAM_DISK.glob(f"{_PREFIX}*"):
        pid = found.name.removeprefix(_PREFIX)
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(found, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
