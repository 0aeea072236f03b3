"""Which process holds a lock file, as the kernel lists it, without touching the lock.

Where another process has the directory, chdb fails only after half a second, with an empty error. To try the lock
here could make another process fail that opens the directory at that moment.
"""

from __future__ import annotations

import os
from pathlib import Path


def lock_holder(path: Path) -> int | None:
    """The id of another process that holds a lock on the file; None where there is none, or the system is not Linux."""
    try:
        state = path.stat()
        lines = Path("/proc/locks").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    wanted = f"{os.major(state.st_dev):02x}:{os.minor(state.st_dev):02x}:{state.st_ino}"
    for line in lines:
        # 1: FLOCK  ADVISORY  WRITE 4537 fe:00:2146332 0 EOF   (lines with -> are waiters, not holders)
        fields = line.split()
        if (
            len(fields) >= 8
            and fields[1] in ("FLOCK", "POSIX", "OFDLCK")
            and fields[5] == wanted
            and fields[4].isdecimal()
        ):
            holder = int(fields[4])
            return None if holder in (os.getpid(), 0) else holder
    return None
