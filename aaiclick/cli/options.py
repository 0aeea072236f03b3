"""The options that several commands share."""

from __future__ import annotations

import contextlib
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from aaiclick.cli.calls import PolicyName
from aaiclick.cli.schema_reference import DEFAULT
from aaiclick.errors import UsageError

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there, errors included.")
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="The database: chdb:///path, chdb://memory, clickhouse://user:password@host:8123/db, clickhouses:// or "
        "https:// for TLS. Default: $AAICLICK_CH_URL, else the configured one, else the embedded engine under "
        "$AAICLICK_LOCAL_ROOT/chdb_data or ~/.aaiclick/chdb_data.",
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="DB",
        help="The database to work in. Default: the configured one, else the one in the URL, else the "
        "connection's own.",
    ),
]
Databases = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="DB",
        help="The database to work in, or a pattern such as 'tenant_*' for many (*: any text, ?: one character). "
        "Default: the configured one, else the one in the URL, else the connection's own.",
    ),
]
Names = Annotated[
    str | None,
    typer.Option("--database", metavar="DB", help="Qualify every name with this database. Default: names stand alone."),
]
HtmlFile = Annotated[
    Path | None,
    typer.Option(
        "--html",
        metavar="FILE",
        help="Write a report, too: one HTML file that a browser shows, and that loads nothing from anywhere.",
    ),
]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show tracebacks, the library's log and the engine's own messages on stderr.")
]

KeepOld = Annotated[
    str | None,
    typer.Option(
        "--keep-old",
        metavar="TIME",
        help="How long the table that is replaced stays for a rollback: 12h, 30min, 2d, or 0 for not at all. "
        "Default: $AAICLICK_KEEP_OLD, else the configured time, else 1d.",
    ),
]


class ProgressKind(str, Enum):
    """How progress is shown."""

    auto = "auto"
    plain = "plain"
    json = "json"


Progress = Annotated[
    ProgressKind,
    typer.Option(
        "--progress",
        help="What stderr is told. auto: a bar at a terminal, lines elsewhere. plain: lines. json: one JSON object a "
        "line, for programs.",
    ),
]


def complete_schema(incomplete: str) -> list[str]:
    """Modules of the working directory, up to the colon; the attribute is for the user to know."""
    if ":" in incomplete:
        return []
    names = [path.stem for path in Path().glob("*.py")] + [path.parent.name for path in Path().glob("*/__init__.py")]
    return [
        name
        for name in [DEFAULT, *sorted(f"{name}:" for name in names if name.isidentifier())]
        if name.startswith(incomplete)
    ]


Reference = Annotated[
    str | None,
    typer.Option(
        "--schema",
        metavar="MODULE:ATTRIBUTE",
        autocompletion=complete_schema,
        help="The declared schema, imported with the current directory on sys.path. Default: $AAICLICK_SCHEMA, else "
        "schema in the project's configuration, else the oplog in a database of its own.",
    ),
]


def complete_environment(incomplete: str) -> list[str]:
    """The environments of the project's configuration."""
    from aaiclick.cli.configuration.files import find

    with contextlib.suppress(UsageError, OSError):
        file = find(Path.cwd())
        return [name for name in (file.environments if file is not None else ()) if name.startswith(incomplete)]
    return []


Env = Annotated[
    str | None,
    typer.Option(
        "--env",
        metavar="NAME",
        autocompletion=complete_environment,
        help="The environment of the project's configuration (pyproject.toml or aaiclick.toml) whose url, database, "
        "schema, policy and keep-old count. Default: $AAICLICK_ENV.",
    ),
]
Given = Annotated[
    list[str] | None,
    typer.Option(
        "--var",
        metavar="NAME=VALUE",
        help="The value of a variable of the schema, such as ttl_days=90. It counts more than $AAICLICK_VAR_<NAME> and "
        "the configuration. May be given several times.",
    ),
]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        metavar="KEY",
        help="Allow one thing that loses rows or changes values, by the name that the plan gives it, such as "
        "'drop-column operation_log.args'. May be given several times.",
    ),
]
Chosen = Annotated[
    PolicyName | None,
    typer.Option(
        "--policy",
        help="What may be done without --allow. check: nothing. safe: metadata only. lossless: also rewrites that "
        "keep every row and value, of any size. everything: also what destroys. Default: the configured policy, "
        "else lossless; $AAICLICK_SCHEMA_POLICY is not looked at here.",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        metavar="N",
        help="With a pattern such as --database 'tenant_*': so many databases at the same time. Default: 1.",
    ),
]
