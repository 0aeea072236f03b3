"""Which name each live column has on the way over versions. Pure.

Of every kind, and also where none of its values stays: an EPHEMERAL column, one that a version fills anew. Such a
column is still the one that it was, so it is renamed and dropped with its versions, and does not stay beside its new
name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aaiclick.catalog.forms import TableForm
from aaiclick.specs.renames import applicable, with_leaves
from aaiclick.versions.version_changes import VersionChange


@dataclass(frozen=True, slots=True)
class LiveNames:
    """The columns after some of the versions."""

    live: Mapping[str, str]
    """The live column that each is, by its name then; '' for one that a version adds."""
    dropped: Mapping[str, tuple[VersionChange, str]] = field(default_factory=dict[str, tuple[VersionChange, str]])
    """Live columns that were dropped: by which version, and under which name."""

    def renamed(self, change: VersionChange) -> LiveNames:
        """Behind what the migration of a version renames and fills."""
        after = dict(self.live)
        for old, new in applicable(with_leaves(change.renames, after), after):
            after[new] = after.pop(old)
        for name in change.rebuild.columns if change.rebuild is not None else ():
            after.setdefault(name, "")
        return LiveNames(after, self.dropped)

    def ended(self, change: VersionChange, form: TableForm | None) -> LiveNames:
        """Behind the whole version, whose form may not be known: without what it drops, with what it adds."""
        after, dropped = dict(self.live), dict(self.dropped)
        for name in sorted(change.dropped & after.keys()):
            # To allow a drop is no drop yet: only where the form of that version lacks the column is it gone.
            if form is None or form.column(name) is None:
                live = after.pop(name)
                if live:
                    dropped[live] = (change, name)
        for column in form.columns if form is not None else ():
            after.setdefault(column.name, "")
        return LiveNames(after, dropped)

    def settled(self, columns: Iterable[str]) -> LiveNames:
        """With live columns that have the names of now already."""
        now = {name: name for name in columns}
        others = {name: live for name, live in self.live.items() if live not in now}
        return LiveNames({**others, **now}, {live: one for live, one in self.dropped.items() if live not in now})

    def moved(self, declared: TableForm, earlier: LiveNames) -> dict[str, str]:
        """Live name and last name of the columns that get another one. ``earlier``: before the last version."""
        found: dict[str, str] = {}
        for name, live in self.live.items():
            if live in ("", name):
                continue
            # The old name may be another column's by now: then the column moves also where nobody declares its new
            # one.
            known = name in earlier.live or self.live.get(live, "") not in ("", live)
            if declared.column(name) is not None or (known and declared.column(live) is not None):
                found[live] = name
        return found

    def taken(self, renames: Mapping[str, str]) -> tuple[VersionChange | None, str]:
        """The version that drops a column whose name another one gets later, and the column; None where there is none.
        Both are there at once now, so no rename can be made."""
        held = (new for new in renames.values() if new in self.dropped and new not in renames)
        return next(((self.dropped[name][0], name) for name in held), (None, ""))
