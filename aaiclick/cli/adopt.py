"""``aaiclick adopt``."""

from __future__ import annotations

from typing import Annotated

import typer

from aaiclick.cli.declared import DEFAULT
from aaiclick.cli.failures import ExitCode
from aaiclick.cli.frame import Frame
from aaiclick.cli.history import record_json
from aaiclick.cli.options import Database, Debug, Json, Reference, Url
from aaiclick.errors import UsageError

Version = Annotated[int, typer.Option("--version", metavar="N", help="The version that the tables are at.")]
Force = Annotated[bool, typer.Option("--force", help="Record it even where the tables differ from that version. The record says that it was forced.")]


def adopt(
    *,
    version: Version,
    force: Force = False,
    json: Json = False,
    url: Url = None,
    database: Database = None,
    schema: Reference = DEFAULT,
    debug: Debug = False,
) -> None:
    """Record which version a database is at.

    For tables that were made by other means and are not recognised. Changes no table; migrate goes on from the recorded version.

    Exit code 0: recorded.
    1: the tables do not fit that version.
    2: error.
    """
    frame = Frame("adopt", json, debug, url, database, schema, extra=(("--version", str(version)),), flags=("--force",) if force else ())
    frame.run(lambda: _adopt(frame, version, force))


def _adopt(frame: Frame, version: int, force: bool) -> ExitCode:
    from aaiclick.api.adopt import adopt_schema, against

    declared, target = frame.declared(), frame.target()
    if target.missing:
        raise UsageError(f"there is no database at {target.place}: nothing to adopt")
    record = adopt_schema(target.url, declared, version, force, frame.database)
    if frame.as_json:
        frame.output.result({"schema": declared.name, **record_json(record)})
    else:
        frame.output.say(f"✓ {declared.name} is recorded as v{version}", "green")
        for word in against(record):
            frame.output.say(f"note: recorded all the same: {word}")
        if declared.version is not None and version < declared.version:
            frame.output.say(f"run: {frame.migrate()}")
    return ExitCode.DONE
