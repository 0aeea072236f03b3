"""Statements taken apart. Only the forms that this library sends are known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import add, mul
from typing import TypeVar

from tests.simulation.model.state import UnmodelledError, Values

H = TypeVar("H")
NAME = r"(?:`(?:[^`\\]|\\.)+`|\w+)"
TABLE = rf"(?:(?P<db>{NAME})\.)?(?P<name>{NAME})"
_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|[()\[\],]|[^'`()\[\],]+")
_CREATE = re.compile(
    r"CREATE "
    r"TABLE "
    r"(?P<lenient>IF "
    r"NOT "
    r"EXISTS "
    rf")?{TABLE}(?: "
    r"UUID "
    r"'(?P<uuid>[^']*)')? "
    r"\((?P<columns>.*?)\) "
    r"ENGINE "
    r"= "
    r"(?P<engine>`?\w+`?(?:\([^)]*\))?)(?P<rest>.*)\Z",
    re.DOTALL,
)
_REST = re.compile(
    r"(?P<clauses>.*?)(?: SETTINGS (?P<settings>.*?))?(?: COMMENT (?P<comment>'(?:[^'\\]|\\.)*'))?\Z", re.DOTALL
)
_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f"}


def patterns(handlers: Iterable[tuple[str, H]]) -> tuple[tuple[re.Pattern[str], H], ...]:
    """What is recognised by a pattern, with what handles it, in order."""
    return tuple((re.compile(pattern, re.DOTALL), handler) for pattern, handler in handlers)


def plain(name: str | None) -> str:
    """An identifier without its quotes."""
    if name is None:
        return ""
    if name[:1] != "`":
        return name
    return _ESCAPED.sub(r"\1", name[1:-1]) if "\\" in name else name[1:-1]


def literal(text: str) -> str:
    """A string literal as its value."""
    inside = text[1:-1]
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), inside) if "\\" in inside else inside


@lru_cache(maxsize=4096)
def pieces(text: str) -> tuple[str, ...]:
    """Cut at the commas that stand in no bracket and no string."""
    depth, found = 0, [""]
    for token in _TOKEN.findall(text):
        depth += (token in ("(", "[")) - (token in (")", "]"))
        if token == "," and not depth:
            found.append("")
        else:
            found[-1] += token
    return tuple(stripped for piece in found if (stripped := piece.strip()))


@dataclass(frozen=True, slots=True)
class Created:
    """A CREATE TABLE."""

    database: str
    name: str
    lenient: bool
    columns: str
    engine: str
    clauses: str
    settings: tuple[tuple[str, str], ...]
    comment: str
    uuid: str


@lru_cache(maxsize=4096)
def created(sql: str) -> Created:
    """Raises UnmodelledError."""
    found = _CREATE.match(sql)
    rest = _REST.match(found["rest"]) if found is not None else None
    if found is None or rest is None:
        raise UnmodelledError(sql)
    settings = tuple(
        (name, value) for name, _, value in (piece.partition(" = ") for piece in pieces(rest["settings"] or ""))
    )
    engine = plain(found["engine"])
    if engine.endswith("MergeTree") and not any(name == "index_granularity" for name, _ in settings):
        settings = (("index_granularity", "8192"), *settings)
    comment = literal(rest["comment"]) if rest["comment"] else ""
    return Created(
        plain(found["db"]),
        plain(found["name"]),
        bool(found["lenient"]),
        found["columns"],
        engine,
        rest["clauses"].strip(),
        settings,
        comment,
        found["uuid"] or "",
    )


@lru_cache(maxsize=512)
def column_list(columns: str) -> tuple[tuple[str, str], ...]:
    """Names and types of a CREATE."""
    listed = []
    for piece in pieces(columns):
        found = re.match(rf"({NAME}) (.+)\Z", piece, re.DOTALL)
        assert found is not None, piece
        listed.append((plain(found[1]), found[2].partition(" COMMENT ")[0].partition(" CODEC")[0]))
    return tuple(listed)


Row = Mapping[str, int]


@lru_cache(maxsize=2048)
def expression(text: str) -> Callable[[Row], int]:
    """An expression over one row: columns, numbers, CAST, + and *."""
    text = text.strip()
    inside = pieces(text[5:-1]) if text.startswith("CAST(") and text.endswith(")") else ()
    if len(inside) == 2 and re.fullmatch(r"'\w+'", inside[1]):
        return expression(inside[0])
    mapped = re.fullmatch(r"arrayMap\(`?(\w+)`? -> \((.*)\), \[(.*)\]\)\[1\]", text, re.DOTALL)
    if mapped is not None:
        # A value that goes through the expressions of two versions.
        through, inner, outer = mapped[1], expression(mapped[3]), expression(mapped[2])
        return lambda row: outer({**row, through: inner(row)})
    for sign, combine in (("+", add), ("*", mul)):
        left, found, right = text.rpartition(f" {sign} ")
        if found:
            return _combined(combine, expression(left), expression(right))
    if text.isdigit():
        return _always(int(text))
    if re.fullmatch(NAME, text):
        name = plain(text)
        return lambda row: row[name]
    raise UnmodelledError(text)


def _combined(
    combine: Callable[[int, int], int], one: Callable[[Row], int], two: Callable[[Row], int]
) -> Callable[[Row], int]:
    return lambda row: combine(one(row), two(row))


def _always(value: int) -> Callable[[Row], int]:
    return lambda row: value + 0 * len(row)


@lru_cache(maxsize=2048)
def projection(listed: str, columns: str) -> Callable[[Values], Values]:
    """A SELECT list over the rows of a table with these columns."""
    names = tuple(name for name, _ in column_list(columns))
    made = tuple(expression(piece) for piece in pieces(listed))

    def project(values: Values) -> Values:
        row = dict(zip(names, values, strict=True))
        return tuple([each(row) for each in made])

    return project


def _all(values: Values) -> str:
    del values
    return "all"


@lru_cache(maxsize=256)
def partition_of(clauses: str, columns: str) -> Callable[[Values], str]:
    """The partition id of a row."""
    found = re.match(r"PARTITION BY (.+?) (?:PRIMARY|ORDER) ", clauses)
    if found is None:
        return _all
    match = re.fullmatch(rf"({NAME}) % (\d+)", found[1])
    if match is None:
        raise UnmodelledError(clauses)
    place = [name for name, _ in column_list(columns)].index(plain(match[1]))
    divisor = int(match[2])
    return lambda values: str(values[place] % divisor)


def sort_key(clauses: str) -> str:
    """As ``system.tables`` shows it."""
    found = re.search(r"ORDER BY (.+?)(?: TTL .*)?\Z", clauses)
    key = found[1] if found is not None else ""
    return key[1:-1] if key.startswith("(") else key


def partition_key(clauses: str) -> str:
    found = re.match(r"PARTITION BY (.+?) (?:PRIMARY|ORDER) ", clauses)
    return found[1] if found is not None else ""
