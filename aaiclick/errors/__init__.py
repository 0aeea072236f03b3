"""Every error of the library, grouped by what the caller does next.

AaiclickError
  SpecError                    correct the declaration
    SpecChangedError             raise the version, or undo the edit
    MigrationError               correct the migration files
      HistoryError                 the history was edited: put back what was released
        DuplicateVersionError        two migrations have one number
        MissingVersionError          a released or applied version is gone from the code
        EditedMigrationError         a released or applied migration was changed
        EditedLockError              a released version in schema.lock.json was changed
  UsageError                   call it differently (wrong client, URL, twin, policy)
  ConnectionFailed             the database cannot be reached or opened: nothing was done
  StatementError               the server refused a statement (code and name are the server's)
    OutcomeUnknownError          the connection was lost in the middle: run again, it probes what happened
  SchemaError                  the live schema is not what the code expects
    SchemaVersionError           run: aaiclick migrate
    SchemaAheadError             upgrade the application
    UnrecognisedSchemaError      run: aaiclick adopt
      UnknownConversionError       nothing tells whether values were converted: run: aaiclick adopt
    ForeignTableError            it is another schema's table: declare it once, or run: aaiclick adopt --take-over
    UnsupportedObjectError       an object that cannot be represented: never touched
  PlanError                    the plan cannot be carried out as it stands
    BlockedError                 the data stands in the way: correct it (count and example are given);
                                 or a host that is away
    HazardNotAllowedError        allow it by name
    StalePlanError               plan again
  ApplyError                   something failed while a plan was carried out: run again, it resumes
    VerificationError            the copy differs: the live table was left as it was
    LockHeldError                another process migrates: wait
    LeaseLostError               another process took over
    DriftRemainsError            applied, but a difference is left
"""

from __future__ import annotations

from aaiclick.errors.base import (
    AaiclickError,
    ApplyError,
    BlockedError,
    ConnectionFailed,
    DriftRemainsError,
    DuplicateVersionError,
    EditedLockError,
    EditedMigrationError,
    HazardNotAllowedError,
    HistoryError,
    LeaseLostError,
    LockHeldError,
    MigrationError,
    MissingVersionError,
    OutcomeUnknownError,
    PlanError,
    SpecChangedError,
    SpecError,
    StalePlanError,
    StatementError,
    TenantsFailedError,
    UndecidedError,
    UsageError,
    VerificationError,
    done_before,
)

__all__ = [
    "AaiclickError",
    "ApplyError",
    "BlockedError",
    "ConnectionFailed",
    "DoesNotFitError",
    "DriftRemainsError",
    "DuplicateVersionError",
    "EditedLockError",
    "EditedMigrationError",
    "ForeignTableError",
    "HazardNotAllowedError",
    "HistoryError",
    "LeaseLostError",
    "LockHeldError",
    "MigrationError",
    "MissingVersionError",
    "OutcomeUnknownError",
    "PlanError",
    "SchemaAheadError",
    "SchemaError",
    "SchemaVersionError",
    "SpecChangedError",
    "SpecError",
    "StalePlanError",
    "StatementError",
    "TenantsFailedError",
    "UndecidedError",
    "UnknownConversionError",
    "UnrecognisedSchemaError",
    "UnsupportedObjectError",
    "UsageError",
    "VerificationError",
]


class SchemaError(AaiclickError):
    """The live schema is not what the code expects."""


class SchemaVersionError(SchemaError):
    """The database is behind (or differs from) the code and the policy does not allow to bring it up to date.

    ``differences`` holds one sentence per difference, ``next_command`` what to run. ``done``: the steps that were
    carried out before that was known. ``refused``: what is not allowed, why, and the key that would allow it, a
    sentence each; ``policy``: which policy refuses, and where it was said ('' where none does). ``cause``: what may
    have made the difference, a sentence; '' where nothing is known.
    """

    def __init__(
        self,
        schema: str,
        live: str,
        expected: str,
        differences: tuple[str, ...],
        next_command: str = "aaiclick migrate",
        done: tuple[str, ...] = (),
        refused: tuple[str, ...] = (),
        policy: str = "",
        cause: str = "",
    ) -> None:
        self.schema = schema
        self.live = live
        self.expected = expected
        self.differences = differences
        self.next_command = next_command
        self.done = done
        self.refused = refused
        self.policy = policy
        listed = "; ".join(differences)
        self.cause = cause
        why = f" {cause}" if cause else ""
        why += f" Refused by {policy}: {'; '.join(refused)}." if policy else ""
        super().__init__(
            f"{schema} is at {live}, code expects {expected}: {listed}.{why}{done_before(done)} Run: {next_command}"
        )


class SchemaAheadError(SchemaError):
    """The database was migrated by newer code, or is on the way there, and nothing says that this code can still run on
    it.

    ``under_way``: the version of a migration that was begun and is not finished (None: there is none), ``begun`` by
    whom and when; ``next_command`` gives it up ('' where none is under way).
    """

    def __init__(
        self,
        schema: str,
        live: int | None,
        expected: int,
        oldest_code: int | None,
        under_way: int | None = None,
        begun: str = "",
        next_command: str = "",
    ) -> None:
        self.schema = schema
        self.live = live
        self.expected = expected
        self.oldest_code = oldest_code
        self.under_way = under_way
        self.begun = begun
        self.next_command = next_command
        oldest = (
            f"runs with code from v{oldest_code} on"
            if oldest_code is not None
            else "does not name older code that can still run"
        )
        at = f"at v{live}" if live is not None else "at no recorded version"
        if under_way is None:
            super().__init__(f"{schema} is {at}, code expects v{expected}: v{live} {oldest}. Upgrade the application")
        else:
            super().__init__(
                f"{schema} is {at} and on its way to v{under_way} ({begun}), code expects v{expected}: v{under_way} "
                f"{oldest}. This code has applied nothing."
                f" Finish that migration with its own code, or give it up. Run: {next_command}"
            )


class UnrecognisedSchemaError(SchemaError):
    """Tables without a version record that match no released version."""

    def __init__(self, schema: str, differences: tuple[str, ...], nearest: int | None) -> None:
        self.schema = schema
        self.differences = differences
        self.nearest = nearest
        listed = "; ".join(differences)
        near = f"nearest to v{nearest}" if nearest is not None else "near to none"
        number = nearest if nearest is not None else "N"
        super().__init__(
            f"{schema} has no version record and matches no released version ({near}): {listed}. Run: aaiclick adopt "
            f"--version {number}"
        )


class UnknownConversionError(UnrecognisedSchemaError):
    """Tables that are those of two versions, between which a migration moves values, and nothing tells whether it ran:
    they have no version record, or code without a version (``version=None``) changed them."""

    def __init__(self, schema: str, live: int | None, before: int, unproven: tuple[str, ...], how: str = "") -> None:
        SchemaError.__init__(
            self,
            f"{schema} {how or 'has no version record'}, and the form of its tables does not tell whether values were "
            f"converted: {'; '.join(unproven)}."
            f" Nothing was changed. Run: aaiclick adopt --version {before} where they were not"
            + (
                f", aaiclick adopt --version {live} where they were"
                if live
                else ", --version N where they were (N: the last one that was applied)"
            ),
        )
        self.schema = schema
        self.differences = unproven
        self.nearest = before


class ForeignTableError(SchemaError):
    """A table that another schema of this database recorded is declared differently. Nothing was changed."""

    def __init__(self, schema: str, owners: tuple[tuple[str, str], ...], differences: tuple[str, ...]) -> None:
        self.schema = schema
        self.owners = owners
        self.differences = differences
        from shlex import quote

        self.next_command = " ".join(["aaiclick adopt", *(f"--take-over {quote(name)}" for name, _ in owners)])
        listed = "; ".join(f"{name} belongs to {owner}" for name, owner in owners)
        super().__init__(
            f"{listed}, and schema {schema} declares it differently: {'; '.join(differences)}. Each start of one "
            "would undo the other's."
            f" Declare it in one of them, or the same in both, or take it over. Run: {self.next_command}"
        )


class UnsupportedObjectError(SchemaError):
    """An object whose definition cannot be represented: it is reported and never touched."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"{name}: {reason}")


class DoesNotFitError(SchemaError):
    """The tables are not what the version has; ``differences`` says how. Nothing was recorded.

    ``released``: the version was; a version that never was is nothing that a database could be at.
    """

    def __init__(self, schema: str, version: int, found: tuple[str, ...], released: bool = True) -> None:
        self.schema = schema
        self.version = version
        self.differences = found
        self.released = released
        following = (
            f"To record it all the same: aaiclick adopt --version {version} --force"
            if released
            else "It was never released: correct the declaration (aaiclick reflect prints "
            "what is there), or bring the tables to it. Run: aaiclick migrate"
        )
        super().__init__(f"{schema} does not fit v{version}: {'; '.join(found)}. {following}")


for _name in __all__:
    # So a traceback shows each under the name by which it is imported and caught.
    globals()[_name].__module__ = __name__
