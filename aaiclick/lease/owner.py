"""Who runs a migration: shown to those who wait, and kept in the records."""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import dataclass
from functools import cache

from aaiclick.processes import own_traces


@dataclass(frozen=True, slots=True)
class Owner:
    """A process; ``str()`` gives ``user@host pid 123``."""

    user: str
    """Name of the user."""
    host: str
    """Name of the host."""
    pid: int
    """Number of the process."""
    place: str = ""
    """Machine, boot and pid namespace, as a digest; '': the system or an earlier release does not say."""
    began: str = ""
    """When the process began, in the system's own words; '' as above."""

    def __str__(self) -> str:
        return f"{self.user}@{self.host} pid {self.pid}"


def this_process() -> Owner:
    """The running process; a user without an entry in the system's list is given as ``uid-1000``."""
    user, host = _user_and_host()
    return Owner(user, host, os.getpid(), *own_traces())


@cache
def _user_and_host() -> tuple[str, str]:
    # Once for a process: looking a user up takes longer than all else that a start with nothing to do does itself.
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = f"uid-{os.getuid()}" if hasattr(os, "getuid") else "unknown"
    return user, socket.gethostname()
