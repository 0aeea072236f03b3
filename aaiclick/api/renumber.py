"""Two merged branches have both added version N: the migration of the later one gets the next number."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

from aaiclick.api.revision import Revision, migrations_folder
from aaiclick.errors import MigrationError, UsageError
from aaiclick.specs.schema import Schema
from aaiclick.versions.lockfile import LOCK_FILE, Lock, LockedVersion, read_lock
from aaiclick.versions.release import compare_versions
from aaiclick.versions.scripts import Script, read_migrations

_NUMBER = re.compile(r"(?P<before>\bMigration\(\s*(?:version\s*=\s*)?)(?P<number>\d+)\b")


def renumber(schema: Schema) -> Revision:
    """Give the later of two migrations with one number the next free one. The lock file tells which is the earlier: it
    has released it.

    Raises ``UsageError`` where no two have one number, or nothing tells which is the later; nothing is changed then.
    """
    folder = migrations_folder(schema)
    lock, scripts = read_lock(folder), read_migrations(folder, doubles=True)
    groups = [list(group) for _, group in groupby(scripts, key=lambda script: script.version)]
    doubled = next((group for group in groups if len(group) > 1), None)
    if doubled is None:
        raise UsageError(f"no two migrations of {schema.name} have one number: there is nothing to renumber")
    later = _later(schema.name, doubled, lock)
    assert lock is not None
    last = lock.versions[-1].version
    behind = [script.label for script in scripts if script.version > last]
    if behind:
        raise UsageError(
            f"{later.label} has to become version {last + 1}, and there {'is' if len(behind) == 1 else 'are'} "
            f"{', '.join(behind)} behind it, which the lock file does not have: make one version of them by hand"
        )
    old = folder / later.label
    new = folder / f"{last + 1:04d}{later.label.removeprefix(f'{later.version:04d}')}"
    if new.exists():
        raise UsageError(f"{new} is there already: nothing was renamed")
    # Killed between the two, the file says another number than its name, and whatever reads it says so.
    if old.suffix == ".py":
        _write_number(old, last + 1)
    old.rename(new)
    return Revision(last + 1, (str(new),), (f"{later.label} is {new.name} now",))


def _later(schema: str, doubled: list[Script], lock: Lock | None) -> Script:
    """The one of them that was not released."""
    version = doubled[0].version
    named = " and ".join(script.label for script in doubled)
    entry = lock.get(version) if lock is not None else None
    if entry is None:
        raise UsageError(
            f"{named} are both version {version}, and {LOCK_FILE} does not have it, so nothing tells which came first. "
            "Take the lock file of the branch that was merged first, then run this again"
        )
    later = [script for script in doubled if script.checksum != entry.migration]
    if not later:
        # Both say nothing but what the declarations tell, so they mean the same: the name is what counts for people.
        earlier = _written_for(doubled, lock, entry)
        later = [script for script in doubled if script is not earlier]
    if len(later) != len(doubled) - 1:
        raise UsageError(
            f"{named} are both version {version}, and {LOCK_FILE} has released neither of them as it is. Take the lock "
            "file and the migration of the branch that was merged first, then run this again"
        )
    if len(later) > 1:
        raise UsageError(
            f"{schema} has {len(doubled)} migrations for version {version}: merge one branch after another"
        )
    return later[0]


def _written_for(scripts: list[Script], lock: Lock | None, entry: LockedVersion) -> Script:
    """The migration whose comments tell most of what the version changed; the first one where they tell the same."""
    before = lock.get(entry.version - 1) if lock is not None else None
    words = compare_versions(before.forms if before is not None else {}, entry.forms, Schema("released"), {}, ()).words
    texts = {script.label: Path(script.where).read_text(encoding="utf-8") for script in scripts}
    return max(scripts, key=lambda script: sum(word in texts[script.label] for word in words))


def _write_number(path: Path, number: int) -> None:
    """The number in a Python file. Raises ``MigrationError`` where it does not stand in one place."""
    text = path.read_text(encoding="utf-8")
    if len(_NUMBER.findall(text)) != 1:
        raise MigrationError(
            str(path), f"its version does not stand in one place: write Migration(version={number}) and rename the file"
        )
    path.write_text(_NUMBER.sub(rf"\g<before>{number}", text), encoding="utf-8")
