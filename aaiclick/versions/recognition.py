"""Which released version a database without a version record is at.

Each object is compared with its form in every released version: exactly, then without what may differ between
installs of one version (``_tolerant``). The answer only says what the upgrade is called and which migrations belong
to it. The plan goes from the live tables to the declared ones, so a tolerance here leaves no difference behind.

Real upgrades leave mixes: each table matches a released version, but no version matches them all (``operation_log``
of version 1 beside ``task_logs`` of version 4). Such a database is at the lowest of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from aaiclick.catalog.forms import SERVER_KINDS, ColumnForm, DatabaseForm, Form, TableForm, ViewForm
from aaiclick.catalog.normalize import normal, normal_form
from aaiclick.catalog.secrets import hidden_form
from aaiclick.catalog.server_objects.databases import database_changes
from aaiclick.diff.changes.columns import MoveColumn
from aaiclick.diff.compare import diff_table
from aaiclick.diff.guessed_format import with_guessed_format
from aaiclick.diff.target import Target
from aaiclick.sql.security import same_security
from aaiclick.versions.lockfile import Lock, LockedForm, LockedVersion

_HOLE = re.compile(r"\{[a-z_]+\}")


@dataclass(frozen=True, slots=True)
class Recognition:
    """What the objects of a database say about its version."""

    version: int | None
    """The version; 0 for a database without any of the objects, None where an object matches no release."""
    matches: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    """For each object the versions that it can belong to; for a missing one those that do not declare it."""
    unmatched: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """For each object that matches no release its differences from ``nearest``, in words."""
    nearest: int | None = None
    """The version with the fewest differences; None where every object matches one."""
    mixed: bool = False
    """True where no single version matches all objects."""


def recognise(live: Mapping[str, Form], lock: Lock) -> Recognition:
    """The version of ``live`` (objects by name). Objects that no version declares are ignored."""
    lock = _of_the_database(lock)
    newest: Mapping[str, LockedForm] = lock.versions[-1].forms if lock.versions else {}
    # For every name of every version: that a table of an old version is missing tells as much as that one is there.
    matches = {name: _matching(name, live.get(name), lock) for name in lock.names}
    # An object that the newest version no longer declares does not matter, whatever was done to it.
    strange = [
        name
        for name in lock.names
        if name in live and name in newest and not _declared_match(name, matches[name], lock)
    ]
    if strange:
        return _unrecognised(live, lock, matches, strange)
    if not any(name in live and _declared_match(name, matches[name], lock) for name in lock.names):
        return Recognition(0, matches)
    # An exact match counts more than a tolerated one. Where several versions match, the newest needs the fewest
    # steps.
    exact = [
        locked.version
        for locked in lock.versions
        if all(is_exactly(live.get(name), form) for name, form in locked.forms.items())
    ]
    if exact:
        return Recognition(max(exact), matches)
    whole = [locked.version for locked in lock.versions if all(locked.version in found for found in matches.values())]
    if whole:
        return Recognition(max(whole), matches)
    return Recognition(_lowest(lock, matches), matches, mixed=True)


def _of_the_database(lock: Lock) -> Lock:
    """The lock without what is listed in no database's catalogue: it tells nothing about the tables."""
    versions = (
        replace(locked, forms={name: form for name, form in locked.forms.items() if form.kind not in SERVER_KINDS})
        for locked in lock.versions
    )
    return replace(lock, versions=tuple(versions))


def differences(
    live: Form | None, released: LockedForm, variables: Mapping[str, tuple[str, ...]] | None = None
) -> tuple[str, ...]:
    """The differences between a live object and a released one, in words; empty where it is that version of the
    object."""
    if live is None:
        return (f"{released.kind} is missing",)
    if live.kind == "unsupported":
        return (live.reason,)
    if isinstance(live, DatabaseForm) and isinstance(released, DatabaseForm):
        return database_changes(released, live)
    live, released = hidden_form(_as_released(live, released)), hidden_form(released)
    if not isinstance(live, TableForm) or not isinstance(released, TableForm):
        same = live.kind == released.kind and normal_form(live) == normal_form(released)
        return () if same else (f"{live.kind} differs from the released {released.kind}",)
    # Compared as a plan would: what is recognised as a version needs no step to be it.
    target = Target(
        _tolerant(live, released, variables or {}), renames=(), undeclared=(), notes=(), free_primary_key=True
    )
    return tuple(change.words for change in diff_table(live, target) if not isinstance(change, MoveColumn))


def is_exactly(live: Form | None, released: LockedForm) -> bool:
    """True where an object is exactly what was released."""
    return (
        live is not None
        and live.kind == released.kind
        and normal_form(hidden_form(_as_released(live, released))) == normal_form(hidden_form(released))
    )


def _as_released(live: Form, released: LockedForm) -> Form:
    """A view with the words of the released one for as whom it reads, where they mean the same."""
    if (
        isinstance(live, ViewForm)
        and isinstance(released, ViewForm)
        and same_security(released.security, live.security)
    ):
        return replace(live, security=released.security)
    return live


def _matching(name: str, live: Form | None, lock: Lock) -> tuple[int, ...]:
    """The versions that do not speak against the object: it matches its form there, or is not declared there."""
    return tuple(
        locked.version
        for locked in lock.versions
        if name not in locked.forms or not differences(live, locked.forms[name], locked.variables.get(name))
    )


def _declared_match(name: str, versions: tuple[int, ...], lock: Lock) -> bool:
    return any(locked.version in versions and name in locked.forms for locked in lock.versions)


def _lowest(lock: Lock, matches: Mapping[str, tuple[int, ...]]) -> int:
    """The version of a mix: the lowest of its objects', and never the newest version, which would match all of them."""
    numbers = [locked.version for locked in lock.versions]
    highest = numbers[-2] if len(numbers) > 1 else numbers[-1]
    return min([highest, *(max(found) for found in matches.values() if found)])


def _unrecognised(
    live: Mapping[str, Form], lock: Lock, matches: Mapping[str, tuple[int, ...]], strange: list[str]
) -> Recognition:
    def distance(locked: LockedVersion) -> int:
        return sum(
            len(differences(live.get(name), form, locked.variables.get(name))) for name, form in locked.forms.items()
        )

    # Of two that are equally near, the newer one.
    by_distance = sorted(lock.versions, key=lambda locked: (distance(locked), -locked.version))
    unmatched: dict[str, tuple[str, ...]] = {}
    for name in strange:
        nearest = next(locked for locked in by_distance if name in locked.forms)
        unmatched[name] = differences(live[name], nearest.forms[name], nearest.variables.get(name))
    return Recognition(None, matches, unmatched, by_distance[0].version)


def _tolerant(live: TableForm, released: TableForm, variables: Mapping[str, tuple[str, ...]]) -> TableForm:
    """The released form with everything that may differ between installs taken from ``live``.

    That is: undeclared columns, indexes, projections and constraints; settings; comments and codecs that were not
    released; the order of columns; declared variables.
    """
    live, released = normal(live), normal(released)
    columns = [_tolerant_column(live.column(column.name), column, variables) for column in released.columns]
    names = {column.name for column in columns}
    # The same release may run replicated in one place and on a single server in another.
    family = live.engine.removeprefix("Replicated").removeprefix("Shared")
    tolerated = replace(
        released,
        name=live.name,
        engine=live.engine if family == released.engine else released.engine,
        # The arguments of a Replicated engine begin with the path and the replica of that install.
        arguments=live.arguments if family != live.engine and family == released.engine else released.arguments,
        columns=(*columns, *(column for column in live.columns if column.name not in names)),
        indexes=(
            *released.indexes,
            *(index for index in live.indexes if index.name not in {own.name for own in released.indexes}),
        ),
        projections=(
            *released.projections,
            *(one for one in live.projections if one.name not in {own.name for own in released.projections}),
        ),
        constraints=(
            *released.constraints,
            *(one for one in live.constraints if one.name not in {own.name for own in released.constraints}),
        ),
        settings=tuple(sorted({**dict(released.settings), **dict(live.settings)}.items())),
        comment=released.comment or live.comment,
    )
    varied = {
        clause: getattr(live, clause)
        for clause in variables
        if "." not in clause and _matches(getattr(live, clause), variables[clause])
    }
    return replace(with_guessed_format(tolerated, live), **varied)


def _tolerant_column(
    live: ColumnForm | None, released: ColumnForm, variables: Mapping[str, tuple[str, ...]]
) -> ColumnForm:
    if live is None:
        return released
    own = {
        clause.rpartition(".")[2]: texts
        for clause, texts in variables.items()
        if clause.rpartition(".")[0] == released.name
    }
    # An operator may have given a column a default. One that was released has to be there.
    added_default = live.kind == "DEFAULT" and not released.kind
    tolerated = replace(
        released,
        kind=live.kind if added_default else released.kind,
        expression=live.expression if added_default else released.expression,
        codec=released.codec or live.codec,
        comment=released.comment or live.comment,
        # A TTL that was not released is not tolerated: it deletes rows.
        ttl=released.ttl,
        settings=tuple(sorted({**dict(released.settings), **dict(live.settings)}.items())),
        statistics=released.statistics or live.statistics,
    )
    varied = {clause: getattr(live, clause) for clause, texts in own.items() if _matches(getattr(live, clause), texts)}
    return replace(tolerated, **varied)


def _matches(text: str, alternatives: tuple[str, ...]) -> bool:
    """True where the text is one of the alternatives; ``{hole}`` in them stands for an unsigned number."""
    return any(
        re.fullmatch(r"\d+".join(re.escape(part) for part in _HOLE.split(alternative)), text)
        for alternative in alternatives
    )
