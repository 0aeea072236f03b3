"""``aaiclick migrate``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aaiclick.cli import calls
from aaiclick.cli.failures import ExitCode
from aaiclick.cli.frame import Frame
from aaiclick.cli.hooks.hooks import Hooks
from aaiclick.cli.machine.answers import report_json
from aaiclick.cli.options import (
    Allow,
    Chosen,
    Databases,
    Debug,
    Env,
    Given,
    Jobs,
    Json,
    KeepOld,
    Progress,
    ProgressKind,
    Reference,
    Url,
)
from aaiclick.cli.output import Output
from aaiclick.cli.tenants.patterns import check_jobs, means_many
from aaiclick.cli.text.numbers import count_text
from aaiclick.errors import ApplyError, SchemaAheadError, UsageError
from aaiclick.printable import seconds_text

if TYPE_CHECKING:
    from aaiclick.commands.report import Report, Status
    from aaiclick.plan.policy import Policy
    from aaiclick.specs.schema import Schema

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan as SQL, with what each step costs and risks. Changes nothing.")
]
Quick = Annotated[
    bool,
    typer.Option(
        "--quick",
        help="With --dry-run: look at no row. Steps then say what was not looked at; such a one may become another.",
    ),
]
Approved = Annotated[
    str | None,
    typer.Option(
        "--plan",
        metavar="FILE",
        help="Carry this plan out (aaiclick plan --out FILE), and only where what would be done now is the same.",
    ),
]
Yes = Annotated[
    bool,
    typer.Option("--yes", help="Do not ask before anything is rewritten or lost. Allows nothing: that is --allow."),
]
To = Annotated[
    int | None,
    typer.Option(
        "--to",
        metavar="VERSION",
        min=1,
        help="Stop at this version, below the newest: as the lock file has it, with the migrations up to it.",
    ),
]
CreateDatabase = Annotated[
    bool, typer.Option("--create-database", help="Make the database first, where the server does not have it.")
]


def migrate(
    *,
    dry_run_only: DryRun = False,
    quick: Quick = False,
    plan: Approved = None,
    yes: Yes = False,
    to: To = None,
    create_database: CreateDatabase = False,
    json: Json = False,
    url: Url = None,
    database: Databases = None,
    schema: Reference = None,
    env: Env = None,
    var: Given = None,
    allow: Allow = None,
    policy: Chosen = None,
    keep_old: KeepOld = None,
    progress: Progress = ProgressKind.auto,
    jobs: Jobs = None,
    debug: Debug = False,
) -> None:
    """Bring the database to the declared version.

    Every row is kept unless --allow or --policy says otherwise. A run that was stopped is resumed. At a terminal it
    asks before anything is rewritten or lost.

    Exit code 0: applied, or nothing to do. 1: pending (--dry-run, or the answer was no), or refused: not allowed, not
    as approved, blocked by the data, not recognised, newer than the code. The message says what to run. 2: error.
    130: interrupted.
    """
    keys = tuple(allow or ())
    options = [
        ("--policy", policy.value if policy is not None else None),
        ("--keep-old", keep_old),
        ("--plan", plan),
        ("--to", str(to) if to is not None else None),
        *(("--allow", key) for key in keys),
        ("--progress", progress.value if progress is not ProgressKind.auto else None),
        ("--jobs", str(jobs) if jobs is not None else None),
    ]
    flags = (("--dry-run", dry_run_only), ("--quick", quick), ("--yes", yes), ("--create-database", create_database))
    frame = Frame(
        "migrate",
        json,
        debug,
        url,
        database,
        schema,
        env,
        policy.value if policy is not None else None,
        keep_old,
        progress=progress.value,
        extra=tuple(options),
        flags=tuple(flag for flag, given in flags if given),
        approved=plan,
        values=tuple(var or ()),
    )
    hooks = Hooks(frame)
    frame.run(lambda: hooks.carry_out(lambda: _run(frame, hooks, keys, plan, jobs, to)))


def _run(
    frame: Frame, hooks: Hooks, keys: tuple[str, ...], file: str | None, jobs: int | None, to: int | None
) -> ExitCode:
    dry, quick, ask = "--dry-run" in frame.flags, "--quick" in frame.flags, "--yes" not in frame.flags
    if file is not None and dry:
        raise UsageError("--plan carries a plan out, --dry-run shows one: give one of them")
    if quick and not dry:
        raise UsageError("--quick goes with --dry-run: a run looks at the rows that it has to look at")
    if to is not None and file is not None:
        raise UsageError("--plan carries a whole plan out, --to stops on the way: give one of them")
    if "--create-database" in frame.flags and dry:
        raise UsageError("--create-database makes a database, and --dry-run changes nothing: give one of them")
    workers, policy = check_jobs(frame.database, jobs), frame.chosen_policy(keys)
    if means_many(frame.database):
        from aaiclick.cli.tenants import commands as tenants

        if file is not None:
            raise UsageError("--plan is of one database: give its name instead of a pattern")
        if to is not None or "--create-database" in frame.flags:
            raise UsageError("--to and --create-database are for one database: give its name instead of a pattern")
        if dry:
            return tenants.plan_of_tenants(frame, policy, quick, workers)
        return tenants.migrate_tenants(frame, hooks, policy, workers, ask)
    if dry:
        from aaiclick.cli.commands.dry_run import dry_run

        try:
            return dry_run(frame, policy, quick, to)
        except SchemaAheadError as error:
            if to is None:
                raise
            raise _beyond(error, to) from error
    return _migrate(frame, hooks, policy, file, ask, to)


def _migrate(frame: Frame, hooks: Hooks, policy: Policy, file: str | None, ask: bool, to: int | None) -> ExitCode:
    from aaiclick.cli.approval.files import read_plan
    from aaiclick.cli.approval.question import agreed, is_asked, steps_to_ask_about
    from aaiclick.cli.hooks.before_run import before_migrate
    from aaiclick.cli.progress.watchers import watcher

    # Before anything is opened: a file that holds no plan is a mistake of the caller.
    approved = read_plan(Path(file)) if file is not None else None
    target = frame.target()
    # Before the schema is looked for: where nothing names one, the database itself is asked whose it is.
    if "--create-database" in frame.flags:
        _create_database(frame)
    declared = frame.declared(to)
    if approved is None and ask and is_asked(frame, policy):
        frame.asking = True
        found = steps_to_ask_about(frame, declared, policy)
        if found is not None:
            # What was shown is what is carried out: else there is a StalePlanError.
            approved, steps = found
            if not agreed(frame, steps):
                frame.output.tell("nothing was changed", "yellow")
                return ExitCode.PENDING
        frame.asking = False
    before_migrate(frame, hooks, declared, policy)
    watch = watcher(frame.output)
    frame.on_close = watch.close
    try:
        report = calls.ensure(target.url, declared, frame.database, policy, watch, approved)
    except SchemaAheadError as error:
        if to is None:
            raise
        raise _beyond(error, to) from error
    watch.close()
    if not report.in_sync or report.steps or report.pending:
        report = _with_spare_keys(report, policy)
    else:
        # The record alone said so. Whether a migration or released form was edited since is looked at here, where there
        # is time for it.
        try:
            report = _with_unused_keys(frame, declared, report, policy)
            _tell_of_hosts(frame, calls.validate(target.url, declared, frame.database))
        except ApplyError as error:
            # A host of a cluster that has no session with Keeper: nothing has to be done, as far as it can tell.
            frame.output.tell(f"note: whether a migration was edited since could not be looked at: {error}", "yellow")
    if frame.as_json:
        frame.output.result(report_json(report))
    else:
        _print(frame, report)
    return hooks.after(ExitCode.DONE if report.in_sync else ExitCode.PENDING, report)


def _with_spare_keys(report: Report, policy: Policy) -> Report:
    """Whoever types a key is told where nothing asked for it. An application's keys stay where they are."""
    from aaiclick.commands.inspection.unused_keys import unneeded

    spare = unneeded(policy.allowed, (*report.steps, *report.pending), report.notes)
    return replace(report, notes=(*report.notes, *spare)) if spare else report


def _with_unused_keys(frame: Frame, declared: Schema, report: Report, policy: Policy) -> Report:
    """The same where there was nothing to do: a start does not look for what its keys may have meant."""
    if not policy.allowed:
        return report
    notes = calls.plan(frame.target().url, declared, frame.database, policy, quick=True).notes
    said = (note for note in notes if any(note.startswith(f"{key!r} ") for key in policy.allowed))
    return replace(report, notes=tuple(dict.fromkeys((*report.notes, *said))))


def _tell_of_hosts(frame: Frame, found: Status) -> None:
    """What other hosts of a cluster have otherwise: the start did not look there."""
    for host in found.hosts:
        if host.differs:
            way = f". Run: {frame.through(host.peer)}" if host.peer is not None else ""
            frame.output.tell(f"note: host {host.host}: {'; '.join(host.differs)}{way}", "yellow")


def _create_database(frame: Frame) -> None:
    from aaiclick.versions.history import read_history

    declared = frame.declared_or_oplog(telling=False)
    read_history(declared)  # what is wrong there is said before anything is made
    cluster = os.environ.get("AAICLICK_CLUSTER")
    if cluster is None:
        cluster = declared.cluster
    if name := calls.create_database(frame.target().url, frame.database, cluster or "", declared):
        frame.output.tell(f"made database {name}")


def _beyond(error: SchemaAheadError, to: int) -> UsageError:
    return UsageError(f"--to {to}: {error.schema} is beyond that version here. aaiclick rollback goes back")


def _print(frame: Frame, report: Report) -> None:
    output = frame.output
    at = f"v{report.to_version}" if report.to_version is not None else "the declared schema"
    if not report.in_sync:
        output.say(f"✗ {report.schema} is not at {at} yet", "yellow")
        _print_rest(frame, report)
        return
    before = {None: "", 0: " (was empty)"}.get(
        report.from_version, f" (was v{report.from_version})" if report.from_version != report.to_version else ""
    )
    if not report.steps:
        nothing = f"{before}: nothing had to be changed" if before else ": nothing to do"
        output.say(f"✓ {report.schema} is at {at}{nothing}", "green")
    else:
        output.say(
            f"✓ {report.schema} is at {at}{before} · {count_text(len(report.steps), 'step', 'steps')} · "
            f"{seconds_text(report.duration)}",
            "green",
        )
    _print_rest(frame, report)


def _print_rest(frame: Frame, report: Report) -> None:
    output = frame.output
    left = [f"{step.object}: {step.change}" for step in report.pending]
    for note in report.notes:
        if not any(note.startswith(line) for line in left):
            output.say(f"note: {note}")
    for line in left:
        output.say(f"left alone: {line}")
    _offer(output, frame, report)


def _offer(output: Output, frame: Frame, report: Report) -> None:
    """What nobody asked for is done with a command of its own."""
    keys = tuple(dict.fromkeys(hazard.allow for step in report.pending for hazard in step.hazards if hazard.allow))
    if report.in_sync:
        # What was required is done: its keys, and those that nothing asks for, are not needed again.
        from aaiclick.commands.inspection.unused_keys import unasked

        frame.spare = unasked((value or "" for name, value in frame.extra if name == "--allow"), report.pending)
    if keys:
        output.say(f"to do {'it' if len(report.pending) == 1 else 'them'} too, run: {frame.migrate(keys)}")
    elif not report.in_sync:
        output.say(f"run: {frame.migrate()}")
