"""Creates objects in scratch and reads back what the engine makes of them."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Sequence

from aaiclick.catalog.forms import Form
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.room import require_room_for_definitions
from aaiclick.catalog.scratch import PREFIX, Scratch
from aaiclick.error_codes import ACCESS_DENIED, LIMITS, READONLY, SETTING_CONSTRAINT_VIOLATION
from aaiclick.errors import StatementError
from aaiclick.routine import Command, Query, Routine, text
from aaiclick.sql.ddl import CREATE_TABLE, attach_table
from aaiclick.sql.function_calls import renamed_calls
from aaiclick.sql.hex_text import hexed, hexed_list
from aaiclick.sql.secrets import HIDDEN
from aaiclick.sql.tokens import Tokens, identifier, split_top

# Engines that keep to themselves: an empty table of them reads nothing, writes nothing and connects to nothing.
SELF_CONTAINED = frozenset({"Log", "TinyLog", "StripeLog", "Memory", "Null", "Set", "Join", "GenerateRandom", "Merge"})
# So do these, as long as their arguments name no path.
WITHOUT_PATH = {"EmbeddedRocksDB": 1, "File": 1}
NOT_THE_DEFINITION = LIMITS | {0, READONLY, SETTING_CONSTRAINT_VIOLATION, ACCESS_DENIED}
"""Missing rights, a limit, a lost connection: these say nothing about the definition."""
_SYNTAX = re.compile(r"Syntax error.*?: failed at position (\d+) \((.*?)\)", re.DOTALL)
_HINT = re.compile(rf" ?Maybe you meant:? [^?]*{PREFIX}[^?]*\?")
"""What the server offers in the place of an unknown name, where that is something of ours."""
_PREAMBLE = re.compile(r"\A(?:Code: \d+\.\s*)?(?:DB::Exception:\s*)+")


def instantiable(engine: str, arguments: str | None = None) -> bool:
    """True where an empty table of that engine can be made in scratch without any effect elsewhere."""
    if engine in WITHOUT_PATH:
        return arguments is not None and len(split_top(arguments)) <= WITHOUT_PATH[engine]
    return engine in SELF_CONTAINED or (
        engine.endswith("MergeTree") and not engine.startswith(("Replicated", "Shared"))
    )


def make(scratch: Scratch, sql: str, replay: bool = False, inside: bool = False) -> Routine[StatementError | None]:
    """Create one object. The engine's refusal of the definition is the result; any other failure is raised.

    ``replay``: the text is the engine's own, in which a Nested is already split into columns. ``inside``: names
    without a database mean objects in scratch.
    """
    # The engine's own text has a flattened Nested as columns n.x already. A Nested that is still one column in it was
    # created with flatten_nested = 0, and has to stay one.
    settings: dict[str, str | int] = {**scratch.settings, "flatten_nested": 0 if replay else 1}
    sql = sql if replay else renamed_calls(sql, scratch.functions)
    try:
        yield Command(sql, settings=settings, database=scratch.database if inside else None)
    except StatementError as error:
        # Told as a refusal, a lost connection would look like a mistake in the declaration.
        if error.code in NOT_THE_DEFINITION:
            raise
        return error
    return None


def make_as_it_stands(scratch: Scratch, sql: str) -> Routine[None]:
    """Create one object as the server has it, in the engine's own text; one that the server would not create any more
    is loaded, as at its start. One that it takes neither way is not there."""
    error = yield from make(scratch, sql, replay=True)
    if error is not None and sql.startswith(CREATE_TABLE):
        yield from attach_definition(scratch, sql)


def attach_definition(scratch: Scratch, sql: str) -> Routine[StatementError | None]:
    """Load a definition with ATTACH, as the server does at its start. ``sql`` is a CREATE TABLE that was refused.

    The server loads tables that an older release created and that it would not create itself. The result is its
    refusal, or None.
    """
    tokens = Tokens(sql.removeprefix(CREATE_TABLE))
    _, behind = identifier(tokens, 0)
    end = len(CREATE_TABLE) + tokens.items[behind - 1].end
    # ATTACH with a definition needs a UUID in an Atomic database. It is made from the nonce of
    # scratch and the text, so no two tables share one.
    digest = hashlib.blake2s(f"{scratch.nonce} {sql}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    uuid = f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:]}"
    return (
        yield from make(
            scratch, attach_table(sql[len(CREATE_TABLE) : end], uuid, sql[end:].removeprefix(" ")), replay=True
        )
    )


def read_forms(scratch: Scratch, names: Sequence[str]) -> Routine[dict[str, Form]]:
    """The forms of objects in scratch, by the name that each was made for. Objects that are not there are left out.

    Raises ``StatementError`` where the disk is full: the server answers such a CREATE with success.
    """
    made = {scratch.name(name): name for name in names}
    if not made:
        return {}
    sql = (
        "SELECT name, create_table_query FROM system.tables "
        "WHERE database = {database:String} AND has(arrayMap(x -> unhex(x), splitByChar(',', {names:String})), name)"
    )
    rows = yield Query(sql, {"database": scratch.database, "names": hexed_list(made)})
    if not all(text(row[1]) for row in rows):
        # Without room for the file of a definition the server makes the table and shows no text of it. The definition
        # is not to blame then.
        yield from require_room_for_definitions()
    forms: dict[str, Form] = {}
    for row in rows:
        name = made[text(row[0])]
        forms[name] = dataclasses.replace(split_create(text(row[1]), scratch.database), name=name)
    return forms


def names_in_scratch(scratch: Scratch) -> Routine[frozenset[str]]:
    """Names of all objects in scratch, as they are called there."""
    rows = yield Query(
        "SELECT name FROM system.tables WHERE database = {database:String}", {"database": scratch.database}
    )
    return frozenset(text(row[0]) for row in rows)


def formatted(sql: str) -> Routine[str]:
    """The engine's formatting of a statement, without running it. Types and expressions stay as typed; secrets are
    shown.

    Raises ``StatementError`` for a syntax error, with its position but without the text around it, which may hold a
    secret.
    """
    try:
        rows = yield Query("SELECT formatQuerySingleLine(unhex({sql:String}))", {"sql": hexed(sql)})
    except StatementError as error:
        found = _SYNTAX.search(error.message)
        if found is None:
            raise
        # A token with a quote in it may be a part of a secret.
        token = "" if "'" in found[2] else f" ({found[2]})"
        raise StatementError(
            f"Syntax error at position {found[1]} of its CREATE statement{token}", error.code, error.name
        ) from None
    return text(rows[0][0])


def masked(sql: str) -> Routine[str]:
    """A CREATE TABLE with ``[HIDDEN]`` for each secret, as the engine shows it; '' where the engine cannot tell."""
    try:
        # The CREATE is only printed, not carried out: nothing is connected to.
        rows = yield Query(f"EXPLAIN SYNTAX {sql}")
    except StatementError as error:
        if error.code == 0:
            raise
        return ""
    shown = "\n".join(text(row[0]) for row in rows)
    return shown if HIDDEN in shown else ""


def sentence(scratch: Scratch, error: StatementError) -> str:
    """The engine's message about a definition, without its preamble and without the name of the scratch database."""
    plain = _HINT.sub("", _PREAMBLE.sub("", error.message).strip().replace(f"{scratch.database}.", ""))
    return plain.replace(f"`{scratch.database}`.", "").replace(scratch.prefix or scratch.database, "")
