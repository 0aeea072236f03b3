"""What the public functions answer with."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.plan.gate import GateDecision
from aaiclick.plan.model import Plan, Step


@dataclass(frozen=True, slots=True)
class Report:
    """What ``ensure_schema`` did.

    ``from_version`` is None for a database without a record that was not recognised, 0 for one without any of the objects.
    ``steps`` were carried out, ``pending`` were not (each with its reason in ``reasons``, in the same order; they are optional
    clean-ups that nobody asked for). ``notes`` are reported differences that are no work. ``duration`` in seconds.
    """

    schema: str
    database: str
    from_version: int | None
    to_version: int | None
    steps: tuple[Step, ...]
    pending: tuple[Step, ...]
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    in_sync: bool
    duration: float


@dataclass(frozen=True, slots=True)
class KeptTable:
    """An old table that was kept after a rebuild, for a rollback; ``expires`` is an ISO time in UTC ('': it stays until somebody decides)."""

    name: str
    table: str
    rows: int
    bytes: int
    expires: str


@dataclass(frozen=True, slots=True)
class Status:
    """What ``validate_schema`` found. ``live_version`` is None where nothing is recorded or recognised, 0 for an empty database.

    ``differences`` have to be migrated; ``notes`` are harmless (surplus columns and the like). ``unfinished`` says what a killed run left
    to be gone on with ('': nothing). ``state`` is a short word: 'in sync', 'behind', 'ahead', 'drift', 'changed', 'empty', 'unrecognised',
    'foreign' (a table of another schema's).
    """

    schema: str
    database: str
    server: str
    live_version: int | None
    code_version: int | None
    state: str
    in_sync: bool
    differences: tuple[str, ...]
    notes: tuple[str, ...]
    kept_tables: tuple[KeptTable, ...]
    unfinished: str = ""


def report_of(plan: Plan, verdict: GateDecision, seconds: float) -> Report:
    """What was done, and what was left because nobody asked for it."""
    return Report(
        schema=plan.schema,
        database=plan.database,
        from_version=plan.from_version,
        to_version=plan.to_version,
        steps=verdict.run,
        pending=tuple(refusal.step for refusal in verdict.pending),
        reasons=tuple(refusal.reason for refusal in verdict.pending),
        notes=tuple(note for note in plan.notes if not _is_pending(note, verdict)),
        in_sync=True,
        duration=seconds,
    )


def _is_pending(note: str, verdict: GateDecision) -> bool:
    """A surplus column is a pending step (or was just dropped), and need not be said twice."""
    said = [refusal.step for refusal in verdict.pending] + list(verdict.run)
    return any(note == f"{step.object}: {step.change} (left alone)" for step in said)
