"""``aaiclick reflect``."""

from __future__ import annotations

from typing import Annotated

import typer

from aaiclick.cli import calls
from aaiclick.cli.command import Frame
from aaiclick.cli.create import sql_file
from aaiclick.cli.failures import ExitCode
from aaiclick.cli.options import Database, Debug, Env, Json, Url
from aaiclick.cli.source import python_source
from aaiclick.errors import UsageError

Name = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="The name of the schema that is printed. Default: the database's."),
]


Brief = Annotated[
    bool,
    typer.Option(
        "--brief", help="Leave out what is none or empty; a schema that does not mention it does not manage it."
    ),
]


Sql = Annotated[bool, typer.Option("--sql", help="Print CREATE statements, for Schema.from_sql.")]


def reflect(
    *,
    json: Json = False,
    url: Url = None,
    database: Database = None,
    name: Name = None,
    brief: Brief = False,
    sql: Sql = False,
    env: Env = None,
    debug: Debug = False,
) -> None:
    """Print the live database as Python, or as SQL.

    The source, run, declares the same schema; so does the SQL, read by Schema.from_sql. What cannot be declared is
    listed, with the reason.

    Exit code 0, or 2 on an error.
    """
    flags = tuple(flag for flag, given in (("--brief", brief), ("--sql", sql)) if given)
    frame = Frame("reflect", json, debug, url, database, env=env, extra=(("--name", name),), flags=flags)
    frame.run(lambda: _reflect(frame, name, brief, sql))


def _reflect(frame: Frame, name: str | None, brief: bool, sql: bool) -> ExitCode:
    if sql and (brief or frame.as_json):
        raise UsageError(
            f"--sql prints CREATE statements, and {'--brief' if brief else '--json'} is for Python: choose one"
        )
    target = frame.target()
    if target.missing:
        raise UsageError(f"no database at {target.place} yet")
    schema = calls.reflect(target.url, frame.database, name)
    if frame.as_json:
        frame.output.document(schema.model_dump_json(indent=2, exclude_unset=True))
    elif sql:
        frame.output.document(sql_file(schema))
    else:
        frame.output.document(python_source(schema, brief))
    for item, reason in schema.unsupported.items():
        frame.output.tell(f"not declared: {item}: {reason}", "yellow")
    return ExitCode.DONE
