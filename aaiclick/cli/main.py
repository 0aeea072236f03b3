"""The command line: ``aaiclick``, ``python -m aaiclick``."""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import typer

from aaiclick.cli.failures import ExitCode
from aaiclick.cli.interrupts import Terminated
from aaiclick.cli.output import Output, UnwrittenError, cannot_write
from aaiclick.cli.streams import drop_stdout, flush_stderr, open_closed_streams, separate_stderr
from aaiclick.version import VERSION

COMMANDS: Mapping[str, str] = {
    "status": "commands.status",
    "plan": "approval.command",
    "migrate": "commands.migrate",
    "rollback": "commands.rollback",
    "history": "commands.history",
    "adopt": "commands.adopt",
    "revision": "commands.revision",
    "check": "commands.revision",
    "reflect": "commands.reflect",
    "ddl": "commands.ddl",
    "graph": "graph.command",
    "prune": "commands.prune",
    "config": "configuration.command",
    "dashboard": "machine.dashboard",
}
"""Every command, as the help lists them, and the module below ``aaiclick.cli`` that has the function of its name."""
_COMPLETION = "_AAICLICK_COMPLETE"
_OBJECTS = 200_000
"""Objects between two collections of garbage: nearly all that a command makes stays until it ends."""


def _version(wanted: bool) -> None:
    if wanted:
        # As it is, without a console: what it costs is what scripts notice that call it often.
        print(f"aaiclick {VERSION}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
]


def _root(version: Version = False) -> None:
    """Bring ClickHouse tables, embedded or on a server, to the schema that the code declares.

    Results go to stdout, progress and errors to stderr.

    Exit codes of every command: 0 in sync or applied, 1 differences or work pending, 2 error, 130 interrupted, 143
    ended by SIGTERM.
    """


def build(rich_help: bool, only: str | None = None) -> typer.Typer:
    """The application; its help is drawn with boxes where ``rich_help``. ``only``: with this one command, so that no
    other has to be loaded."""
    app = typer.Typer(name="aaiclick", pretty_exceptions_enable=False, rich_markup_mode="rich" if rich_help else None)
    app.callback()(_root)
    for name in [only] if only is not None else COMMANDS:
        command: Callable[..., None] = getattr(importlib.import_module(f"aaiclick.cli.{COMMANDS[name]}"), name)
        app.command()(command)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. ``arguments=None``: this process is the command line
    (``sys.argv``)."""
    if arguments is None:
        open_closed_streams()
        separate_stderr()
        gc.set_threshold(_OBJECTS)
    try:
        return _written(list(sys.argv[1:] if arguments is None else arguments))
    finally:
        flush_stderr()


def _written(given: list[str]) -> int:
    """The exit code, behind the last byte of the result."""
    try:
        code = _carry_out(given)
        sys.stdout.flush()
    except BrokenPipeError:
        drop_stdout()
        return ExitCode.ERROR
    except OSError as error:
        drop_stdout()
        said = error if isinstance(error, UnwrittenError) else cannot_write(error)
        Output(as_json=False).tell(f"error: {said}", "red")
        return ExitCode.ERROR
    return code


def _carry_out(given: list[str]) -> int:
    only = given[0] if given and given[0] in COMMANDS and _COMPLETION not in os.environ else None
    app = build(sys.stdout.isatty(), only)
    if not given:
        # Help is what people want then, but a script that lost its arguments must not read it as "in sync".
        app(args=["--help"], prog_name="aaiclick", standalone_mode=False)
        return ExitCode.ERROR
    try:
        # standalone_mode=False: wrong usage is raised, so that --json can answer in JSON.
        code: object = app(args=given, prog_name="aaiclick", standalone_mode=False)
    except Terminated:
        return ExitCode.TERMINATED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Exception as error:
        # The class of usage errors is public in no version of typer; what it offers is.
        describe = getattr(error, "format_message", None)
        if describe is None:
            raise
        # Pydantic's words, by which typer has the values of a list checked.
        said = str(describe()).replace("Value error, ", "")
        path = str(getattr(getattr(error, "ctx", None), "command_path", "aaiclick"))
        behind = next((word for word in given if word in COMMANDS), None)
        if path == "aaiclick" and given[0].startswith("-") and behind is not None:
            # As other programs have it: ``aaiclick --env prod status``.
            said, path = (
                f"{said.rstrip('.')} in front of {behind}: options stand behind the command",
                f"aaiclick {behind}",
            )
        return _wrong_usage(said, path, "--json" in given)
    return code if isinstance(code, int) else ExitCode.DONE


def _wrong_usage(message: str, command: str, as_json: bool) -> int:
    output = Output(as_json)
    following = f"{command} --help"
    if as_json:
        output.document(
            json.dumps(
                {"error": {"type": "UsageError", "message": message, "next": following, "details": {}}},
                indent=2,
                ensure_ascii=False,
            )
        )
    else:
        output.tell(f"error: {message}", "red")
        output.tell(f"run: {following}")
    return ExitCode.ERROR
