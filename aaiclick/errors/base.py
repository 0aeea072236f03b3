"""The root of all errors, and those that are not about the live schema."""

from __future__ import annotations

from aaiclick.printable import allow_flag, count_text, shown, shown_lines


class AaiclickError(Exception):
    """The root of every error this library raises on purpose. Its text is one line, whatever is in the names of tables
    and columns."""

    def __str__(self) -> str:
        return shown(super().__str__())


class SpecError(AaiclickError, ValueError):
    """A declaration is wrong; ``path`` names table and field, nothing was sent to a database."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}" if path else problem)


class SpecChangedError(SpecError):
    """The declaration of an already applied version was edited without a new version number."""

    def __init__(self, schema: str, version: int, differences: tuple[str, ...]) -> None:
        self.schema = schema
        self.version = version
        self.differences = differences
        listed = "; ".join(differences) or "the declaration differs from the one that was applied"
        problem = (
            f"declared differently from the v{version} that was applied: {listed}. Raise version to {version + 1}, "
            "or undo the edit"
        )
        super().__init__(schema, problem)


class MigrationError(SpecError):
    """The migrations of a schema contradict each other or its lock file."""


class HistoryError(MigrationError):
    """What was released or applied was edited afterwards. ``path`` names the file or version, the message what to
    do."""


class DuplicateVersionError(HistoryError):
    """Two migrations have the same number."""


class MissingVersionError(HistoryError):
    """A version that was released or applied is gone from the code."""


class EditedMigrationError(HistoryError):
    """A migration differs from the one that was released, or from the one that a database says was applied."""


class EditedLockError(HistoryError):
    """A released version in ``schema.lock.json`` differs from what was written there, or from what a database says was
    applied."""


class UsageError(AaiclickError):
    """The library was called in a way that cannot work; the message names the call that does."""


class ConnectionFailed(AaiclickError):  # noqa: N818 - reads as a sentence
    """The database cannot be reached or opened; nothing was done."""


class StatementError(AaiclickError):
    """The server refused a statement. ``code`` and ``name`` are ClickHouse's (0 and '' where it gave none)."""

    def __init__(self, message: str, code: int = 0, name: str = "", sql: str = "") -> None:
        self.code = code
        self.name = name
        self.sql = sql
        self.message = message
        super().__init__(message)

    def __str__(self) -> str:
        # A server may say it in several lines.
        return shown_lines(Exception.__str__(self))


class OutcomeUnknownError(StatementError):
    """The connection was lost while a statement ran: it may have happened. Run again: what happened is probed."""


class PlanError(AaiclickError):
    """The plan cannot be carried out as it stands."""


class BlockedError(PlanError):
    """The data stands in the way of a step, or a host that is away; ``blocks`` holds a sentence for each, with count
    and example or what to do. ``done``: the steps that were carried out before that was known."""

    def __init__(self, schema: str, blocks: tuple[str, ...], done: tuple[str, ...] = ()) -> None:
        self.schema = schema
        self.blocks = blocks
        self.done = done
        told = done_before(done)
        super().__init__(f"{schema} cannot be migrated now: {'; '.join(blocks)}{f'.{told}' if told else ''}")


class HazardNotAllowedError(PlanError):
    """A step destroys or changes data and nobody allowed it by name."""

    def __init__(
        self, schema: str, refused: tuple[str, ...], allow: tuple[str, ...], command: str = "aaiclick migrate"
    ) -> None:
        self.schema = schema
        self.refused = refused
        self.allow = allow
        self.command = command
        flags = " ".join(allow_flag(key) for key in allow)
        super().__init__(f"{schema}: {'; '.join(refused)}. To allow it: {command} {flags}")


class StalePlanError(PlanError):
    """What would be done now is not what was approved: plan again.

    ``changes`` holds a sentence for each thing that is different. ``done``: the steps of the approved plan that were
    carried out before that was known.
    """

    def __init__(
        self,
        schema: str,
        changes: tuple[str, ...],
        done: tuple[str, ...] = (),
        next_command: str = "aaiclick plan --out plan.json",
    ) -> None:
        self.schema = schema
        self.changes = changes
        self.done = done
        self.next_command = next_command
        told = done_before(done) or " Nothing of it was carried out."
        super().__init__(
            f"{schema}: what would be done now is not what was approved: {'; '.join(changes)}.{told} Make a new plan. "
            f"Run: {next_command}"
        )


class ApplyError(AaiclickError):
    """Something failed while a plan was carried out. Run again: it goes on from there."""

    through: object = None
    """The host of a cluster (a ``peers.Peer``) through which a run puts right what is told; None: any."""
    version: int | None = None
    """The version that has to be run there; None: the one that was."""


class VerificationError(ApplyError):
    """A copy differs from its source: nothing was exchanged, the live table is as it was."""


class LockHeldError(ApplyError):
    """Another process migrates this database and did not end in the time allowed."""


class LeaseLostError(ApplyError):
    """Another process took the migration over; this one stopped between two statements."""


class DriftRemainsError(ApplyError):
    """The plan was carried out, but a difference is left."""

    def __init__(self, schema: str, differences: tuple[str, ...]) -> None:
        self.schema = schema
        self.differences = differences
        super().__init__(f"{schema} was migrated, but differences are left: {'; '.join(differences)}")


class UndecidedError(MigrationError):
    """Something is gone that may have been renamed: ``undecided`` says which flags decide it. Nothing was written."""

    def __init__(self, schema: str, undecided: tuple[str, ...]) -> None:
        self.undecided = undecided
        super().__init__(schema, "; ".join(undecided))


class TenantsFailedError(AaiclickError):
    """Some of many databases are not at the declared version (``aaiclick.tenants``); ``databases`` names them. The
    error of the first is the cause."""

    def __init__(self, schema: str, databases: tuple[str, ...], of: int, first: str) -> None:
        self.schema = schema
        self.databases = databases
        listed = ", ".join(databases[:3]) + (" ..." if len(databases) > 3 else "")
        failed = f"{len(databases):,} of {count_text(of, 'database')} failed ({listed})"
        super().__init__(f"{schema}: {failed}. The first: {first}")


def done_before(steps: tuple[str, ...]) -> str:
    """A sentence on steps that are in the journal already, and need not be done again."""
    return f" Done before, and not done again: {', '.join(steps)}." if steps else ""
