"""``aaiclick reflect``."""

from __future__ import annotations

from typing import Annotated

import typer

from aaiclick.cli import calls
from aaiclick.cli.command import Frame
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


def reflect(
    *,
    json: Json = False,
    url: Url = None,
    database: Database = None,
    name: Name = None,
    brief: Brief = False,
    env: Env = None,
    debug: Debug = False,
) -> None:
    """Print the live database as Python.

    The source, run, declares the same schema. What cannot be declared is listed under unsupported, with the reason.

    Exit code 0, or 2 on an error.
    """
    frame = Frame(
        "reflect", json, debug, url, database, env=env, extra=(("--name", name),), flags=("--brief",) if brief else ()
    )
    frame.run(lambda: _reflect(frame, name, brief))


def _reflect(frame: Frame, name: str | None, brief: bool) -> ExitCode:
    target = frame.target()
    if target.missing:
        raise UsageError(f"no database at {target.place} yet")
    schema = calls.reflect(target.url, frame.database, name)
    if frame.as_json:
        frame.output.document(schema.model_dump_json(indent=2, exclude_unset=True))
    else:
        frame.output.document(python_source(schema, brief))
    for item, reason in schema.unsupported.items():
        frame.output.tell(f"not declared: {item}: {reason}", "yellow")
    return ExitCode.DONE
