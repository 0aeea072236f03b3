"""Reads SQL text as declarations, and refuses what is no declaration before anything is sent.

Taken is one CREATE for each object, without what runs a query, fills a table, or names a place: a declaration says what
there is. No statement of the text is ever run as it stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TypeVar

from aaiclick.errors import SpecError
from aaiclick.specs.mistakes import same_name
from aaiclick.specs.server_objects.collection_sql import read_collection
from aaiclick.specs.server_objects.collections import NamedCollection
from aaiclick.specs.server_objects.databases import DATABASE
from aaiclick.specs.sql_objects import KINDS, Kind, SqlObject, place
from aaiclick.specs.sql_remarks import ColumnPlaces, Remarks
from aaiclick.sql.comments import comments, without_comments
from aaiclick.sql.cursor import ClauseError, Cursor
from aaiclick.sql.ddl import create
from aaiclick.sql.script import ScriptError, Statement, split_statements
from aaiclick.sql.tokens import Tokens

T = TypeVar("T", bound=SqlObject)
_KINDS: tuple[tuple[tuple[str, ...], Kind], ...] = (
    (("TABLE",), "table"),
    (("MATERIALIZED", "VIEW"), "materialized view"),
    (("VIEW",), "view"),
    (("DICTIONARY",), "dictionary"),
    (("FUNCTION",), "function"),
    (("DATABASE",), "database"),
)
_RIGHTS = (
    "users, roles, policies, quotas and profiles belong to whoever administers the server: write them into what sets "
    "the server up"
)
_WORKLOADS = "workloads and resources belong to the server: write them into what sets it up"
_ELSEWHERE: tuple[tuple[tuple[str, ...], str], ...] = (
    (("USER",), _RIGHTS),
    (("ROLE",), _RIGHTS),
    (("ROW", "POLICY"), _RIGHTS),
    (("POLICY",), _RIGHTS),
    (("MASKING", "POLICY"), _RIGHTS),
    (("QUOTA",), _RIGHTS),
    (("SETTINGS", "PROFILE"), _RIGHTS),
    (("PROFILE",), _RIGHTS),
    (("WORKLOAD",), _WORKLOADS),
    (("RESOURCE",), _WORKLOADS),
    (("INDEX",), "an index belongs to its table: write INDEX name expression TYPE ... into its CREATE TABLE"),
)
"""What CREATE can make that is no part of a declared schema, and where it belongs."""
_TAKEN = "a CREATE of a table, view, materialized view, dictionary, function, named collection or database"
_OPEN_TO_SECRETS = re.compile(
    r"(?:s3|gcs|oss|cosn|url|azureBlobStorage|hdfs|iceberg\w*|deltaLake\w*|hudi\w*|paimon\w*|mysql|postgresql|mongodb"
    r"|redis|odbc|jdbc|remote|remoteSecure|arrowFlight|ytsaurus)(?:Cluster)?",
    re.IGNORECASE,
)
"""Table functions whose arguments may hold a secret."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A text, and how it is called in errors."""

    text: str
    """The text, with newlines at the ends of its lines."""
    file: str
    """The file as it was named; '' for none."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A declaration, and where it stands."""

    item: SqlObject | NamedCollection
    place: str
    line: int


def sql_object(kind: type[T], sql: str) -> T:
    """The declaration of a text that holds one CREATE of that kind. Raises ``SpecError``."""
    found = _objects(_Source(_plain(sql), ""))
    if len(found) != 1:
        raise SpecError(f"{kind.noun} as SQL", f"one CREATE statement is wanted, and the text holds {len(found)}")
    item = found[0].item
    if not isinstance(item, kind):
        raise SpecError(found[0].place, f"a CREATE of a {kind.noun} was expected")
    return item


def sql_objects(path: str | PathLike[str], beside: str | None = None) -> list[SqlObject | NamedCollection]:
    """The declarations of a file, in its order. ``beside``: the file next to which a relative path is looked for.

    Raises ``SpecError`` with file, line and statement.
    """
    named = fspath(path)
    file = Path(named) if beside is None or Path(named).is_absolute() else Path(beside).resolve().parent / named
    try:
        text = file.read_bytes()
    except OSError as error:
        raise SpecError(str(file), f"cannot be read: {error.strerror or error}") from None
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise SpecError(
            place(named, line), f"byte {text[error.start]:#04x} is no UTF-8: save the file as UTF-8"
        ) from None
    found = _objects(_Source(_plain(decoded), named))
    if not found:
        raise SpecError(named, "holds no CREATE statement")
    if len(set(re.findall(r"\r\n|\r|\n", decoded))) > 1:
        _require_plain_literals(found, decoded)
    lines: dict[str, _Read] = {}
    for read in found:
        if (first := lines.setdefault(read.item.name, read)) is not read:
            said = f"{read.item.name} is declared in line {first.line} already"
            nouns = (first.item.noun, read.item.noun)
            raise SpecError(read.place, said if nouns[0] == nouns[1] else f"{said}: it {same_name(*nouns)}")
    return [read.item for read in found]


def _require_plain_literals(found: list[_Read], written: str) -> None:
    """A file that mixes line ends may mean the one inside a literal. Raises ``SpecError`` for such a literal."""
    for read in found:
        for text in _literals(read.item):
            if "\n" in text and text not in written:
                raise SpecError(
                    read.place,
                    "a literal holds a carriage return, and lines of a file may end in any way: write it as \\r, and "
                    "the newline as \\n",
                )


def _literals(item: SqlObject | NamedCollection) -> list[str]:
    if isinstance(item, SqlObject):
        return [token.text for token in Tokens(item.sql).items if token.kind == "string"]
    return [value for value in item.keys.values() if isinstance(value, str)]


def _plain(text: str) -> str:
    """Lines end alike, whatever wrote the file: a definition does not depend on it."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _objects(source: _Source) -> list[_Read]:
    try:
        statements = split_statements(source.text)
    except ScriptError as error:
        raise SpecError(place(source.file, error.line), error.problem) from None
    remarks = Remarks(source.text, source.file, comments(source.text))
    blank = without_comments(source.text)
    found = [_object(source, blank, statement, remarks) for statement in statements]
    remarks.require_all_used()
    return found


def _object(source: _Source, blank: str, statement: Statement, remarks: Remarks) -> _Read:
    end = statement.start + len(statement.text)
    sql = blank[statement.start : end]
    tokens = Tokens(sql)

    def refused(position: int, problem: str, name: str = "") -> SpecError:
        offset = tokens.items[min(position, len(tokens) - 1)].start
        line = statement.line + sql.count("\n", 0, offset)
        words = " ".join(token.text for token in tokens.items[:3] if token.kind == "word")[:60]
        return SpecError(place(source.file, line, name or words), problem)

    cursor = Cursor(tokens)
    if cursor.accept("CREATE", "NAMED", "COLLECTION"):
        try:
            collection = read_collection(cursor)
        except ClauseError as error:
            raise refused(cursor.position, str(error)) from None
        except SpecError as error:
            raise refused(0, str(error)) from None
        where = place(source.file, statement.line, create("NAMED COLLECTION", collection.name))
        return _Read(collection, where, statement.line)
    noun = _kind(cursor)
    if noun is None:
        raise refused(0, _refusal(cursor))
    if cursor.accept("IF", "NOT", "EXISTS"):  # that says nothing of the object
        first, last = tokens.items[cursor.position - 3].start, tokens.items[cursor.position - 1].end
        # Blanks of the same length: lines and offsets stay those of the file.
        sql = sql[:first] + re.sub(r"[^\n]", " ", sql[first:last]) + sql[last:]
    try:
        parts = cursor.compound()
    except ClauseError:
        raise refused(cursor.position, "a name was expected") from None
    label = create(noun.upper(), ".".join(parts))
    name = parts[len(parts) - 1]
    if len(parts) > 1:
        wrong = f"write {name} without {'.'.join(parts[:-1])}: the database is the one that the client is given"
        raise refused(cursor.position - 1, wrong, label)
    if name == "schema_version" or name.startswith("_aaiclick_"):
        raise refused(cursor.position - 1, f"{name} is a name of this library's own tables: choose another one", label)
    forbidden = _forbidden(cursor, noun)
    if forbidden is not None:
        raise refused(*forbidden, label)
    if noun == "database":
        name = DATABASE
    elements = ColumnPlaces(tokens, cursor.position, statement.start, noun)
    said = remarks.of(elements, statement.start, end, noun, name)
    item = KINDS[noun](name, sql, source.file, statement.line, **said)
    return _Read(item, item.place(), item.line)


def _kind(cursor: Cursor) -> Kind | None:
    """The kind of object, with the cursor behind its words; None where it is not taken."""
    for words, kind in _KINDS:
        if cursor.accept("CREATE", *words):
            return kind
    return None


def _refusal(cursor: Cursor) -> str:
    """Why a statement is not taken."""
    if cursor.at("ATTACH"):
        return "ATTACH takes over files that are there: write CREATE"
    if not cursor.accept("CREATE"):
        return f"only {_TAKEN} declares something: this statement is not taken, and nothing of the text was run"
    if cursor.at("OR", "REPLACE"):
        return (
            "a declaration replaces nothing by itself: write CREATE, and the plan says how the live object becomes it"
        )
    if cursor.at("TEMPORARY"):
        return "a temporary object belongs to one session and cannot be declared"
    for words, where in _ELSEWHERE:
        if cursor.at(*words):
            return where
    return f"only {_TAKEN} is taken"


def _forbidden(cursor: Cursor, noun: Kind) -> tuple[int, str] | None:
    """What a declaration may not say, and where; the position and the reason."""
    tokens = cursor.tokens
    table, view = noun == "table", noun in ("view", "materialized view")
    position, query = cursor.position, False
    bracket = engine = False
    while position < len(tokens):
        if tokens.is_word(position, "PARALLEL", "WITH") or tokens.is_word(position, "INTO", "OUTFILE"):
            return position, f"{tokens.slice(position, position + 2)} does not belong to a declaration"
        if not query:
            if tokens.is_word(position, "ON", "CLUSTER"):
                return position, "ON CLUSTER is said once for all objects: Schema(cluster=...)"
            if position == cursor.position and tokens.is_word(position, "UUID"):
                return position, "a UUID is given by the server"
            if view and tokens.is_word(position, "TO", "INNER"):
                return position, "the UUID of an inner table is given by the server"
            if (table or view) and (
                tokens.is_word(position, "POPULATE")
                or tokens.is_word(position, "EMPTY")
                or tokens.is_word(position, "CLONE")
            ):
                word = tokens.items[position].text.upper()
                instead = ": write -- backfill: true above it" if word == "POPULATE" else ""
                return position, f"{word} is about rows, and a declaration says nothing of rows{instead}"
            if tokens.is_word(position, "AS") and not tokens.is_op(position - 1, ","):
                if table:
                    return position, _as(tokens, position + 1)
                query = view
            engine = engine or tokens.is_word(position, "ENGINE")
            bracket = bracket or tokens.is_op(position, "(")
        # Over brackets as a whole: what stands in them is about columns and arguments.
        position = tokens.after(position)
    if table and not bracket:
        return cursor.position, "a list of columns was expected"
    if table and not engine:
        return (
            cursor.position,
            "no ENGINE is given, so a setting of the server would choose it: write ENGINE = MergeTree",
        )
    return _secret(tokens) if view else None


def _as(tokens: Tokens, position: int) -> str:
    if tokens.is_word(position, "SELECT") or tokens.is_word(position, "WITH") or tokens.is_op(position, "("):
        return "AS SELECT would run a query and fill the table: write its columns"
    if tokens.is_op(position + 1, "("):
        return "a table function makes a table that is somewhere else: write columns and ENGINE"
    return "AS takes the columns of another table as it is at that moment: write the columns"


def _secret(tokens: Tokens) -> tuple[int, str] | None:
    """A table function in a query that may be given a secret. A named collection comes without one."""
    for position, token in enumerate(tokens.items):
        called = token.kind == "word" and tokens.is_op(position + 1, "(") and _OPEN_TO_SECRETS.fullmatch(token.text)
        if called and tokens.is_kind(position + 2, "string", "name"):
            return position, (
                f"the arguments of {token.text}() would stand in the lock file, and may hold a secret: read from a "
                "table, or give it a named collection"
            )
    return None
