"""``aaiclick history``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aaiclick.cli.failures import ExitCode
from aaiclick.cli.frame import Frame
from aaiclick.cli.machine.records import HEADINGS, record_json, record_row
from aaiclick.cli.options import Database, Debug, Env, HtmlFile, Json, Reference, Url
from aaiclick.errors import UsageError

if TYPE_CHECKING:
    from aaiclick.cli.report.timeline import Timeline

Runs = Annotated[
    list[Path] | None,
    typer.Option(
        "--run",
        metavar="FILE",
        help="With --html: what aaiclick migrate --progress json wrote to stderr; its steps, chunks, waits and fences "
        "are shown in time. May be given several times.",
    ),
]


def history(
    *,
    json: Json = False,
    url: Url = None,
    database: Database = None,
    schema: Reference = None,
    env: Env = None,
    html: HtmlFile = None,
    run: Runs = None,
    debug: Debug = False,
) -> None:
    """Tell what was applied when, by whom, and how long.

    Reads the table schema_version. Changes nothing.

    Exit code 0, also where nothing was recorded yet, or 2 on an error.
    """
    runs = tuple(run or ())
    given = [("--html", str(html) if html is not None else None), *(("--run", str(each)) for each in runs)]
    frame = Frame("history", json, debug, url, database, schema, env, extra=tuple(given))
    frame.run(lambda: _history(frame, html, runs))


def _history(frame: Frame, html: Path | None, files: tuple[Path, ...]) -> ExitCode:
    from aaiclick.api.history import schema_history

    if files and html is None:
        raise UsageError("--run is for a report: give --html FILE, too")
    timelines = _timelines(html, files) if html is not None else []
    declared, target = frame.declared(), frame.target()
    # Opening the embedded engine would make the directory: what nobody has is known without.
    records = () if target.missing else schema_history(target.url, declared, frame.database)
    if html is not None:
        from aaiclick.cli.report.files import now_text, write_report
        from aaiclick.cli.report.history_page import history_page

        write_report(html, history_page(declared.name, target.place, records, timelines, now_text()))
    if frame.as_json:
        frame.output.result({"schema": declared.name, "records": [record_json(record) for record in records]})
    elif not records:
        frame.output.say(f"{declared.name} has no history at {target.place}")
    else:
        rows = [record_row(record) for record in records]
        frame.output.table(HEADINGS, rows)
    if html is not None:
        frame.output.tell(f"wrote {html}", "green")
    return ExitCode.DONE


def _timelines(html: Path, files: tuple[Path, ...]) -> list[Timeline]:
    """The runs that were written down. Raises ``UsageError``, before a database is opened."""
    from aaiclick.cli.report.files import require_report_path
    from aaiclick.cli.report.run_file import read_runs
    from aaiclick.cli.report.timeline import timeline

    require_report_path(html)
    return [timeline(run) for file in files for run in read_runs(file)]
