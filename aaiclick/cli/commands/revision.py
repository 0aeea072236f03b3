"""``aaiclick revision`` and ``aaiclick check``: about files, not databases."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from aaiclick.cli.failures import ExitCode
from aaiclick.cli.frame import Frame
from aaiclick.cli.options import Debug, Env, Json, Reference
from aaiclick.errors import UsageError

if TYPE_CHECKING:
    from aaiclick.api.revision import Checked
    from aaiclick.testing.on_releases import ReleaseCheck

Message = Annotated[
    str,
    typer.Option(
        "-m",
        "--message",
        metavar="TEXT",
        help="What the version is for: the title of its migration and a part of its file's name.",
    ),
]
Rename = Annotated[
    list[str] | None,
    typer.Option(
        "--rename",
        metavar="OLD=NEW",
        help="What is gone was renamed: 'table.column=new_column' or 'table=new_table', with names that have a dot in "
        "backticks. May be given several times.",
    ),
]
Drop = Annotated[
    list[str] | None,
    typer.Option(
        "--drop",
        metavar="NAME",
        help="What is gone is no longer declared: 'table.column' or 'table'. The migration then allows "
        "to drop it, by a line that you may take out.",
    ),
]
OldestCode = Annotated[
    int | None,
    typer.Option("--oldest-code", metavar="N", help="The oldest version of the code that still runs on the result."),
]
Python = Annotated[
    bool, typer.Option("--python", help="Write a Python file with a function that moves data, instead of an SQL file.")
]
Amend = Annotated[
    bool,
    typer.Option(
        "--amend", help="Write the newest version's entry anew: only while nobody has installed that version."
    ),
]
Renumber = Annotated[
    bool,
    typer.Option(
        "--renumber",
        help="After two branches were merged that both add the same version: give the migration of the later one the "
        "next number. Takes no other option.",
    ),
]


def revision(
    *,
    message: Message = "",
    rename: Rename = None,
    drop: Drop = None,
    oldest_code: OldestCode = None,
    python: Python = False,
    amend: Amend = False,
    renumber: Renumber = False,
    json: Json = False,
    schema: Reference = None,
    env: Env = None,
    debug: Debug = False,
) -> None:
    """Release the declared version: lock file and migration.

    Compares the code with the last released version, writes the migration file with what follows from the difference,
    and adds the version to schema.lock.json. What is gone may have been renamed: that is asked for by flags, never
    guessed. Needs no database.

    Exit code 0: written, or nothing to do.
    1: a decision is needed.
    2: error.
    """
    frame = Frame("revision", json, debug, schema=schema, env=env)
    # run() leaves the process: the last line is for everything but --renumber.
    if renumber:
        others = bool(message or rename or drop or oldest_code or python or amend)
        frame.run(lambda: _renumber(frame, others))
    frame.run(lambda: _revision(frame, message, _pairs(rename or []), tuple(drop or ()), oldest_code, python, amend))


def _renumber(frame: Frame, others: bool) -> ExitCode:
    from aaiclick.api.renumber import renumber

    if others:
        raise UsageError("--renumber takes no other option: it renames a migration, and aaiclick revision releases it")
    declared = frame.declared_in_files()
    made = renumber(declared)
    if frame.as_json:
        frame.output.result({"schema": declared.name, **dataclasses.asdict(made)})
        return ExitCode.DONE
    for change in made.changes:
        frame.output.say(f"✓ {change}", "green")
    if declared.version != made.version:
        frame.output.say(f"write version={made.version} in the Schema of {declared.name}")
    frame.output.say(f"then run: {frame.again()}")
    return ExitCode.DONE


def _pairs(given: list[str]) -> list[tuple[str, str]]:
    from aaiclick.specs.renames import QUOTED

    # A name in backticks may hold the sign that divides old and new.
    olds = [found[0] if (found := re.match(rf"(?:{QUOTED}|[^=])*", text, re.DOTALL)) else "" for text in given]
    return [(old, text[len(old) + 1 :]) for text, old in zip(given, olds, strict=True)]


def _revision(
    frame: Frame,
    message: str,
    renames: list[tuple[str, str]],
    drops: tuple[str, ...],
    oldest_code: int | None,
    python: bool,
    amend: bool,
) -> ExitCode:
    from aaiclick.api.revision import revise
    from aaiclick.errors import UndecidedError
    from aaiclick.specs.renames import is_new_name

    if any(not old or not is_new_name(old, new) for old, new in renames):
        raise UsageError(
            "--rename takes table.column=new_column or table=new_table, with names that have a dot in backticks: "
            "'`a.b`.`n.x`=`n.y`'"
        )
    declared = frame.declared_in_files()
    try:
        made = revise(declared, message, dict(renames), drops, oldest_code, python, amend)
    except UndecidedError as error:
        if frame.as_json:
            frame.output.result(
                {"schema": declared.name, "version": declared.version, "undecided": list(error.undecided)}
            )
        else:
            frame.output.say(
                f"✗ {declared.name} v{declared.version}: a decision is needed, nothing was written", "yellow"
            )
            for line in error.undecided:
                frame.output.say(f"  {line}")
        return ExitCode.PENDING
    if frame.as_json:
        frame.output.result({"schema": declared.name, **dataclasses.asdict(made)})
        return ExitCode.DONE
    if not made.files:
        frame.output.say(f"✓ {declared.name} v{made.version} is released as it is declared", "green")
    for path in made.files:
        frame.output.say(f"wrote {path}")
    for change in made.changes if made.files else ():
        frame.output.say(f"  {change}")
    return ExitCode.DONE


Engines = Annotated[
    str,
    typer.Option(
        "--engines",
        metavar="RELEASES",
        help="Also create the schema, and upgrade it from every locked version, on embedded engines of these releases "
        "of ClickHouse: 24.8,25.8,26.9. Their wheels are fetched once.",
    ),
]


def check(
    *, json: Json = False, schema: Reference = None, engines: Engines = "", env: Env = None, debug: Debug = False
) -> None:
    """Check that code, lock file and migrations agree.

    For continuous integration: needs no database.

    Exit code 0: they agree.
    1: they do not, for instance because the declaration changed without a revision.
    2: error.
    """
    frame = Frame("check", json, debug, schema=schema, env=env)
    frame.run(lambda: _check(frame, [part.strip() for part in engines.split(",") if part.strip()]))


def _check(frame: Frame, releases: list[str]) -> ExitCode:
    from aaiclick.api.revision import check_schema

    declared = frame.declared_in_files()
    found = check_schema(declared)
    on_releases: tuple[ReleaseCheck, ...] = ()
    if releases:
        from aaiclick.testing.on_releases import check_on_releases

        on_releases = check_on_releases(declared, releases, frame.output.tell)
    _tell_check(frame, found, on_releases)
    return ExitCode.PENDING if found.problems or any(each.problems for each in on_releases) else ExitCode.DONE


def _tell_check(frame: Frame, found: Checked, on_releases: tuple[ReleaseCheck, ...]) -> None:
    if frame.as_json:
        listed = [
            {**dataclasses.asdict(each), "upgrades": list(each.upgrades), "problems": list(each.problems)}
            for each in on_releases
        ]
        shown = {**dataclasses.asdict(found), "problems": list(found.problems)}
        frame.output.result({**shown, "engines": listed} if on_releases else shown)
        return
    _tell(frame, f"{found.schema} v{found.version}", found.problems, "code, lock file and migrations agree")
    for each in on_releases:
        ways = ["created", *(f"upgraded from v{number}" for number in each.upgrades)]
        _tell(frame, f"ClickHouse {each.version}", each.problems, ", ".join(ways))


def _tell(frame: Frame, what: str, problems: Sequence[str], well: str) -> None:
    if problems:
        frame.output.say(f"✗ {what}", "yellow")
        for problem in problems:
            frame.output.say(f"  {problem}")
    else:
        frame.output.say(f"✓ {what}: {well}", "green")
