"""CREATE DICTIONARY behind its name."""

from __future__ import annotations

from aaiclick.catalog.forms import DictionaryForm
from aaiclick.catalog.parse.columns import read_attribute
from aaiclick.sql.cursor import Cursor

GROUPS = ("SOURCE", "LIFETIME", "LAYOUT", "RANGE", "SETTINGS")


def read_dictionary(cursor: Cursor, name: str) -> DictionaryForm:
    """Attributes, then each clause once: the text between its parentheses, or the key's columns."""
    if not cursor.at_op("("):
        raise cursor.error("a dictionary without attributes")
    columns = tuple(read_attribute(piece) for piece in cursor.group().pieces())
    clauses: list[tuple[str, str]] = []
    comment = ""
    while not cursor.done:
        group = next((word for word in GROUPS if cursor.at(word) and cursor.at_op("(", 1)), None)
        if group is not None:
            cursor.accept(group)
            clauses.append((group, cursor.group().rest()))
        elif cursor.accept("PRIMARY", "KEY"):
            clauses.append(("PRIMARY KEY", cursor.expressions("PRIMARY KEY")))
        elif cursor.accept("COMMENT"):
            comment = cursor.string()
        else:
            raise cursor.error("a clause that is not known")
    if len({word for word, _ in clauses}) != len(clauses):
        raise cursor.error("a clause that stands there twice")
    return DictionaryForm(name=name, columns=columns, clauses=tuple(clauses), comment=comment)
