"""Embedded engines of other ClickHouse releases: their wheels, each in an environment of its own, fetched once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from aaiclick.errors import ConnectionFailed, UsageError

WHEELS = {"24.8": "chdb==3.0.1", "25.8": "chdb==3.7.2", "26.9": "chdb==4.4.0"}
"""The wheel that holds each release."""
_WHEEL = re.compile(r"chdb==[0-9][0-9.]*\Z")


def python_of(release: str, tell: Callable[[str], object] = lambda _: None) -> Path:
    """The Python that has the engine of a release (``25.8``) or of a wheel (``chdb==3.7.2``). The first call fetches it
    with pip, which may take a minute; it stays in ``AAICLICK_ENGINES_CACHE``, else in the user's cache folder.
    ``tell`` is called with a sentence before it is fetched.

    Raises ``UsageError`` for a release whose wheel is not known, ``ConnectionFailed`` where it cannot be fetched.
    """
    wheel = WHEELS.get(release, release)
    if not _WHEEL.match(wheel):
        raise UsageError(
            f"no wheel is known for ClickHouse {release}: {', '.join(WHEELS)} are, or name one: chdb==3.7.2"
        )
    if wheel == f"chdb=={_installed()}":
        return Path(sys.executable)
    home = _cache() / wheel.replace("==", "-")
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        tell(f"fetching {wheel} with pip, once, into {home}: about 1 GB when it is unpacked")
        _fetch(wheel, home)
    return python


def _installed() -> str:
    try:
        return version("chdb")
    except PackageNotFoundError:
        return ""


def _cache() -> Path:
    named = os.environ.get("AAICLICK_ENGINES_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aaiclick" / "engines"


def _fetch(wheel: str, home: Path) -> None:
    """Made aside and moved at the end, so that nobody finds half of it; where it fails, nothing stays."""
    import shutil
    import venv

    home.parent.mkdir(parents=True, exist_ok=True)
    made = home.with_name(f"{home.name}.{os.getpid()}")
    try:
        venv.create(made, with_pip=True, clear=True)
        pip = made / ("Scripts/pip.exe" if os.name == "nt" else "bin/pip")
        done = subprocess.run(
            [str(pip), "install", "-q", "--disable-pip-version-check", wheel],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:] or ["pip said nothing"]
            raise ConnectionFailed(
                f"{wheel} cannot be fetched into {home}: {said[0].removeprefix('ERROR: ')}. pip needs the network for "
                "it, once; without one, name an index that it reaches (PIP_INDEX_URL) or a folder that has the wheels "
                "of chdb and of what it requires (PIP_NO_INDEX=1 PIP_FIND_LINKS=folder)"
            )
        if not home.exists():  # another process may have been faster
            made.rename(home)
    finally:
        shutil.rmtree(made, ignore_errors=True)
