"""Whether a decision of a migration (``allow: drop-column t.a``) is about something that its versions declare. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from aaiclick.catalog.forms import TableForm
from aaiclick.specs.renames import plain_name, renamed_parts
from aaiclick.versions.lockfile import LockedForm

_OF_A_COLUMN = frozenset({"drop-column", "add-column", "change-default", "relabel-enum", "retype", "materialize"})
_OF_A_TABLE = frozenset(
    {"change-engine", "change-partition-key", "change-sort-key", "drop-rows", "leave-detached-parts", "replace-table"}
)
_OF_A_KIND = {
    "drop-table": "table",
    "drop-view": "view",
    "drop-dictionary": "dictionary",
    "drop-collection": "named collection",
}
_DROPS = frozenset({"drop-column", *_OF_A_KIND})
_CLOSE = 0.75
_CLOSED = {*_OF_A_COLUMN, *_OF_A_TABLE, *_OF_A_KIND, "change-ttl", "run-sql"}


@dataclass(slots=True)
class Names:
    """What the versions of a schema declare, up to the one that a migration leads to."""

    kinds: dict[str, str] = field(default_factory=dict[str, str])
    """Objects, each with its kind."""
    parts: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """For each its columns, indexes, projections."""

    declared: set[str] = field(default_factory=set[str])
    """What the last of them declares: objects, and ``table.column``."""

    def add(self, forms: Mapping[str, LockedForm]) -> None:
        """Also what one version declares."""
        columns = {
            f"{name}.{each.name}"
            for name, form in forms.items()
            if isinstance(form, TableForm)
            for each in form.columns
        }
        self.declared = {*forms, *columns}
        for name, form in forms.items():
            self.kinds[name] = form.kind
            parts = self.parts.setdefault(name, set())
            if isinstance(form, TableForm):
                parts |= {each.name for each in form.columns}
                parts |= {each.name for each in form.indexes} | {each.name for each in form.projections}
                parts |= {each.name.partition(".")[0] for each in form.columns}

    def rename(self, renames: Mapping[str, str]) -> None:
        """Also the names that a migration gives."""
        for old, said in renames.items():
            table, column = renamed_parts(old)
            new = plain_name(said)
            if column:
                self.parts.setdefault(table, set()).add(new)
            elif table in self.kinds:
                self.kinds[new] = self.kinds[table]
                self.parts[new] = self.parts.get(new, set()) | self.parts.get(table, set())


def names_nothing(key: str, names: Names, labels: Collection[str], families: Iterable[str] = ()) -> str:
    """Why a decision is about nothing that these versions declare; '' where it is about something, and where nobody can
    tell from the declarations. ``labels``: of the migrations. ``families``: patterns of tables that are made at run
    time."""
    word, _, what = key.partition(" ")
    if word == "run-sql":
        known: Collection[str] = labels
    elif any(re.match(_pattern(each), what) for each in families):
        return ""
    elif word in _OF_A_KIND:
        known = [name for name, kind in names.kinds.items() if kind == _OF_A_KIND[word]]
    elif word in _OF_A_TABLE:
        known = [name for name, kind in names.kinds.items() if kind == "table"]
    else:
        every = frozenset[str]().union(*names.parts.values())
        # No migration says how a table with a dot in its name was called before, and what its columns are from then.
        columns = [
            f"{name}.{part}"
            for name, parts in sorted(names.parts.items())
            for part in sorted(every if "." in name else parts)
        ]
        known = columns if word in _OF_A_COLUMN else [*names.kinds, *columns]
    if what in known:
        return ""
    # What this version declares is not dropped.
    meant_by = sorted(set(known) - names.declared if word in _DROPS else known)
    near = get_close_matches(what, meant_by, 1, _CLOSE) or [name for name in meant_by if what.startswith(name)]
    if word not in _CLOSED and not near:
        return ""  # a view or a target table that somebody else declares
    if word == "leave-row-policy" and any(what.startswith(f"{name}.") for name in names.kinds):
        return ""
    meant = f": did you mean {f'{word} {near[-1]}'!r}?" if near else ""
    return f"{key!r} names nothing that this or an earlier version declares{meant}"


def _pattern(family: str) -> str:
    return "(?s)^" + "".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in family) + r"(\.|$)"
