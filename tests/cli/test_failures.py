"""Errors: one sentence, what to run, an exit code; never a traceback, never a password."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aaiclick.cli.database import completed
from aaiclick.cli.failures import hide
from aaiclick.errors import (
    AaiclickError,
    ApplyError,
    BlockedError,
    ConnectionFailed,
    DoesNotFitError,
    DriftRemainsError,
    DuplicateVersionError,
    EditedLockError,
    EditedMigrationError,
    ForeignTableError,
    HazardNotAllowedError,
    LeaseLostError,
    LockHeldError,
    MissingVersionError,
    OutcomeUnknownError,
    SchemaAheadError,
    SchemaVersionError,
    SpecChangedError,
    SpecError,
    StalePlanError,
    StatementError,
    TenantsFailedError,
    UndecidedError,
    UnknownConversionError,
    UnrecognisedSchemaError,
    UnsupportedObjectError,
    UsageError,
    VerificationError,
)
from aaiclick.explanations import explanation_of
from tests.cli.conftest import Ran, Script
from tests.cli.scripted import ALLOW

Run = Callable[..., Ran]
Case = tuple[Exception, int, str, str | None]
DIFFERENCE = "task_logs: table is missing"
CASES: list[Case] = [
    (
        SchemaVersionError("oplog", "v1", "v5", (DIFFERENCE,)),
        1,
        f"oplog is at v1, code expects v5: {DIFFERENCE}. Run: aaiclick migrate --database app",
        "aaiclick migrate --database app",
    ),
    (
        HazardNotAllowedError("oplog", ("operation_log.args: its values are lost",), (ALLOW,)),
        1,
        (
            "oplog: operation_log.args: its values are lost. To allow it: aaiclick migrate --database app --allow "
            f"'{ALLOW}'"
        ),
        f"aaiclick migrate --database app --allow '{ALLOW}'",
    ),
    (
        HazardNotAllowedError("oplog", ("values of t",), ("values t",), "aaiclick rollback --database app --to 1"),
        1,
        "oplog: values of t. To allow it: aaiclick rollback --to 1 --database app --allow 'values t'",
        "aaiclick rollback --to 1 --database app --allow 'values t'",
    ),
    (
        TenantsFailedError("oplog", ("a", "b"), 3, "no room"),
        2,
        "error: oplog: 2 of 3 databases failed (a, b). The first: no room",
        None,
    ),
    (BlockedError("oplog", ("3 NULLs in id",)), 1, "oplog cannot be migrated now: 3 NULLs in id", None),
    (
        StalePlanError("oplog", ("t: rebuild instead of alter",)),
        1,
        (
            "oplog: what would be done now is not what was approved: t: rebuild instead of alter. Nothing of it was "
            "carried out. Make a new plan. Run: aaiclick migrate --database app"
        ),
        "aaiclick migrate --database app",
    ),
    (
        SchemaAheadError("oplog", 6, 5, None),
        1,
        "oplog is at v6, code expects v5: v6 does not name older code that can still run. Upgrade the application",
        None,
    ),
    (
        SchemaAheadError("oplog", 4, 4, None, 5, "begun by app@host pid 7", "aaiclick rollback --to 4"),
        1,
        (
            "oplog is at v4 and on its way to v5 (begun by app@host pid 7), code expects v4: v5 does not name older "
            "code that can still run."
            " This code has applied nothing. Finish that migration with its own code, or give it up. Run: aaiclick "
            "rollback --to 4 --database app"
        ),
        "aaiclick rollback --to 4 --database app",
    ),
    (
        SchemaVersionError(
            "oplog", "v5 and rolling back to v4", "v5", ("it was not finished",), "aaiclick rollback --to 4"
        ),
        1,
        (
            "oplog is at v5 and rolling back to v4, code expects v5: it was not finished. Run: aaiclick rollback "
            "--to 4 --database app"
        ),
        "aaiclick rollback --to 4 --database app",
    ),
    (
        ForeignTableError("oplog", (("t", "schema shop (recorded at v1)"),), (DIFFERENCE,)),
        1,
        (
            f"t belongs to schema shop (recorded at v1), and schema oplog declares it differently: {DIFFERENCE}. "
            "Each start of one would undo the other's."
            " Declare it in one of them, or the same in both, or take it over. Run: aaiclick adopt --take-over t "
            "--database app"
        ),
        "aaiclick adopt --take-over t --database app",
    ),
    (
        ForeignTableError("oplog", (("(database)", "schema shop"),), (DIFFERENCE,)),
        1,
        (
            f"(database) belongs to schema shop, and schema oplog declares it differently: {DIFFERENCE}. "
            "Each start of one would undo the other's."
            " Declare it in one of them, or the same in both, or take it over. Run: aaiclick adopt --take-over "
            "'(database)' --database app"
        ),
        "aaiclick adopt --take-over '(database)' --database app",
    ),
    (
        UnknownConversionError("oplog", 2, 1, ("0002_cents.sql: column price of t (3 rows)",)),
        1,
        (
            "oplog has no version record, and the form of its tables does not tell whether values were converted: "
            "0002_cents.sql: column price of t (3 rows)."
            " Nothing was changed. Run: aaiclick adopt --version 1 where they were not, aaiclick adopt --version 2 "
            "where they were"
        ),
        None,
    ),
    (
        UnrecognisedSchemaError("oplog", (DIFFERENCE,), 4),
        1,
        (
            f"oplog has no version record and matches no released version (nearest to v4): {DIFFERENCE}. Run: "
            "aaiclick adopt --version 4"
        ),
        None,
    ),
    (UnsupportedObjectError("t", "a clause that is not known"), 1, "t: a clause that is not known", None),
    (
        DoesNotFitError("oplog", 4, (DIFFERENCE,)),
        1,
        f"oplog does not fit v4: {DIFFERENCE}. To record it all the same: aaiclick adopt --version 4 --force",
        None,
    ),
    (
        UndecidedError("oplog", ("t.c is gone: --rename t.c=d or --drop t.c",)),
        2,
        "error: oplog: t.c is gone: --rename t.c=d or --drop t.c",
        None,
    ),
    (SpecError("t.c", "unknown type"), 2, "error: t.c: unknown type", None),
    (
        SpecChangedError("oplog", 5, (DIFFERENCE,)),
        2,
        (
            f"error: oplog: declared differently from the v5 that was applied: {DIFFERENCE}. Raise version to 6, or "
            "undo the edit"
        ),
        None,
    ),
    (
        DuplicateVersionError("0002_a.sql", "has the number of 0002_b.sql"),
        2,
        "error: 0002_a.sql: has the number of 0002_b.sql",
        None,
    ),
    (MissingVersionError("oplog", "version 3 is gone"), 2, "error: oplog: version 3 is gone", None),
    (EditedMigrationError("0002_a.sql", "was edited"), 2, "error: 0002_a.sql: was edited", None),
    (
        EditedLockError("schema.lock.json", "version 2 was edited"),
        2,
        "error: schema.lock.json: version 2 was edited",
        None,
    ),
    (UsageError("give another client"), 2, "error: give another client", None),
    (
        ConnectionFailed("nothing listens at http://h:8123 (connection refused). Start the server"),
        2,
        "error: nothing listens at http://h:8123 (connection refused). Start the server",
        None,
    ),
    (
        StatementError("Code: 497. DB::Exception: u: Not enough privileges. (ACCESS_DENIED)", 497, "ACCESS_DENIED"),
        2,
        "error: Code: 497. DB::Exception: u: Not enough privileges. (ACCESS_DENIED)",
        None,
    ),
    (
        StatementError("Code: 81. DB::Exception: Database app does not exist. (UNKNOWN_DATABASE)", 81),
        2,
        "error: Code: 81. DB::Exception: Database app does not exist. (UNKNOWN_DATABASE)",
        None,
    ),
    (
        StatementError("Code: 164. DB::Exception: u: read-only. (READONLY)", 164),
        2,
        "error: Code: 164. DB::Exception: u: read-only. (READONLY)",
        None,
    ),
    (StatementError("Code: 60.\n  no such\n table", 60), 2, "error: Code: 60. no such table", None),
    (
        OutcomeUnknownError("the connection was lost while a statement ran"),
        2,
        "error: the connection was lost while a statement ran",
        "aaiclick migrate --database app",
    ),
    (LockHeldError("host:1 migrates"), 2, "error: host:1 migrates", "aaiclick migrate --database app"),
    (
        LeaseLostError("taken over"),
        2,
        "error: taken over (run again: it goes on from there)",
        "aaiclick migrate --database app",
    ),
    (
        VerificationError("the copy differs"),
        2,
        "error: the copy differs (run again: it goes on from there)",
        "aaiclick migrate --database app",
    ),
    (ApplyError("stopped"), 2, "error: stopped (run again: it goes on from there)", "aaiclick migrate --database app"),
    (
        DriftRemainsError("oplog", (DIFFERENCE,)),
        2,
        f"error: oplog was migrated, but differences are left: {DIFFERENCE} (run again: it goes on from there)",
        "aaiclick migrate --database app",
    ),
    (KeyError("what\nnow"), 2, "error: unexpected KeyError: 'what\\nnow'. Run with --debug for the traceback", None),
    (RuntimeError(), 2, "error: unexpected RuntimeError. Run with --debug for the traceback", None),
]
IDS = [type(case[0]).__name__ for case in CASES]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_failure_is_one_sentence_and_what_to_run(run: Run, script: Script, case: Case) -> None:
    error, code, sentence, following = case
    sentence = completed(sentence, [("--database", "app")])
    script.report = error
    ran = run("migrate", "--database", "app")
    explained = [completed(explanation_of(error), [("--database", "app")])] if explanation_of(error) else []
    next_line = [] if following is None or following in sentence else [f"run: {following}"]
    expected = [sentence, *explained, *next_line]
    assert (ran.code, ran.stdout, ran.stderr.splitlines()) == (code, "", expected)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_failure_as_json(run: Run, script: Script, case: Case) -> None:
    error, code, sentence, following = case
    sentence = completed(sentence, [("--database", "app")])
    script.report = error
    ran = run("migrate", "--json", "--database", "app")
    assert (ran.code, ran.stderr) == (code, "")
    told = ran.document["error"]
    assert told["type"] == type(error).__name__
    assert told["message"] == sentence.removeprefix("error: ")
    assert told["next"] == following
    assert told["explanation"] == (completed(explanation_of(error), [("--database", "app")]) or None)


def test_a_refusal_of_the_server_is_explained(run: Run, script: Script) -> None:
    script.report = StatementError("Code: 497. DB::Exception: u: Not enough privileges. (ACCESS_DENIED)", 497)
    assert run("migrate").stderr.splitlines()[1] == (
        "497 ACCESS_DENIED: the user does not have the right that the statement needs. Grant what the message names, or use "
        "a user who may"
    )


def test_the_fields_of_an_error_are_details(run: Run, script: Script) -> None:
    script.report = HazardNotAllowedError("oplog", ("refused",), (ALLOW,))
    assert run("migrate", "--json").document["error"]["details"] == {"refused": ["refused"], "allow": [ALLOW]}
    script.report = SchemaVersionError(
        "oplog", "v1", "v5", (DIFFERENCE,), refused=("t: why",), policy="policy safe (argument)"
    )
    ran = run("migrate", "--json")
    assert "Refused by policy safe (argument): t: why. Run: " in ran.document["error"]["message"]
    assert ran.document["error"]["details"] == {
        "live": "v1",
        "expected": "v5",
        "differences": [DIFFERENCE],
        "refused": ["t: why"],
        "policy": "policy safe (argument)",
    }


def test_a_narrower_policy_is_not_repeated_in_the_advice(run: Run, script: Script) -> None:
    script.report = SchemaVersionError("oplog", "v1", "v5", (DIFFERENCE,))
    ran = run("migrate", "--policy", "check", "--allow", ALLOW)
    assert ran.stderr.endswith(f"Run: aaiclick migrate --allow '{ALLOW}'\n")


def test_the_keys_that_the_library_names_are_in_the_advice(run: Run, script: Script) -> None:
    script.report = SchemaVersionError(
        "oplog", "v1", "v5", (DIFFERENCE,), f"aaiclick migrate --allow '{ALLOW}' --allow 'drop-rows t'"
    )
    ran = run("migrate", "--database", "app", "--allow", "drop-rows t", "--json")
    assert ran.document["error"]["next"] == f"aaiclick migrate --database app --allow 'drop-rows t' --allow '{ALLOW}'"
    assert ran.document["error"]["message"].endswith(f"{DIFFERENCE}. Run: {ran.document['error']['next']}")


def test_every_error_class_has_a_case() -> None:
    def below(kind: type[Exception]) -> set[type[Exception]]:
        return {kind, *(deeper for child in kind.__subclasses__() for deeper in below(child))}

    groups = {"AaiclickError", "SchemaError", "PlanError", "MigrationError", "HistoryError"}
    assert {kind.__name__ for kind in below(AaiclickError) if kind.__module__ == "aaiclick.errors"} - groups <= set(IDS)


def test_debug_shows_the_traceback(run: Run, script: Script) -> None:
    script.report = KeyError("inner")
    ran = run("migrate", "--debug")
    assert ran.code == 2
    assert "Traceback (most recent call last)" in ran.stderr
    assert ran.stderr.splitlines()[-1].startswith("error: unexpected KeyError: 'inner'")


def test_ctrl_c_says_that_the_next_run_resumes(run: Run, script: Script) -> None:
    script.report = KeyboardInterrupt()
    ran = run("migrate", "--database", "app")
    assert (ran.code, ran.stdout) == (130, "")
    assert ran.stderr == "interrupted. Nothing is lost: the next run resumes\nrun: aaiclick migrate --database app\n"
    assert run("migrate", "--json").document["error"]["type"] == "Interrupted"
    script.status = KeyboardInterrupt()
    assert run("status").stderr == "interrupted\nrun: aaiclick status\n"


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--debug"]])
@pytest.mark.parametrize("error", [RuntimeError, StatementError, OutcomeUnknownError])
def test_passwords_are_never_printed(run: Run, script: Script, arguments: list[str], error: type[Exception]) -> None:
    url = "clickhouse://user:s3cr3t@h:8123/app"
    script.report = error(f"cannot open {url} with s3cr3t")
    ran = run("migrate", "--url", url, *arguments)
    assert ran.code == 2
    assert "s3cr3t" not in ran.stdout + ran.stderr
    assert "clickhouse://user:***@h:8123/app" in ran.stdout + ran.stderr


def test_a_password_that_is_a_word_does_not_blank_out_the_librarys_sentences(run: Run, script: Script) -> None:
    script.status = ConnectionFailed("wrong user or password at clickhouse://u:wrong@h/app")
    assert (
        run("status", "--url", "clickhouse://u:wrong@h/app").stderr
        == "error: wrong user or password at clickhouse://u:***@h/app\n"
    )


def test_hiding_keeps_the_rest_of_a_text() -> None:
    assert hide("a  b\n\tc", "") == "a  b\n\tc"
    assert hide("at http://h and x", "h") == "at http://h and x"  # a password of one letter would blank out everything
    assert hide("https://u:p@h:1/d?password=q&x=1 p", "") == "https://u:***@h:1/d?password=***&x=1 p"


@pytest.mark.parametrize("url", ["nonsense", "postgresql://h/db", "chdb://", "clickhouse://h:port/db", "/var/lib/data"])
@pytest.mark.parametrize("command", ["status", "migrate", "reflect"])
def test_a_wrong_url_is_one_sentence(run: Run, url: str, command: str) -> None:
    ran = run(command, "--url", url)
    assert (ran.code, ran.stdout) == (2, "")
    assert len(ran.stderr.splitlines()) == 1
    assert ran.stderr.startswith("error: ")


def test_a_value_that_is_none_of_a_list_is_told_in_our_words(run: Run) -> None:
    ran = run("adopt", "--from", "xyz")
    assert ran.code == 2
    assert ran.stderr.startswith("error: Invalid value for '--from': 'xyz' is not one of 'golang-migrate'")
