"""Adds to steps what a migration says about them: words, hazards, and the versions that they complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aaiclick.catalog.forms import LiveObject, TableForm
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.model import Step
from aaiclick.plan.operations import RebuildWork
from aaiclick.versions.version_changes import Composed, Drop


def _dropped(drop: Drop, name: str) -> str:
    """Which version drops the column, and under which name."""
    if drop.ephemeral:
        return f"{drop.label} makes {drop.column} EPHEMERAL"
    return f"{drop.label} drops it" if drop.column == name else f"{drop.label} drops it under the name {drop.column}"


def old_code_hazards(versions: Sequence[int], oldest_code: Mapping[int, int | None]) -> tuple[Hazard, ...]:
    """What the migrations say about older code, or do not say."""
    found: list[Hazard] = []
    for version in versions:
        oldest = oldest_code.get(version)
        if oldest is None or oldest >= version:
            found.append(
                Hazard(
                    "old-code-breaks",
                    f"migration {version} names no older code that runs on its result: stop code before v{version} "
                    "first",
                )
            )
        elif oldest > 1:
            found.append(
                Hazard("old-code-breaks", f"code before v{oldest} cannot run on the result of migration {version}")
            )
    return tuple(found)


def scripted_steps(
    steps: Sequence[Step],
    composed: Composed,
    oldest_code: Mapping[int, int | None],
    live: LiveObject,
    renames: Mapping[str, str],
) -> tuple[Step, ...]:
    """The steps of one table with what its migrations ask for. ``live``: as this server writes it. ``renames``: of its
    columns, by their live names."""
    columns = live.form.columns if isinstance(live.form, TableForm) else ()
    stored = frozenset(name for column in columns for name in (column.name, renames.get(column.name, "")))
    found = [
        _dropping(step, composed) if step.optional else _scripted(step, composed, oldest_code, stored) for step in steps
    ]
    first = next((place for place, step in enumerate(found) if not step.optional and not step.blocked), None)
    # In a table without rows no default is read.
    if first is not None and composed.unknown_defaults and (live.rows or live.predicted):
        hazards = (*found[first].hazards, _passed_over(found[first].object, composed.unknown_defaults))
        found[first] = replace(found[first], hazards=hazards)
    return tuple(found)


def _dropping(step: Step, composed: Composed) -> Step:
    """The step with what migrations allow of it under other names: those that the columns have by then."""
    keys = {f"drop-column {step.object}.{name}" for name in composed.dropped}
    allowed = tuple(dict.fromkeys(each.allow for each in step.hazards if each.allow in keys))
    return replace(step, allowed=allowed) if allowed else step


def _passed_over(table: str, names: Sequence[str]) -> Hazard:
    """Without a key: there is nothing to allow, because nobody knows of another value."""
    listed = f"{', '.join(names[:5])}{' ...' if len(names) > 5 else ''}"
    return Hazard(
        "changes-values",
        f"rows of {table} that are there get the declared default of {listed}: whether a version that is passed over "
        "gave them another one is not known without its released form (aaiclick revision writes schema.lock.json)",
    )


def _doubtful(step: Step, composed: Composed) -> Step:
    """The step with what somebody has to decide first, where nobody knows whether the rows are converted."""
    doubtful = [change for change in composed.rebuilds if change.doubt]
    if not doubtful:
        return step
    changes = (*(change for change in (step.changes or (step.change,)) if change), *(one.doubt for one in doubtful))
    hazards = (Hazard("changes-values", one.doubt, one.allow) for one in doubtful)
    return replace(step, change="; ".join(changes), changes=changes, hazards=(*step.hazards, *hazards))


def _unread(step: Step, composed: Composed) -> Step:
    """The step where a version drops a column that becomes an ALIAS later: to give its values up is decided there."""
    keys = {
        f"change-default {step.object}.{name}": f"{drop.key} {step.object}.{drop.column}"
        for name, drop in composed.anew.items()
    }
    if not any(hazard.allow in keys for hazard in step.hazards):
        return step
    return replace(step, hazards=tuple(replace(each, allow=keys.get(each.allow, each.allow)) for each in step.hazards))


def _scripted(step: Step, composed: Composed, oldest_code: Mapping[int, int | None], stored: frozenset[str]) -> Step:
    done = _blocked(step, composed)
    step = _doubtful(_unread(step, composed), composed)
    if composed.emptied and not step.change:
        step = replace(step, change=f"{composed.emptied} drops it, and a later version makes it again")
    if not isinstance(step.work, RebuildWork) or not composed.fills:
        return replace(step, blocked=done) if done != step.blocked else step
    versions = tuple(change.version for change in composed.rebuilds)
    # A version that only makes an ALIAS of a column is an ALTER in a chain, and no migration says more about it.
    written = [each.version for each in composed.rebuilds if each.rebuild is not None or each.dropped or each.gone]
    filled = {} if composed.emptied else _filled_by(composed)
    words = [*_fill_words(composed, filled), *_row_words(composed)]
    changes = tuple(change for change in (step.changes or (step.change,)) if change)
    if not (filled or composed.where or composed.anew or changes):
        words.append(f"is rebuilt as {', '.join(change.label for change in composed.rebuilds)} says")
    hazards = (*_value_hazards(step.object, composed, filled, stored), *_row_hazards(step.object, composed))
    return replace(
        step,
        change="; ".join((*changes, *words)),
        changes=(*changes, *words),
        hazards=(*_declared_hazards(step, composed), *hazards, *old_code_hazards(written, oldest_code)),
        migrations=versions,
        blocked=done,
    )


def _declared_hazards(step: Step, composed: Composed) -> tuple[Hazard, ...]:
    """Those of the difference itself, without what the declared expression would make of an ALIAS: it is filled with
    what a version between made of it."""
    keys = {f"change-default {step.object}.{name}" for name in composed.aliases}
    return tuple(hazard for hazard in step.hazards if hazard.allow not in keys)


def _blocked(step: Step, composed: Composed) -> str:
    # Without the value of a column the server refuses whatever reads it: that says nothing more.
    blocked = [composed.problem or step.blocked]
    # The author asked for an ALTER: anything else is refused rather than done without asking.
    if step.strategy in ("rebuild", "attach"):
        blocked += [
            f"{change.label} says that {step.object} is changed in place, and that takes a {step.strategy}: take its "
            "'strategy: alter' out"
            for change in composed.in_place
        ]
    return "; ".join(part for part in blocked if part)


def _filled_by(composed: Composed) -> dict[str, list[str]]:
    """The columns that migrations fill by expressions, each with these migrations."""
    filled: dict[str, list[str]] = {}
    for change in composed.rebuilds:
        for name in change.rebuild.columns if change.rebuild is not None else ():
            filled.setdefault(name, []).append(change.label)
    return filled


def _fill_words(composed: Composed, filled: Mapping[str, Sequence[str]]) -> list[str]:
    """How columns get their values."""
    words = [f"{name} is filled by {', '.join(by)}" for name, by in sorted(filled.items())]
    words += [
        f"{name} begins anew: {_dropped(drop, name)}, and a later version "
        f"{'stores' if drop.ephemeral else 'adds'} it again"
        for name, drop in sorted(composed.anew.items())
    ]
    words += [
        f"{name} is filled with its default of {label}"
        for name, label in sorted(composed.defaults.items())
        if name not in filled and name not in composed.anew
    ]
    words += [
        f"{name} is filled with what it was in {stored.label}"
        for name, stored in sorted(composed.aliases.items())
        if name not in filled and name not in composed.anew
    ]
    words += [
        f"{name} is filled with what it became when {drop.label} made an ALIAS of {drop.column}"
        for name, drop in sorted(composed.unread.items())
        if name not in filled and name not in composed.anew
    ]
    return words


def _row_words(composed: Composed) -> list[str]:
    """Which rows the new table gets."""
    if composed.emptied:
        return [f"begins anew, without a row: {composed.emptied} drops it, and a later version makes it again"]
    if composed.where:
        filters = [change.label for change in composed.rebuilds if change.rebuild is not None and change.rebuild.where]
        return [f"rows are filtered by {', '.join(filters)}"]
    return []


def _value_hazards(
    table: str, composed: Composed, filled: Mapping[str, Sequence[str]], stored: frozenset[str]
) -> list[Hazard]:
    """Values that are there, and become other ones or go."""
    hazards = [
        Hazard("changes-values", f"{name} of {table} becomes what {', '.join(by)} says")
        for name, by in sorted(filled.items())
        if name in stored
    ]
    hazards += [
        Hazard(
            "changes-values",
            f"{name} of {table} becomes what it was in {alias.label}, and not what the ALIAS reads now",
            f"change-default {table}.{name}" if alias.materialized else "",
        )
        for name, alias in sorted(composed.aliases.items())
        if name not in filled and not alias.same
    ]
    hazards += [
        Hazard(
            # An ALIAS holds no values, and what rows read as it may be what they get.
            "changes-values" if drop.reads else "loses-rows",
            f"rows of {table} no longer read {drop.reads} as {name}: {_dropped(drop, name)}"
            if drop.reads
            else f"all values that {name} of {table} holds are gone: {_dropped(drop, name)}",
            f"{drop.key} {table}.{drop.column}",
        )
        for name, drop in sorted(composed.anew.items())
        if not (drop.ephemeral and drop.same)
    ]
    hazards += [
        Hazard(
            "changes-values",
            f"the stored values of {table}.{drop.column} are no longer read from {drop.label} on, which makes an ALIAS "
            "of it, and go",
            f"change-default {table}.{drop.column}",
        )
        for _, drop in sorted(composed.unread.items())
    ]
    return hazards


def _row_hazards(table: str, composed: Composed) -> list[Hazard]:
    """Rows that the new table does not get."""
    if composed.emptied:
        gone = f"all rows of {table} are gone: {composed.emptied} drops it"
        return [Hazard("loses-rows", gone, f"drop-table {table}")]
    if composed.where:
        gone = f"rows of {table} for which {composed.where} is not true are gone"
        return [Hazard("loses-rows", gone, f"drop-rows {table}")]
    return []
