"""What stands between the parentheses of a CREATE TABLE: columns, indexes, constraints and projections."""

from __future__ import annotations

from dataclasses import dataclass, field

from aaiclick.catalog.forms import ColumnForm, ConstraintForm, DefaultKind, IndexForm, ProjectionForm, Settings
from aaiclick.sql.cursor import Cursor

_KINDS: tuple[DefaultKind, ...] = ("DEFAULT", "MATERIALIZED", "ALIAS", "EPHEMERAL")
_DICTIONARY_FLAGS = ("HIERARCHICAL", "BIDIRECTIONAL", "INJECTIVE", "IS_OBJECT_ID")


@dataclass(slots=True)
class Elements:
    """The elements of a table, each kind in the order of the text."""

    columns: list[ColumnForm] = field(default_factory=list[ColumnForm])
    indexes: list[IndexForm] = field(default_factory=list[IndexForm])
    constraints: list[ConstraintForm] = field(default_factory=list[ConstraintForm])
    projections: list[ProjectionForm] = field(default_factory=list[ProjectionForm])


def read_elements(body: Cursor) -> Elements:
    """All elements. The engine always quotes a column's name there, so a bare word begins another kind of element."""
    elements = Elements()
    for piece in body.pieces():
        if piece.done:
            raise piece.error("an empty element")
        if piece.tokens.is_kind(piece.position, "name"):
            elements.columns.append(read_column(piece))
        elif piece.accept("INDEX"):
            elements.indexes.append(_index(piece))
        elif piece.accept("CONSTRAINT"):
            elements.constraints.append(_constraint(piece))
        elif piece.accept("PROJECTION"):
            elements.projections.append(ProjectionForm(piece.name(), piece.rest()))
        else:
            raise piece.error("an element that is not known")
    return elements


def read_column(piece: Cursor) -> ColumnForm:
    """One column: its type, then clauses, each at most once."""
    name = piece.name()
    kind: DefaultKind = ""
    found: dict[str, str] = {}
    settings: Settings = ()
    type_name = _type(piece)
    while not piece.done:
        # A word begins a clause only together with what follows it: an expression may read a column called COMMENT.
        before = len(found)
        default = _kind(piece)
        if default is not None:
            kind = default
            found["DEFAULT"] = "" if default == "EPHEMERAL" and _no_operand(piece) else piece.expression(default)
        elif piece.at("COMMENT") and piece.at_string(1):
            piece.accept("COMMENT")
            found["COMMENT"] = piece.string()
        elif piece.at("CODEC") and piece.at_op("(", 1):
            piece.accept("CODEC")
            found["CODEC"] = piece.group().rest()
        elif piece.at("STATISTICS") and piece.at_op("(", 1):
            piece.accept("STATISTICS")
            found["STATISTICS"] = piece.group().rest()
        elif piece.at("SETTINGS") and piece.at_op("(", 1):
            piece.accept("SETTINGS")
            settings = read_settings(piece.group())
            found["SETTINGS"] = ""
        elif piece.accept("TTL"):
            found["TTL"] = piece.expression("TTL")
        else:
            raise piece.error(f"column {name}: a clause that is not known")
        if len(found) == before:
            raise piece.error(f"column {name}: a clause that stands there twice")
    return ColumnForm(
        name=name,
        type=type_name,
        kind=kind,
        expression=found.get("DEFAULT", ""),
        codec=found.get("CODEC", ""),
        comment=found.get("COMMENT", ""),
        ttl=found.get("TTL", ""),
        settings=settings,
        statistics=found.get("STATISTICS", ""),
    )


def read_attribute(piece: Cursor) -> ColumnForm:
    """One attribute of a dictionary; what only dictionaries have (EXPRESSION, HIERARCHICAL ...) becomes its
    ``settings``."""
    name, type_name = piece.name(), _type(piece)
    expression, extra = "", list[tuple[str, str]]()
    kind: DefaultKind = ""
    while not piece.done:
        flag = next((word for word in _DICTIONARY_FLAGS if piece.accept(word)), None)
        if flag is not None:
            extra.append((flag, ""))
        elif piece.accept("EXPRESSION"):
            extra.append(("EXPRESSION", piece.expression("EXPRESSION")))
        elif not kind and piece.accept("DEFAULT"):
            kind, expression = "DEFAULT", piece.expression("DEFAULT")
        else:
            raise piece.error(f"attribute {name}: a clause that is not known")
    return ColumnForm(name=name, type=type_name, kind=kind, expression=expression, settings=tuple(extra))


def read_settings(piece: Cursor) -> Settings:
    """``a = 1, b = 'x'``."""
    pairs: list[tuple[str, str]] = []
    for entry in piece.pieces():
        name = entry.name()
        if not entry.accept_op("="):
            raise entry.error(f"setting {name}: = was expected")
        pairs.append((name, entry.rest()))
    return tuple(pairs)


def _kind(piece: Cursor) -> DefaultKind | None:
    for word in _KINDS:
        if piece.accept(word):
            return word
    return None


def _type(piece: Cursor) -> str:
    start = piece.position
    if piece.done or not piece.tokens.is_kind(piece.position, "word"):
        raise piece.error("a type was expected")
    piece.position += 1
    if piece.at_op("("):
        piece.group()
    return piece.tokens.slice(start, piece.position)


def _no_operand(piece: Cursor) -> bool:
    """True where EPHEMERAL has no expression: the definition ends, or another clause follows."""
    if piece.done:
        return True
    clause = (piece.at("COMMENT") and piece.at_string(1)) or any(
        piece.at(word) and piece.at_op("(", 1) for word in ("CODEC", "STATISTICS", "SETTINGS")
    )
    # Before an operator or at the end, TTL is a column of that name, which the expression reads.
    return clause or (
        piece.at("TTL")
        and piece.position + 1 < piece.end
        and piece.tokens.is_kind(piece.position + 1, "word", "name", "open")
    )


def _index(piece: Cursor) -> IndexForm:
    name = piece.name()
    expression = piece.expression(f"index {name}")
    if not piece.accept("TYPE"):
        raise piece.error(f"index {name}: TYPE was expected")
    type_name = _type(piece)
    granularity = ""
    if piece.accept("GRANULARITY"):
        if not piece.tokens.is_kind(piece.position, "number"):
            raise piece.error(f"index {name}: a number was expected")
        granularity = piece.tokens.items[piece.position].text
        piece.position += 1
    if not piece.done:
        raise piece.error(f"index {name}: a clause that is not known")
    return IndexForm(name, expression, type_name, granularity)


def _constraint(piece: Cursor) -> ConstraintForm:
    name = piece.name()
    kind = next((word for word in ("CHECK", "ASSUME") if piece.accept(word)), None)
    if kind is None:
        raise piece.error(f"constraint {name}: CHECK or ASSUME was expected")
    form = ConstraintForm(name, "CHECK" if kind == "CHECK" else "ASSUME", piece.expression(f"constraint {name}"))
    if not piece.done:
        raise piece.error(f"constraint {name}: a clause that is not known")
    return form
