"""``aaiclick rollback``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aaiclick.cli import calls
from aaiclick.cli.failures import ExitCode
from aaiclick.cli.frame import Frame
from aaiclick.cli.hooks.hooks import Hooks
from aaiclick.cli.machine.answers import report_json
from aaiclick.cli.options import Database, Debug, Env, Given, Json, KeepOld, Progress, ProgressKind, Reference, Url
from aaiclick.printable import seconds_text

if TYPE_CHECKING:
    from aaiclick.commands.report import Report

To = Annotated[
    int | None,
    typer.Option(
        "--to",
        metavar="N",
        help="The version to roll back to: one that the database came through, as far as what was replaced since is "
        "kept. Default: the one before; where a migration is under way, the one it came from (it is given up).",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Say what would be put back, what not, and what has to be allowed. Changes nothing."
    ),
]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        metavar="KEY",
        help="Allow what a refusal names: 'deletes TABLE' (rows that were deleted or changed since are there again "
        "as they were), 'values TABLE' (values that the old columns cannot hold), 'leave-detached-parts TABLE' (they "
        "go), 'partial SCHEMA' (some objects stay as they are), 'replace-view VIEW' and 'replace-table TABLE' ("
        "they are made anew, as they were). May be given several times.",
    ),
]


def rollback(
    *,
    to: To = None,
    dry_run: DryRun = False,
    json: Json = False,
    url: Url = None,
    database: Database = None,
    schema: Reference = None,
    env: Env = None,
    var: Given = None,
    allow: Allow = None,
    keep_old: KeepOld = None,
    progress: Progress = ProgressKind.auto,
    debug: Debug = False,
) -> None:
    """Roll back to the version before, or to an older one.

    Old tables that were kept when they were replaced are put back, with the rows that came since. Deploy the older code
    first: the newer one would migrate forward again at its next start.

    Exit code 0: done.
    1: pending (--dry-run), refused, or no rollback is possible. Nothing was changed then.
    2: error.
    130: interrupted.
    """
    keys = tuple(allow or ())
    options = [
        ("--to", str(to) if to is not None else None),
        ("--keep-old", keep_old),
        *(("--allow", key) for key in keys),
        ("--progress", progress.value if progress is not ProgressKind.auto else None),
    ]
    frame = Frame(
        "rollback",
        json,
        debug,
        url,
        database,
        schema,
        env,
        keep_old=keep_old,
        progress=progress.value,
        extra=tuple(options),
        flags=("--dry-run",) if dry_run else (),
        values=tuple(var or ()),
    )
    hooks = Hooks(frame)
    frame.run(lambda: hooks.carry_out(lambda: _rollback(frame, hooks, to, keys, dry_run)))


def _rollback(frame: Frame, hooks: Hooks, to: int | None, allow: tuple[str, ...], dry_run: bool) -> ExitCode:
    declared, target = frame.declared(), frame.target()
    from aaiclick.cli.hooks.before_run import before_rollback
    from aaiclick.cli.progress.watchers import watcher

    # Hooks may stop writers, say: nothing like that happens for a look.
    if not dry_run:
        before_rollback(frame, hooks, declared, to, allow)
    watch = watcher(frame.output)
    frame.on_close = watch.close
    report = calls.rollback(target.url, declared, to, frame.database, allow, dry_run, frame.kept_for(), watch)
    watch.close()
    if frame.as_json:
        frame.output.result(report_json(report))
    else:
        _print(frame, report)
    return ExitCode.PENDING if dry_run else hooks.after(ExitCode.DONE, report)


def _print(frame: Frame, report: Report) -> None:
    output = frame.output
    if report.in_sync:
        output.say(
            f"✓ {report.schema} is back at v{report.to_version} (was v{report.from_version}) · "
            f"{seconds_text(report.duration)}",
            "green",
        )
    else:
        output.say(f"{report.schema} would roll back from v{report.from_version} to v{report.to_version}")
    for step in report.steps:
        output.say(f"  {step.object}: {step.change}")
    for step, reason in zip(report.pending, report.reasons, strict=True):
        output.say(f"  {step.object}: {step.change}; {reason}")
    for note in report.notes:
        output.say(f"note: {note}")
    if not report.in_sync:
        output.say(f"run: {frame.without_flags()}")
