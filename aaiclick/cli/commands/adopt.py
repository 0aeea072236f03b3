"""``aaiclick adopt``."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from aaiclick.cli.failures import ExitCode
from aaiclick.cli.frame import Frame
from aaiclick.cli.machine.records import record_json
from aaiclick.cli.options import Database, Debug, Env, Given, Json, Reference, Url
from aaiclick.errors import UsageError

Version = Annotated[int | None, typer.Option("--version", metavar="N", help="The version that the tables are at.")]
TakeOver = Annotated[
    list[str] | None,
    typer.Option(
        "--take-over",
        metavar="TABLE",
        help="A table that another schema of this database recorded belongs to this one from now on. May be given "
        "several times, instead of --version.",
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Record it even where the tables differ from that version. The record says that it was forced."
    ),
]


class Tool(str, Enum):
    """The values of ``--from``."""

    golang_migrate = "golang-migrate"
    dbmate = "dbmate"
    goose = "goose"
    clickhouse_migrations = "clickhouse-migrations"


From = Annotated[
    Tool | None,
    typer.Option(
        "--from",
        help="The tool that the database is taken over from. Its ledger is read, recorded, and stays as it is; one "
        "that says that a version failed half-way is refused.",
    ),
]
LedgerTable = Annotated[
    str | None,
    typer.Option(
        "--ledger", metavar="TABLE", help="With --from: the table of that tool, where it is not called as usual."
    ),
]


def adopt(
    *,
    version: Version = None,
    source: From = None,
    ledger: LedgerTable = None,
    force: Force = False,
    take_over: TakeOver = None,
    json: Json = False,
    url: Url = None,
    database: Database = None,
    schema: Reference = None,
    env: Env = None,
    var: Given = None,
    debug: Debug = False,
) -> None:
    """Record which version a database is at, or whose a table is.

    --version is for tables that were made by other means and are not recognised: migrate goes on from the recorded
    version. --from does the same for the declared version, after it has read what another tool has applied. --take-over
    is for tables that another schema of the database declares too, in another way. Changes no table.

    Exit code 0: recorded.
    1: the tables do not fit that version.
    2: error.
    """
    tables = tuple(take_over or ())
    given = [
        ("--version", str(version) if version is not None else None),
        ("--from", source.value if source is not None else None),
        ("--ledger", ledger),
        *(("--take-over", name) for name in tables),
    ]
    tool = source.value if source is not None else None
    frame = Frame(
        "adopt",
        json,
        debug,
        url,
        database,
        schema,
        env,
        extra=tuple(given),
        flags=("--force",) if force else (),
        values=tuple(var or ()),
    )
    alone = version is None and tool is None and ledger is None
    frame.run(
        lambda: _take_over(frame, tables) if tables and alone else _adopt(frame, version, force, tables, tool, ledger)
    )


def _take_over(frame: Frame, tables: tuple[str, ...]) -> ExitCode:
    from aaiclick.api.adopt import take_over_tables

    declared, target = frame.declared(), frame.target()
    if target.missing:
        raise UsageError(f"there is no database at {target.place}: nothing to take over")
    taken = take_over_tables(target.url, declared, tables, frame.database)
    if frame.as_json:
        frame.output.result(
            {"schema": declared.name, "taken_over": [{"table": name, "from": owner} for name, owner in taken]}
        )
    else:
        for name, owner in taken:
            frame.output.say(f"✓ {name} belongs to {declared.name} from now on (it was of {owner})", "green")
        frame.output.say(f"run: {frame.migrate()}")
    return ExitCode.DONE


def _adopt(
    frame: Frame, version: int | None, force: bool, tables: tuple[str, ...], tool: str | None, ledger: str | None
) -> ExitCode:
    if (version is None and tool is None) or tables:
        raise UsageError("aaiclick adopt takes --version N, --from TOOL, or --take-over TABLE")
    if tool is None and ledger is not None:
        raise UsageError(f"--ledger goes with --from TOOL, which says whose ledger {ledger} is")
    from aaiclick.api.adopt import adopt_schema
    from aaiclick.commands.adopt import ForeignLedger
    from aaiclick.state.record import against, ledger_of_record

    declared, target = frame.declared(), frame.target()
    if target.missing:
        raise UsageError(f"there is no database at {target.place}: nothing to adopt")
    at = version if version is not None else declared.version or 0
    source = ForeignLedger(tool, ledger) if tool is not None else None
    record = adopt_schema(target.url, declared, at, force, frame.database, source)
    if frame.as_json:
        frame.output.result({"schema": declared.name, **record_json(record)})
    else:
        frame.output.say(f"✓ {declared.name} is recorded as v{at}", "green")
        if said := ledger_of_record(record):
            frame.output.say(
                f"  taken over from {said['tool']}: {said['table']} is at {said['version']}, and stays as it is. "
                f"From now on {said['tool']} has to leave this database alone"
            )
        for word in against(record):
            frame.output.say(f"note: recorded all the same: {word}")
        if declared.version is not None and at < declared.version:
            frame.output.say(f"run: {frame.migrate()}")
    return ExitCode.DONE
