"""Which released version a database without a version record is at.

Each object is compared with its form in every released version: exactly first, then modulo what installs of one version may
differ in (``_tolerant``). The answer only decides what the upgrade is called and which migrations contribute; the plan itself goes
from the live tables to the declared ones, so that a tolerance here can never leave a difference behind.

Real upgrades leave mixes: tables that each match a released version, but no version matches them all (``operation_log`` of version 1
beside ``task_logs`` of version 4). Such a database is at the lowest of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from aaiclick.catalog.forms import ColumnForm, Form, TableForm
from aaiclick.catalog.normalize import normal, normal_form
from aaiclick.diff.changes.columns import MoveColumn
from aaiclick.diff.compare import diff_table
from aaiclick.diff.target import Target
from aaiclick.versions.lockfile import Lock, LockedForm, LockedVersion

_HOLE = re.compile(r"\{[a-z_]+\}")


@dataclass(frozen=True, slots=True)
class Recognition:
    """``version`` is None where an object matches no release, and 0 for a database without any of the objects.

    ``matches``: per object, the versions it can belong to (for a missing one: those that do not declare it). ``unmatched``: per
    object, its differences from the ``nearest`` version, in words. ``mixed``: no single version matches all objects.
    """

    version: int | None
    matches: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    unmatched: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    nearest: int | None = None
    mixed: bool = False


def recognise(live: Mapping[str, Form], lock: Lock) -> Recognition:
    """Find the version of ``live`` (objects by name; those that no version declares are ignored)."""
    lock = _of_the_database(lock)
    newest: Mapping[str, LockedForm] = lock.versions[-1].forms if lock.versions else {}
    matches = {name: _matching(name, live.get(name), lock) for name in lock.names}
    # An object that the newest version has given up concerns nobody, whatever became of it.
    strange = [name for name in lock.names if name in live and name in newest and not _declared_match(name, matches[name], lock)]
    if strange:
        return _unrecognised(live, lock, matches, strange)
    if not any(name in live and _declared_match(name, matches[name], lock) for name in lock.names):
        return Recognition(0, matches)
    exact = [locked.version for locked in lock.versions if all(is_exactly(live.get(name), form) for name, form in locked.forms.items())]
    if exact:
        return Recognition(max(exact), matches)
    whole = [locked.version for locked in lock.versions if all(locked.version in found for found in matches.values())]
    if whole:
        return Recognition(max(whole), matches)
    return Recognition(_lowest(lock, matches), matches, mixed=True)


def _of_the_database(lock: Lock) -> Lock:
    """Without functions: they are the server's, and say nothing of a database."""
    versions = (replace(locked, forms={name: form for name, form in locked.forms.items() if form.kind != "function"}) for locked in lock.versions)
    return replace(lock, versions=tuple(versions))


def differences(live: Form | None, released: LockedForm, variables: Mapping[str, tuple[str, ...]] | None = None) -> tuple[str, ...]:
    """What keeps ``live`` from being ``released``, in words; empty where it is that version of the object."""
    if live is None:
        return (f"{released.kind} is missing",)
    if live.kind == "unsupported":
        return (live.reason,)
    if not isinstance(live, TableForm) or not isinstance(released, TableForm):
        same = live.kind == released.kind and normal_form(live) == normal_form(released)
        return () if same else (f"{live.kind} differs from the released {released.kind}",)
    target = Target(_tolerant(live, released, variables or {}), renames=(), surplus=(), notes=(), free_primary_key=True)
    return tuple(change.words for change in diff_table(live, target) if not isinstance(change, MoveColumn))


def is_exactly(live: Form | None, released: LockedForm) -> bool:
    """Whether an object is what was released, without any tolerance."""
    return live is not None and live.kind == released.kind and normal_form(live) == normal_form(released)


def _matching(name: str, live: Form | None, lock: Lock) -> tuple[int, ...]:
    """The versions that the object does not contradict: it matches its form there, or it is not declared there (a missing object is
    just as right, a surplus one does no harm)."""
    return tuple(
        locked.version for locked in lock.versions if name not in locked.forms or not differences(live, locked.forms[name], locked.variables.get(name))
    )


def _declared_match(name: str, versions: tuple[int, ...], lock: Lock) -> bool:
    return any(locked.version in versions and name in locked.forms for locked in lock.versions)


def _lowest(lock: Lock, matches: Mapping[str, tuple[int, ...]]) -> int:
    """A mix is at the lowest of what its objects are at, and never at the newest version: that one would match all of them."""
    numbers = [locked.version for locked in lock.versions]
    highest = numbers[-2] if len(numbers) > 1 else numbers[-1]
    return min([highest, *(max(found) for found in matches.values() if found)])


def _unrecognised(live: Mapping[str, Form], lock: Lock, matches: Mapping[str, tuple[int, ...]], strange: list[str]) -> Recognition:
    def distance(locked: LockedVersion) -> int:
        return sum(len(differences(live.get(name), form, locked.variables.get(name))) for name, form in locked.forms.items())

    by_distance = sorted(lock.versions, key=lambda locked: (distance(locked), -locked.version))
    unmatched: dict[str, tuple[str, ...]] = {}
    for name in strange:
        nearest = next(locked for locked in by_distance if name in locked.forms)
        unmatched[name] = differences(live[name], nearest.forms[name], nearest.variables.get(name))
    return Recognition(None, matches, unmatched, by_distance[0].version)


def _tolerant(live: TableForm, released: TableForm, variables: Mapping[str, tuple[str, ...]]) -> TableForm:
    """``released``, with everything that installs of one version may differ in taken from ``live``: surplus columns, indexes, projections
    and constraints, settings, comments and codecs that the release has not, the order of columns, and declared variables."""
    live, released = normal(live), normal(released)
    columns = [_tolerant_column(live.column(column.name), column, variables) for column in released.columns]
    names = {column.name for column in columns}
    family = live.engine.removeprefix("Replicated").removeprefix("Shared")
    return replace(
        released,
        name=live.name,
        engine=live.engine if family == released.engine else released.engine,
        arguments=live.arguments if family != live.engine and family == released.engine else released.arguments,
        columns=(*columns, *(column for column in live.columns if column.name not in names)),
        indexes=(*released.indexes, *(index for index in live.indexes if index.name not in {own.name for own in released.indexes})),
        projections=(*released.projections, *(one for one in live.projections if one.name not in {own.name for own in released.projections})),
        constraints=(*released.constraints, *(one for one in live.constraints if one.name not in {own.name for own in released.constraints})),
        settings=tuple(sorted({**dict(released.settings), **dict(live.settings)}.items())),
        comment=released.comment or live.comment,
        **{clause: getattr(live, clause) for clause in variables if "." not in clause and _matches(getattr(live, clause), variables[clause])},
    )


def _tolerant_column(live: ColumnForm | None, released: ColumnForm, variables: Mapping[str, tuple[str, ...]]) -> ColumnForm:
    if live is None:
        return released
    own = {clause.rpartition(".")[2]: texts for clause, texts in variables.items() if clause.rpartition(".")[0] == released.name}
    added_default = live.kind == "DEFAULT" and not released.kind
    return replace(
        released,
        kind=live.kind if added_default else released.kind,
        expression=live.expression if added_default else released.expression,
        codec=released.codec or live.codec,
        comment=released.comment or live.comment,
        ttl=released.ttl,
        settings=tuple(sorted({**dict(released.settings), **dict(live.settings)}.items())),
        statistics=released.statistics or live.statistics,
        **{clause: getattr(live, clause) for clause, texts in own.items() if _matches(getattr(live, clause), texts)},
    )


def _matches(text: str, alternatives: tuple[str, ...]) -> bool:
    """True where the text is one of the alternatives, a ``{hole}`` of which stands for an unsigned number."""
    return any(re.fullmatch(r"\d+".join(re.escape(part) for part in _HOLE.split(alternative)), text) for alternative in alternatives)
