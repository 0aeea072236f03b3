"""``aaiclick status``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aaiclick.cli import calls
from aaiclick.cli.failures import ExitCode
from aaiclick.cli.frame import Frame
from aaiclick.cli.machine.answers import HELPLESS, status_json
from aaiclick.cli.machine.metrics_file import MetricsFile
from aaiclick.cli.options import Databases, Debug, Env, Given, HtmlFile, Jobs, Json, Reference, Url
from aaiclick.cli.output import Output
from aaiclick.cli.tenants.patterns import check_jobs, means_many
from aaiclick.cli.text.change_text import one_each
from aaiclick.errors import UsageError
from aaiclick.printable import size_text

if TYPE_CHECKING:
    from aaiclick.commands.report import HostStatus, KeptTable, Status
    from aaiclick.specs.schema import Schema

Metrics = Annotated[
    Path | None,
    typer.Option(
        "--metrics-file",
        metavar="FILE",
        help="Write what was found as metrics, too, for the textfile collector of node_exporter (FILE.prom).",
    ),
]


def status(
    *,
    json: Json = False,
    url: Url = None,
    database: Databases = None,
    schema: Reference = None,
    env: Env = None,
    var: Given = None,
    metrics_file: Metrics = None,
    html: HtmlFile = None,
    jobs: Jobs = None,
    debug: Debug = False,
) -> None:
    """Compare the database to the declared schema.

    Tells its version, what differs, what is worth a note, and which old tables are kept for a rollback. Changes
    nothing.

    Exit code 0: in sync.
    1: differences, or no database yet.
    2: error.
    """
    given = [
        ("--metrics-file", str(metrics_file) if metrics_file is not None else None),
        ("--html", str(html) if html is not None else None),
        ("--jobs", str(jobs) if jobs is not None else None),
    ]
    frame = Frame("status", json, debug, url, database, schema, env, extra=tuple(given), values=tuple(var or ()))
    frame.run(lambda: _status(frame, metrics_file, html, jobs))


def _status(frame: Frame, metrics_file: Path | None, html: Path | None, jobs: int | None) -> ExitCode:
    workers = check_jobs(frame.database, jobs)
    if means_many(frame.database):
        from aaiclick.cli.tenants import commands as tenants

        if html is not None:
            raise UsageError("--html is about one database: give its name instead of a pattern")
        return tenants.status_of_tenants(frame, workers, metrics_file)
    if html is not None:
        from aaiclick.cli.report.files import require_report_path

        require_report_path(html)
    declared = frame.declared()
    # As the server would call it, where it cannot be asked.
    metrics = MetricsFile(metrics_file, declared.name, frame.database or frame.target().parsed.database or "default")
    try:
        found, target = _found(frame, declared), frame.target()
    except Exception:
        metrics.failed()
        raise
    metrics.found({found.database: found})
    done = found.in_sync and not found.unfinished
    following = None if done and not _unrecorded(found) else _next(found, frame)
    if html is not None:
        _write_report(html, found, declared, target.place, following)
    if frame.as_json:
        frame.output.result(status_json(found, target.place, following))
    else:
        _print(frame.output, found, target.place, declared.version_label)
        if following:
            frame.output.say(f"run: {following}")
    if html is not None:
        frame.output.tell(f"wrote {html}", "green")
    return ExitCode.DONE if done else ExitCode.PENDING


def _write_report(path: Path, found: Status, declared: Schema, place: str, following: str | None) -> None:
    from aaiclick.api.declared import read_declaration
    from aaiclick.cli.report.files import now_text, write_report
    from aaiclick.cli.report.status_page import status_page

    write_report(path, status_page(found, read_declaration(declared), place, following, now_text()))


def _found(frame: Frame, declared: Schema) -> Status:
    target = frame.target()
    if target.missing:
        from aaiclick.commands.report import Status

        # Opening the engine would make the directory: what nobody has is known without.
        return Status(
            declared.name,
            frame.database or "default",
            "",
            0,
            declared.version,
            "empty",
            False,
            (f"no database at {target.place} yet",),
            (),
            (),
        )
    return calls.validate(target.url, declared, frame.database)


def _next(found: Status, frame: Frame) -> str | None:
    """What brings it into sync; None where no command does."""
    if found.state in HELPLESS:
        return None
    elsewhere = {f"host {host.host}: {words}" for host in found.hosts for words in host.differs}
    if elsewhere and elsewhere >= set(found.differences) and not found.unfinished:
        # As far as the host that is connected to goes, there is nothing to do.
        peers = [host.peer for host in found.hosts if host.peer is not None]
        return frame.through(peers[0]) if peers else None
    return frame.migrate()


def _unrecorded(found: Status) -> bool:
    """True where the tables are as declared, and the record is of an older version."""
    return found.in_sync and found.live_version is not None and found.live_version < (found.code_version or 0)


def _print(output: Output, found: Status, place: str, expected: str) -> None:
    live = {None: "has no version record", 0: "is empty"}.get(found.live_version, f"is at v{found.live_version}")
    engine = f" · ClickHouse {found.server}" if found.server else ""
    if found.in_sync:
        other = found.code_version is not None and found.live_version not in (None, found.code_version)
        output.say(f"✓ {found.schema} {live}{f', code is at {expected}' if other else ''}: in sync", "green")
        if _unrecorded(found):
            output.say(f"nothing has to be changed, and {expected} is not recorded yet")
    else:
        state = "" if found.live_version == 0 else f": {found.state}"
        output.say(f"✗ {found.schema} {live}, code expects {expected}{state}", "yellow")
    output.say(f"  {found.database} at {place}{engine}", "dim")
    if found.fenced:
        output.say(f"writers are refused: {', '.join(found.fenced)}", "yellow")
    if found.unfinished:
        output.say(f"unfinished: {found.unfinished}", "yellow")
    _list(output, "differences", tuple(line for difference in found.differences for line in one_each(difference)))
    _list(output, "notes", found.notes)
    if found.hosts:
        output.say("hosts:")
        output.table(
            ("host", "shard", "replica", "state"),
            [_host(host) for host in found.hosts],
            frozenset({"shard", "replica"}),
            prefix="  ",
        )
    if found.kept_tables:
        output.say(f"kept for a rollback: {len(found.kept_tables)}")
        output.table(
            ("table", "kept as", "rows", "size", "until (UTC)"),
            [_kept(kept) for kept in found.kept_tables],
            frozenset({"rows", "size"}),
            prefix="  ",
        )


def _list(output: Output, heading: str, lines: tuple[str, ...]) -> None:
    if lines:
        output.say(f"{heading}:")
        for line in lines:
            output.say(f"  {line}")


def _host(host: HostStatus) -> tuple[str, ...]:
    words = [*([host.trouble] if host.trouble else []), *host.differs, *host.fewer]
    return host.host, str(host.shard), str(host.replica), "; ".join(words) or "as the others"


def _kept(kept: KeptTable) -> tuple[str, ...]:
    return kept.table, kept.name, f"{kept.rows:,}", size_text(kept.bytes), kept.expires[:19].replace("T", " ")
