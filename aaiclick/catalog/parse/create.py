"""Splits the engine's ``create_table_query`` into the clauses of a form.

A clause that is not known makes an ``UnsupportedForm`` with its reason: never a guess, and never an object that
looks equal because something was left out.
"""

from __future__ import annotations

import dataclasses
import re
from functools import lru_cache

from aaiclick.catalog.forms import DictionaryForm, Form, TableForm, UnsupportedForm, ViewForm
from aaiclick.catalog.parse.columns import read_elements
from aaiclick.catalog.parse.dictionary import read_dictionary
from aaiclick.catalog.parse.engine import read_engine, table_form
from aaiclick.catalog.parse.old_syntax import modern
from aaiclick.catalog.parse.view import read_view
from aaiclick.catalog.render import statement
from aaiclick.sql.cursor import ClauseError, Cursor
from aaiclick.sql.ddl import create
from aaiclick.sql.quoting import sendable
from aaiclick.sql.tokens import TokenError, Tokens, signature

# The head of a table as the engine writes it. What comes behind says nothing of the name, so tables that differ in
# their names are split once.
_HEAD = re.compile(
    r"CREATE TABLE (?:[A-Za-z_][A-Za-z0-9_]*|`[^`\\]+`)\.(?:([A-Za-z_][A-Za-z0-9_]*)|`([^`\\]+)`) (?=\()"
)
_REMEMBERED = 1024
"""Tables whose definitions are remembered: a start reads them two or three times."""
_NO_TEXT = "the server shows no definition of it (create_table_query is empty)"


def split_create(text: str, database: str) -> Form:
    """The form of the object that ``text`` creates; ``database`` is the one it lives in, which a form does not mention.

    Never raises: what cannot be represented becomes an ``UnsupportedForm``. A byte of a literal that is no UTF-8 is
    written by its hexadecimal digits in it.
    """
    text = sendable(text)
    head = _HEAD.match(text)
    nameless = _split_body(text[head.end() :]) if head is not None else None
    if head is not None and nameless is not None:
        return dataclasses.replace(nameless, name=head[1] or head[2])
    return _split(text, database)


@lru_cache(maxsize=_REMEMBERED)
def _split_body(body: str) -> TableForm | None:
    """The form of a table with this body and no name; None where there is none."""
    form = _split(create("TABLE", "_._", body), "_")
    return form if isinstance(form, TableForm) else None


def _split(text: str, database: str) -> Form:
    # The server shows an empty text where its own output does not parse, as for a DEFAULT that reads a column called
    # NOT.
    if not text.strip():
        return UnsupportedForm("", _NO_TEXT, text)
    name = ""
    try:
        cursor = Cursor(Tokens(text))
        head, name = _header(cursor)
        form: TableForm | ViewForm | DictionaryForm
        if head == "TABLE":
            form = _table(cursor, name)
        elif head == "DICTIONARY":
            form = read_dictionary(cursor, name)
        else:
            form = read_view(cursor, name, head == "MATERIALIZED VIEW", database)
        if not _rejoins(form, text, database):
            return UnsupportedForm(name, "its definition cannot be put together again from its pieces", text)
    except (ClauseError, TokenError) as error:
        return UnsupportedForm(name, str(error), text)
    return form


def _header(cursor: Cursor) -> tuple[str, str]:
    """What is created, and its name; the database, a UUID and a cluster are stepped over."""
    if not cursor.accept("CREATE"):
        raise cursor.error("CREATE was expected")
    # Texts of declarations come here as well: the server itself shows neither this nor IF NOT EXISTS.
    cursor.accept("OR", "REPLACE")
    heads = (("MATERIALIZED", "VIEW"), ("VIEW",), ("DICTIONARY",), ("TABLE",))
    head = next((" ".join(words) for words in heads if cursor.accept(*words)), None)
    if head is None:
        raise cursor.error("an object that is neither table, view nor dictionary")
    cursor.accept("IF", "NOT", "EXISTS")
    name = cursor.compound()[-1]
    if cursor.accept("UUID"):
        cursor.string()
    if cursor.accept("ON", "CLUSTER"):
        cursor.position += 1
    return head, name


def _table(cursor: Cursor, name: str) -> TableForm:
    if not cursor.at_op("("):
        raise cursor.error("a table without a list of columns")
    elements = read_elements(cursor.group())
    if not (cursor.at("ENGINE") and cursor.at_op("=", 1)):
        raise cursor.error("a table without an engine of its own")
    clauses = read_engine(cursor)
    comment = cursor.string() if cursor.accept("COMMENT") else ""
    if not cursor.done:
        raise cursor.error("a clause that is not known")
    form = dataclasses.replace(
        table_form(name, clauses),
        columns=tuple(elements.columns),
        indexes=tuple(elements.indexes),
        projections=tuple(elements.projections),
        constraints=tuple(elements.constraints),
        comment=comment,
    )
    return modern(form)


def _rejoins(form: TableForm | ViewForm | DictionaryForm, text: str, database: str) -> bool:
    """True where the form gives the same tokens as the text again: nothing was lost or cut at the wrong place."""
    again = statement(form, database, form.name)
    return again == text or _comparable(again, database) == _comparable(text, database)


def _comparable(text: str, database: str) -> list[tuple[str, str]]:
    """Tokens without what a form leaves out on purpose: the object's own database, UUIDs and comments.

    An empty comment equals none, and older servers print a view's comment behind its query. The text of a comment is
    taken from its token, so it is right in any case.
    """
    pairs = signature(text)
    noise = ([("name", database), ("op", ".")], [("string", database), ("op", ",")])
    inner = [("name", "TO"), ("name", "INNER"), ("name", "UUID")]
    kept: list[tuple[str, str]] = []
    position = 0
    while position < len(pairs):
        kind, value = pairs[position]
        two = list(pairs[position : position + 2])
        said = len(two) == 2 and two[1][0] == "string" and two[0] in (("name", "COMMENT"), ("name", "UUID"))
        if said or two in noise:
            position += 2
        elif list(pairs[position : position + 3]) == inner:
            position += 4
        else:
            position += 1
            kept.append(
                (kind, value.replace(f"'{database}.", "'") if kind == "name" else value.removeprefix(f"{database}."))
            )
    return kept
