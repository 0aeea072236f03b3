"""``aaiclick reflect``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aaiclick.cli import calls
from aaiclick.cli.failures import ExitCode
from aaiclick.cli.frame import Frame
from aaiclick.cli.options import Database, Debug, Env, Json, Url
from aaiclick.errors import UsageError

if TYPE_CHECKING:
    from aaiclick.specs.schema import Schema

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
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="NAME",
        help="Only what is called so; * stands for anything, as in 'shop_*'. May be given several times.",
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude", metavar="NAME", help="Not what is called so, in the same way. May be given several times."
    ),
]


Sql = Annotated[bool, typer.Option("--sql", help="Print CREATE statements, for Schema.from_sql.")]


def reflect(
    *,
    json: Json = False,
    url: Url = None,
    database: Database = None,
    name: Name = None,
    only: Only = None,
    exclude: Exclude = None,
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
    wanted, unwanted = tuple(only or ()), tuple(exclude or ())
    given = [("--name", name), *(("--only", each) for each in wanted), *(("--exclude", each) for each in unwanted)]
    flags = tuple(flag for flag, is_given in (("--brief", brief), ("--sql", sql)) if is_given)
    frame = Frame("reflect", json, debug, url, database, env=env, extra=tuple(given), flags=flags)
    frame.run(lambda: _reflect(frame, name, brief, sql, wanted, unwanted))


def _reflect(
    frame: Frame, name: str | None, brief: bool, sql: bool, only: tuple[str, ...], exclude: tuple[str, ...]
) -> ExitCode:
    if sql and (brief or frame.as_json):
        raise UsageError(
            f"--sql prints CREATE statements, and {'--brief' if brief else '--json'} is for Python: choose one"
        )
    target = frame.target()
    if target.missing:
        raise UsageError(f"no database at {target.place} yet")
    schema = calls.reflect(target.url, frame.database, name, only, exclude)
    ledgers = {} if only else _ledgers(schema)
    if ledgers:
        kept = [item for item in schema.objects if item.name not in ledgers]
        schema = schema.model_copy(update={"objects": kept})
    if frame.as_json:
        frame.output.document(schema.model_dump_json(indent=2, exclude_unset=True))
    elif sql:
        from aaiclick.cli.text.create import sql_file

        frame.output.document(sql_file(schema))
    else:
        from aaiclick.cli.text.source import python_source

        frame.output.document(python_source(schema, brief))
    for table, tool in ledgers.items():
        frame.output.tell(
            f"left out: {table} is the ledger of {tool} (to take the database over: aaiclick adopt --from {tool})",
            "yellow",
        )
    for item, reason in schema.unsupported.items():
        frame.output.tell(f"not declared: {item}: {reason}", "yellow")
    return ExitCode.DONE


def _ledgers(schema: Schema) -> dict[str, str]:
    """The tables in which other tools write down what they applied: no part of what an application declares."""
    from aaiclick.versions.ledgers import ledger_of

    found = {table.name: ledger_of([column.name for column in table.columns]) for table in schema.tables}
    return {name: ledger.tool for name, ledger in found.items() if ledger is not None}
