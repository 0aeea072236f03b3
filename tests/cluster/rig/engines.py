"""The chdb releases that nodes run on: each in a folder of its own, so that a newer one in the environment of the tests
changes nothing here.

``python -m tests.cluster.rig.engines 26.7.3`` fetches a release beforehand.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.cluster.rig import addresses
from tests.cluster.rig.errors import NoClusterError

PINNED = "26.9.0"
"""The chdb-core that nodes run on where a test does not choose: ClickHouse 26.9."""
OTHER = "26.7.3"
"""A second one, for clusters of two releases: ClickHouse 26.7. Only taken where it was fetched beforehand."""
_LIBRARY = Path("chdb") / "_chdb.abi3.so"


@dataclass(frozen=True, slots=True)
class Engine:
    """A release that a node can run on."""

    release: str
    folder: Path | None
    """What goes in front of PYTHONPATH; None for the chdb of this environment."""
    addresses: Path


def cache() -> Path:
    """Where fetched releases are kept: ``AAICLICK_ENGINE_CACHE``, or the user's cache directory."""
    chosen = os.environ.get("AAICLICK_ENGINE_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aaiclick-engines"


def find_library(release: str) -> Path:
    """The engine's library of that release, whether its addresses are known or not."""
    own = _own_library()
    if own is not None and version("chdb-core") == release:
        return own
    folder = cache() / f"chdb-core-{release}"
    _fetch(release, folder)
    return folder / _LIBRARY


def find(release: str = PINNED, *, fetch: bool = True) -> Engine:
    """That release: the environment's own where it is the same build, else from the cache, fetched once if it may be.
    Raises NoClusterError."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise NoClusterError("clusters of chdb processes run on x86-64 Linux only")
    wanted = addresses.FOLDER / f"chdb-core-{release}.json"
    if not wanted.exists():
        raise NoClusterError(
            f"the addresses of chdb-core {release} are not known (tests/cluster/rig/locate.py finds them)"
        )
    own = _own_library()
    if own is not None and addresses.known(own) == wanted:
        return Engine(release, None, wanted)
    folder = cache() / f"chdb-core-{release}"
    if not (folder / _LIBRARY).exists():
        if not fetch:
            raise NoClusterError(
                f"chdb-core {release} is not here: `python -m tests.cluster.rig.engines {release}` fetches it"
            )
        _fetch(release, folder)
    if addresses.known(folder / _LIBRARY) != wanted:
        raise NoClusterError(
            f"the addresses of this build of chdb-core {release} are not known (tests/cluster/rig/locate.py finds them)"
        )
    return Engine(release, folder, wanted)


def _own_library() -> Path | None:
    """The chdb of this environment, without importing it."""
    own = importlib.util.find_spec("chdb")
    if own is None or own.origin is None:
        return None
    library = Path(own.origin).parent.parent / _LIBRARY
    return library if library.exists() else None


def _fetch(release: str, folder: Path) -> None:
    """With pip, once for all processes that ask at the same time. What chdb itself needs is in this environment."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / _LIBRARY).exists():
            return
        made = folder.with_name(f"{folder.name}.{os.getpid()}")
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", made, f"chdb-core=={release}"],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            reason = done.stderr.strip().splitlines()[-1:] or ["pip said nothing"]
            raise NoClusterError(f"chdb-core {release} could not be fetched: {reason[0]}")
        made.rename(folder)


if __name__ == "__main__":
    for named in sys.argv[1:] or [PINNED, OTHER]:
        print(find(named))  # noqa: T201 - a command
