"""Counts the rows that stand in the way of a change, before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aaiclick.clickhouse.messages import first_line, shortened
from aaiclick.clickhouse.shared.ask_shards import ask_shards
from aaiclick.clickhouse.statements import ask_permissively
from aaiclick.clickhouse.topology import Topology
from aaiclick.diff.changes.base import Change, DataCheck
from aaiclick.diff.hazards import Hazard
from aaiclick.error_codes import (
    CANNOT_CONVERT_TYPE,
    ILLEGAL_TYPE_OF_ARGUMENT,
    NO_COMMON_TYPE,
    NOT_IMPLEMENTED,
    TYPE_MISMATCH,
)
from aaiclick.errors import StatementError
from aaiclick.printable import rows_that
from aaiclick.routine import Query, Routine, Rows, number, text

# These errors are about types, whatever the rows are.
_NO_CONVERSION = frozenset(
    {ILLEGAL_TYPE_OF_ARGUMENT, NOT_IMPLEMENTED, TYPE_MISMATCH, CANNOT_CONVERT_TYPE, NO_COMMON_TYPE}
)


@dataclass(frozen=True, slots=True)
class PassedCheck:
    """A check that no row failed, by its number among the checks of a change. ``forward``: only its ``forward`` could
    be evaluated."""

    change: Change
    place: int
    forward: bool = False


@dataclass(frozen=True, slots=True)
class CheckFindings:
    """What the checks of a table found.

    ``blocked``: a sentence with count and example for each check that found rows; '' for none. ``hazards``: what
    could not be shown, and what may be allowed by name. ``clear``: checks that found no row. ``filled``: condition,
    example and problem of a migration's expressions that no row failed.
    """

    blocked: str
    hazards: tuple[Hazard, ...] = ()
    clear: tuple[PassedCheck, ...] = ()
    filled: tuple[tuple[str, str, str], ...] = ()


def count_violations(hosts: Topology, table: str, changes: Sequence[Change]) -> Routine[CheckFindings]:
    """Carry out the checks of all changes over the rows of all shards. ``table`` is the quoted name of the live table.

    Rows that are inserted later are kept out by guards (``aaiclick/plan/guards``).
    """
    problems: list[str] = []
    hazards: list[Hazard] = []
    clear: list[PassedCheck] = []
    for change in changes:
        checks = change.checks
        if len(checks) > 1 and (yield from _none(hosts, table, checks)):
            clear += [PassedCheck(change, place) for place in range(len(checks))]
            continue
        yield from _one_by_one(hosts, table, change, problems, hazards, clear)
    return CheckFindings("; ".join(problems), tuple(hazards), tuple(clear))


def _none(hosts: Topology, table: str, checks: Sequence[DataCheck]) -> Routine[bool]:
    """True where one pass over the rows finds nothing at all."""
    try:
        # One pass reads the column once for all checks of the change. Only what is found has to be told apart.
        rows = yield from ask_shards(hosts, [f"countIf({check.condition})" for check in checks], f"FROM {table}")
    except StatementError as error:
        if error.code == 0:
            raise
        return False
    return not any(number(count) for row in rows for count in row)


def _one_by_one(
    hosts: Topology,
    table: str,
    change: Change,
    problems: list[str],
    hazards: list[Hazard],
    clear: list[PassedCheck],
) -> Routine[None]:
    blocked = False
    for place, check in enumerate(change.checks):
        problem, hazard, found = yield from _count(hosts, table, check)
        if not found:
            clear.append(PassedCheck(change, place, hazard is not None))
        if problem and not (blocked and check.allowable is not None):  # a value that does not convert is reported once
            problems.append(problem)
            blocked = True
        if hazard is not None:
            hazards.append(hazard)


def _count(hosts: Topology, table: str, check: DataCheck) -> Routine[tuple[str, Hazard | None, bool]]:
    """A sentence, a hazard, and whether rows were found. A count that the engine cannot make counts as found."""
    hazard: Hazard | None = None
    condition = check.condition
    # Twice at most: the whole condition, and the one that only converts forward.
    for _ in range(2):
        try:
            rows = yield from ask_shards(hosts, ["count()"], f"FROM {table} WHERE {condition}")
            count = sum(number(row[0]) for row in rows)
            if count == 0:
                return "", hazard, False
            example = yield from _example(hosts, table, replace(check, condition=condition))
        except StatementError as error:
            if error.code in _NO_CONVERSION and check.forward and condition != check.forward:
                condition, hazard = check.forward, check.unproven
                continue
            if error.code == 0:
                raise
            said = first_line(str(error)).partition(": while executing")[0]
            return f"whether rows {check.problem} cannot be told (the engine: {said})", None, True
        found = f"{rows_that(count, check.problem)}, for instance {example}"
        if check.allowable is None:
            return f"{found}; {check.hint}" if check.hint else found, hazard, True
        return (
            "",
            replace(check.allowable, message=f"{rows_that(count, check.allowable.message)}, for instance {example}"),
            True,
        )
    raise AssertionError


def asked(sql: str, settings: Mapping[str, str | int] | None = None, *, long: bool = False) -> Routine[Rows]:
    """The answer, as far as permissive settings are needed with these. Raises StatementError."""
    return (yield from ask_permissively(Query(sql, {}, dict(settings or {}), long=long)))


def _example(hosts: Topology, table: str, check: DataCheck) -> Routine[str]:
    where = f"FROM {table} WHERE {check.condition} LIMIT 1"
    rows = yield from ask_shards(hosts, [f"toString(tuple({check.example}))"], where)
    return shortened(text(rows[0][0])) if rows else ""
