"""``aaiclick prune``."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated

import typer

from aaiclick.cli import calls
from aaiclick.cli.failures import ExitCode
from aaiclick.cli.frame import Frame
from aaiclick.cli.machine.documents import PrunedDocument, PrunedTable
from aaiclick.cli.options import Database, Debug, Env, Json, Url
from aaiclick.cli.text.numbers import count_text
from aaiclick.errors import UsageError
from aaiclick.printable import size_text

if TYPE_CHECKING:
    from aaiclick.state.kept_tables import KeptRow

Tables = Annotated[
    list[str] | None,
    typer.Option(
        "--table",
        metavar="TABLE",
        help="Only what is kept of this table. A kept table's own name drops one that stays until somebody has looked "
        "at it. May be given several times.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be dropped. Changes nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask. Needed where there is no terminal.")]


def prune(
    *,
    table: Tables = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
    url: Url = None,
    database: Database = None,
    env: Env = None,
    debug: Debug = False,
) -> None:
    """Drop old tables that are kept for a rollback.

    They go by themselves when their time is over; this is for who needs the room now. After that, no rollback to
    their versions is possible.

    Exit code 0: dropped, or nothing is kept.
    1: pending (--dry-run), or not confirmed.
    2: error.
    """
    tables = tuple(table or ())
    frame = Frame(
        "prune",
        json,
        debug,
        url,
        database,
        env=env,
        extra=tuple(("--table", name) for name in tables),
        flags=tuple(flag for flag, given in (("--dry-run", dry_run), ("--yes", yes)) if given),
    )
    frame.run(lambda: _prune(frame, tables, dry_run, yes))


def _prune(frame: Frame, tables: tuple[str, ...], dry_run: bool, yes: bool) -> ExitCode:
    target = frame.target()
    # Opening the engine would make the directory: where nothing is, nothing is kept.
    found = () if target.missing else calls.prune(target.url, frame.database, tables, dry_run=True)
    wanted = [row for row, goes in found if goes]
    agreed: list[KeptRow] | None = None
    if not dry_run and wanted and not yes:
        if frame.as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UsageError(
                f"{count_text(len(wanted), 'table', 'tables')} would be dropped: --yes says that this is wanted, "
                "--dry-run lists them"
            )
        _print(frame, found, "goes")
        if not typer.confirm("Drop these tables? It cannot be undone", err=True):
            frame.output.tell("nothing was changed", "yellow")
            return ExitCode.PENDING
        agreed = wanted
    done = found if dry_run or not wanted else calls.prune(target.url, frame.database, tables, False, agreed)
    if frame.as_json:
        frame.output.result(_document(done, dry_run))
    elif not done:
        frame.output.say("nothing is kept")
    else:
        _print(frame, done, "would go" if dry_run else "dropped")
        _tell_of_others(frame, found, done)
    return ExitCode.PENDING if dry_run and wanted else ExitCode.DONE


def _print(frame: Frame, found: tuple[tuple[KeptRow, bool], ...], word: str) -> None:
    rows = [
        (row.kept.table, row.name, f"{row.rows:,}", size_text(row.bytes), word if goes else _why(row))
        for row, goes in found
    ]
    frame.output.table(("table", "kept as", "rows", "size", ""), rows, frozenset({"rows", "size"}))
    freed = "freed" if word == "dropped" else "to be freed"
    by_host: dict[str, int] = {}
    for each in (each for row, goes in found if goes for each in row.hosts):
        by_host[each.host] = by_host.get(each.host, 0) + each.bytes
    for host, size in by_host.items():
        frame.output.say(f"host {host}: {size_text(size)} {freed}")
    alone = sum(row.bytes for row, goes in found if goes and not row.hosts)
    if alone:
        frame.output.say(f"{size_text(alone)} {freed}")


def _tell_of_others(
    frame: Frame, found: tuple[tuple[KeptRow, bool], ...], done: tuple[tuple[KeptRow, bool], ...]
) -> None:
    """What came, or changed, while the question was open: nobody has agreed to drop that."""
    before = {row.name: (row, goes) for row, goes in found}
    for row, gone in done:
        was, would_go = before.get(row.name, (None, False))
        if not gone and (was is None or would_go):
            since = "is kept since then" if was is None else "is not as it was listed"
            frame.output.tell(f"{row.name} {since}: it stays. Run again to be asked about it", "yellow")


def _why(row: KeptRow) -> str:
    """Why one stays."""
    from aaiclick.state.kept_tables import KEPT_ALONE

    if row.kept.reason == KEPT_ALONE:
        return f"stays: {row.kept.reason}"
    if row.kept.reason:
        return f"stays: {row.kept.reason} (to drop it: --table {row.name})"
    return f"stays until {_until(row)}" if row.kept.expires else f"stays (to drop it: --table {row.name})"


def _until(row: KeptRow) -> str:
    from aaiclick.state.kept_tables import LAST_MOMENT

    last = min(row.kept.expires, LAST_MOMENT)
    return f"{datetime.fromtimestamp(last, timezone.utc):%Y-%m-%d %H:%M} UTC" if last else ""


def _document(found: tuple[tuple[KeptRow, bool], ...], dry_run: bool) -> PrunedDocument:
    tables: list[PrunedTable] = [
        {
            "name": row.name,
            "table": row.kept.table,
            "rows": row.rows,
            "bytes": row.bytes,
            "dropped": goes,
            "reason": row.kept.reason,
            "hosts": [{"host": each.host, "rows": each.rows, "bytes": each.bytes} for each in row.hosts],
        }
        for row, goes in found
    ]
    return {"dry_run": dry_run, "tables": tables}
