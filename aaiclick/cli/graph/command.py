"""``aaiclick graph``."""

from __future__ import annotations

from enum import Enum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated

import typer

from aaiclick.cli import calls
from aaiclick.cli.failures import ExitCode
from aaiclick.cli.frame import Frame
from aaiclick.cli.options import Database, Debug, Env, Json, Reference, Url
from aaiclick.errors import UsageError

if TYPE_CHECKING:
    from aaiclick.cli.graph.documents import GraphDocument
    from aaiclick.cli.graph.picture import Picture
    from aaiclick.specs.schema import Schema


class GraphFormat(str, Enum):
    """How the picture is written."""

    mermaid = "mermaid"
    dot = "dot"
    svg = "svg"


Format = Annotated[
    GraphFormat,
    typer.Option(
        "--format",
        help="mermaid: for a Markdown page. dot: for Graphviz. svg: a file that every browser shows.",
    ),
]
Columns = Annotated[bool, typer.Option("--columns", help="Show the columns of tables and dictionaries, too.")]
Live = Annotated[
    bool, typer.Option("--live", help="What is in the database, instead of what is declared. Changes nothing.")
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="NAME",
        help="Only what is called so, with all that it comes from and goes to; * stands for anything. May be given "
        "several times.",
    ),
]


def graph(
    *,
    format: Format = GraphFormat.mermaid,
    columns: Columns = False,
    live: Live = False,
    only: Only = None,
    json: Json = False,
    url: Url = None,
    database: Database = None,
    schema: Reference = None,
    env: Env = None,
    debug: Debug = False,
) -> None:
    """Print a picture of the schema: what reads or feeds what.

    Tables, views, dictionaries, and the ways that rows take between them: as Mermaid, DOT or SVG. It needs no database
    but with --live.

    Exit code 0, or 2 where the schema cannot be imported or the database not be reached.
    """
    wanted = tuple(only or ())
    given = [("--format", format.value), *(("--only", each) for each in wanted)]
    flags = tuple(flag for flag, said in (("--columns", columns), ("--live", live)) if said)
    frame = Frame("graph", json, debug, url, database, schema, env, extra=tuple(given), flags=flags)
    frame.run(lambda: _graph(frame, format, columns, live, wanted))


def _graph(frame: Frame, kind: GraphFormat, columns: bool, live: bool, only: tuple[str, ...]) -> ExitCode:
    from aaiclick.cli.graph.picture import picture_of
    from aaiclick.cli.graph.svg import picture_svg
    from aaiclick.cli.graph.text import dot, mermaid

    if frame.url is not None and not live:
        raise UsageError("--url goes with --live: without it the picture is of what is declared")
    schema = _live(frame) if live else _declared(frame)
    picture = picture_of(schema, schema.name if live else frame.database)
    if only:
        picture = picture.only(_named(picture, only))
    title = f"{schema.name} {schema.version_label}" if not live else f"database {schema.name}"
    if frame.as_json:
        document = _document(schema, picture)
        frame.output.result(document)
    elif kind is GraphFormat.svg:
        frame.output.document(picture_svg(picture, title, columns))
    elif kind is GraphFormat.dot:
        frame.output.document(dot(picture, title, columns))
    else:
        frame.output.document(mermaid(picture, columns))
    return ExitCode.DONE


def _declared(frame: Frame) -> Schema:
    from aaiclick.api.declared import read_declaration

    return read_declaration(frame.declared_or_oplog())


def _live(frame: Frame) -> Schema:
    target = frame.target()
    if target.missing:
        raise UsageError(f"no database at {target.place} yet")
    return calls.reflect(target.url, frame.database, None)


def _named(picture: Picture, only: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for pattern in only:
        names = [node.name for node in picture.nodes if fnmatchcase(node.name, pattern)]
        if not names:
            raise UsageError(f"--only {pattern}: nothing in the picture is called so")
        found += names
    return found


def _document(schema: Schema, picture: Picture) -> GraphDocument:
    return {
        "schema": schema.name,
        "version": schema.version,
        "nodes": [
            {
                "name": node.name,
                "kind": node.kind,
                "detail": node.detail,
                "columns": [{"name": name, "type": type_} for name, type_ in node.columns],
                "comment": node.comment,
            }
            for node in picture.nodes
        ],
        "edges": [{"source": edge.source, "target": edge.target, "way": edge.way} for edge in picture.edges],
    }
