"""Tells whether a process of this machine still runs, as far as the system can tell for certain. A driver reads this,
never a routine.

Host name and pid are not enough (a pod that starts again has both of the one before it), nor is the pid alone (pids are
given again). What is enough: machine, boot, pid namespace, and the moment at which the process began. Where one of them
cannot be read, nothing is claimed.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

_MACHINE, _BOOT, _PID_NAMESPACE, _TIME_NAMESPACE = (
    "/etc/machine-id",
    "/proc/sys/kernel/random/boot_id",
    "/proc/self/ns/pid",
    "/proc/self/ns/time",
)


def own_traces() -> tuple[str, str]:
    """Where this process runs (a digest: a machine's id is nobody's business), and when it began; two empty texts where
    the system does not tell."""
    return _traces(os.getpid())


@cache
def _traces(pid: int) -> tuple[str, str]:
    # By pid, so that a process that was forked asks for itself.
    try:
        parts = [
            Path(_MACHINE).read_text(encoding="ascii").strip(),
            Path(_BOOT).read_text(encoding="ascii").strip(),
            os.readlink(_PID_NAMESPACE),
        ]
        shown, _, began, _ = _stat("self")
    except (OSError, ValueError):
        return "", ""
    if shown != pid or not all(parts):
        # A /proc of another pid namespace, in which the numbers are other ones.
        return "", ""
    try:
        # In another time namespace, the same process began at another moment.
        parts.append(os.readlink(_TIME_NAMESPACE))
    except OSError:
        parts.append("")
    return hashlib.blake2s("\n".join(parts).encode(), digest_size=8).hexdigest(), began


def is_gone(pid: int, began: str) -> bool:
    """Whether the process with this number that began then has certainly ended.

    Only for processes of the same place: there the numbers mean the same.
    """
    if pid <= 0 or not began or not own_traces()[0]:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # somebody else's, but there
    try:
        _, state, moment, threads = _stat(str(pid))
    except (OSError, ValueError):
        # It may be hidden from us.
        return False
    # A process shows as a zombie, too, when its first thread has ended and others run on.
    return moment != began or (state in ("Z", "X") and threads <= 1)


def _stat(process: str) -> tuple[int, str, str, int]:
    """Pid, state, moment of its beginning (ticks since the boot) and number of threads. The name in parentheses may
    hold anything."""
    text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    rest = text[text.rindex(")") + 1 :].split()
    if len(rest) < 20:
        raise ValueError(text)
    return int(text.split(" ", 1)[0]), rest[0], rest[19], int(rest[17])
