"""The header of a migration script: what it declares, in comment lines at the top of the file.

    -- strategy: rebuild operation_log
    --   kwargs = mapConcat(kwargs,
    --            mapFromArrays(names, args))
    --   where operation != ''
    --   back args = mapValues(kwargs)
    -- rename: operation_log.op -> operation
    -- rename: 'operation_log.with blanks' -> 'other words'
    -- oldest_code: 4
    -- allow: drop-column operation_log.args

A name that holds a blank, a quote in front or a line break is written as a string of Python, and so is a key of
``allow``. The header ends at the first line that is no comment. Its lines are ``-- key: value``. Lines below a
``rebuild`` that are indented by at least two more spaces belong to it; a line that is indented further continues the
one before.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from aaiclick.errors import MigrationError
from aaiclick.specs.base import MAX_VERSION
from aaiclick.specs.renames import QUOTED, is_new_name
from aaiclick.versions.decisions import wrong_decision

Way: TypeAlias = Literal["alter", "rebuild"]
STRATEGIES = "derived, sql, alter TABLE or rebuild TABLE"
_KEY = re.compile(r"--\s?([A-Za-z_]+)\s*:\s*(.*)\Z")
_INDENTED = re.compile(r"--(\s{2,})(\S.*)\Z")
_ITEM = re.compile(
    r"(?:(where)\s+(.+)|(?P<back>back\s+)?(?P<column>`(?:[^`\\]|\\.)+`|[\w.]+)\s*=\s*(?P<expression>.+))\Z", re.DOTALL
)
_VERSION = re.compile(r"0*[1-9][0-9]{0,9}\Z")
_STRING = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_RENAME = re.compile(
    rf"({_STRING}|{QUOTED}(?:\.(?:{QUOTED}|[^\s>]+))?|[^\s>]+\.{QUOTED}|[^\s>]+)\s*->\s*({_STRING}|{QUOTED}|\S+)\Z"
)
_PLAIN = re.compile(r"[^\s>'\"][^\s>]*\Z")


@dataclass(slots=True)
class RebuildLines:
    """The lines below ``strategy: rebuild TABLE``."""

    columns: dict[str, str] = field(default_factory=dict[str, str])
    where: str | None = None
    back: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class Header:
    """The header of a migration script."""

    title: str = ""
    """A line for people; '' for none."""
    oldest_code: int | None = None
    """The oldest version of the code that runs on the result; None where it does not say."""
    renames: dict[str, str] = field(default_factory=dict[str, str])
    """Former and new names, as in ``Migration.renames``."""
    ways: dict[str, Way] = field(default_factory=dict[str, Way])
    """For a table ``alter`` or ``rebuild``."""
    rebuilds: dict[str, RebuildLines] = field(default_factory=dict[str, RebuildLines])
    """For each table with ``strategy: rebuild`` its expressions and filter."""
    sql: bool = False
    """True where the script has statements of its own."""
    derived: bool = False
    """True where all of it follows from the declarations."""
    allow: list[str] = field(default_factory=list[str])
    """What the release allows by name, as in ``Migration.allow``."""
    lines: int = 0
    """How many lines of the file the header takes."""


def header_name(name: str) -> str:
    """A name, or the key of a hazard, as a header says it: as it stands, or as a string of Python."""
    return name if _PLAIN.match(name) and name.isprintable() else repr(name)


def header_key(key: str) -> str:
    """The key of a hazard as a header says it: it may hold blanks, and nothing that ends a line."""
    return key if key.isprintable() and key == key.strip() else repr(key)


def _said(text: str) -> str:
    """What ``header_name`` and ``header_key`` have written. Raises ``ValueError`` for what is no string of Python."""
    if not re.fullmatch(_STRING, text, re.DOTALL):
        return text
    try:
        return str(ast.literal_eval(text))
    except SyntaxError as error:
        raise ValueError(text) from error


def read_header(text: str, where: str) -> Header:
    """The header of a script. Raises ``MigrationError`` with file and line where it is wrong or missing."""
    return _Reader(where).read(text.splitlines())


class _Reader:
    def __init__(self, where: str) -> None:
        self.where = where
        self.header = Header()
        self.line = 0
        self.said: set[str] = set()
        self.rebuild: tuple[str, RebuildLines] | None = None
        self.item: list[str] = []
        self.item_line = 0
        self.indent = 0
        self.keys: dict[str, Callable[[str], None]] = {
            "title": self._title,
            "strategy": self._strategy,
            "rename": self._rename,
            "oldest_code": self._oldest_code,
            "allow": self._allow,
        }

    def read(self, lines: list[str]) -> Header:
        begun = False
        for line in lines:
            if not line.strip() and not begun:
                self.line += 1
                continue
            if not line.startswith("--"):
                break
            begun = True
            self.line += 1
            self._read_line(line.rstrip())
        self._end_item()
        if not (self.header.sql or self.header.derived or self.header.ways):
            self.line = max(self.line, 1)
            raise self._error(
                f"the header names no strategy: begin the file with a line '-- strategy: ...' ({STRATEGIES})"
            )
        if self.header.derived and (self.header.sql or self.header.ways):
            raise self._error("strategy: derived stands alone: the others say what is not derived")
        self.header.lines = self.line
        return self.header

    def _read_line(self, line: str) -> None:
        indented = _INDENTED.match(line)
        # Before the keys: a line of an expression may look like one of them.
        if indented is not None and self.rebuild is not None:
            self._indented(len(indented.group(1)), indented.group(2))
            return
        self._end_item()
        # Any other line of the header ends what belongs to a rebuild.
        self.rebuild = None
        found = _KEY.match(line)
        if found is None:
            raise self._error(
                f"{line[:60]!r} is no header line. A header line is '-- key: value'; an empty line ends the header"
            )
        key, value = found.group(1), found.group(2).strip()
        if key not in self.keys:
            raise self._error(f"unknown key {key}: a header has {', '.join(self.keys)}")
        if not value:
            raise self._error(f"{key} has no value")
        self.keys[key](value)

    def _title(self, value: str) -> None:
        self._once("title")
        self.header.title = value

    def _oldest_code(self, value: str) -> None:
        self._once("oldest_code")
        if not _VERSION.match(value) or int(value) > MAX_VERSION:
            raise self._error(f"oldest_code is a version number from 1 on, not {value!r}")
        self.header.oldest_code = int(value)

    def _allow(self, value: str) -> None:
        value = self._string(value)
        wrong = wrong_decision(value)
        if wrong:
            raise self._error(wrong)
        if value in self.header.allow:
            raise self._error(f"{value!r} is allowed twice")
        self.header.allow.append(value)

    def _rename(self, value: str) -> None:
        found = _RENAME.match(value)
        old, new = (self._string(found[1]), self._string(found[2])) if found is not None else ("", "")
        if not old or not is_new_name(old, new):
            raise self._error(
                f"{value!r} is no rename: write 'table.column -> new_column' or 'table -> new_table', with names that "
                "have a dot in backticks"
            )
        if old in self.header.renames:
            raise self._error(f"{old} is renamed twice")
        self.header.renames[old] = new

    def _string(self, text: str) -> str:
        try:
            return _said(text)
        except ValueError:
            raise self._error(f"{text} is no string of Python") from None

    def _strategy(self, value: str) -> None:
        word, _, table = value.partition(" ")
        table = table.strip()
        if word in ("derived", "sql") and not table:
            setattr(self.header, word, True)
            return
        if word == "callable":
            raise self._error("a callable needs a Python file: NNNN_what.py with Migration(version=..., move=...)")
        if word not in ("alter", "rebuild") or not table or " " in table:
            raise self._error(f"{value!r} is no strategy: write {STRATEGIES}")
        if table in self.header.ways:
            raise self._error(f"table {table} has two strategies")
        if word == "alter":
            self.header.ways[table] = "alter"
        else:
            self.header.ways[table] = "rebuild"
            self.rebuild = (table, RebuildLines())
            self.header.rebuilds[table] = self.rebuild[1]
            self.indent = 0

    def _indented(self, indent: int, text: str) -> None:
        if not self.indent:
            self.indent = indent
        if indent > self.indent and self.item:
            self.item.append(text)
            return
        if indent < self.indent:
            raise self._error("is indented less than the line above it")
        self._end_item()
        self.item, self.item_line = [text], self.line

    def _end_item(self) -> None:
        if not self.item or self.rebuild is None:
            return
        text, self.item = "\n".join(self.item), []
        # An error in an item names the line where it began.
        now, self.line = self.line, self.item_line
        found = _ITEM.match(text)
        table, lines = self.rebuild
        if found is None:
            raise self._error(
                f"{text.splitlines()[0][:60]!r} is neither 'column = expression' nor 'where condition' nor 'back "
                "column = expression'"
            )
        if found.group(1):
            if lines.where is not None:
                raise self._error(f"rebuild {table} has two filters")
            lines.where = found.group(2).strip()
        else:
            column = found["column"]
            column = column[1:-1].replace("\\`", "`").replace("\\\\", "\\") if column.startswith("`") else column
            wanted = lines.back if found["back"] else lines.columns
            if column in wanted:
                raise self._error(f"column {column} has two expressions{' back' if found['back'] else ''}")
            wanted[column] = found["expression"].strip()
        self.line = now

    def _once(self, key: str) -> None:
        if key in self.said:
            raise self._error(f"{key} stands here twice")
        self.said.add(key)

    def _error(self, problem: str) -> MigrationError:
        return MigrationError(f"{self.where}, line {self.line}", problem)
