"""What the test server has to know about the text of a statement: its first keyword, its FORMAT clause, where inline
data begin.

ClickHouse's HTTP interface takes exactly one statement, and everything after ``INSERT ... FORMAT name`` is data; the
embedded engine would run several statements and cuts such data at the first blank line (it reads them as a terminal
client does). Runs stand-alone beside ``server.py``, with nothing but the standard library.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    rb"""
    (?P<space> \s+ | --[^\n]* | \#[ !][^\n]* | /\*.*?\*/ )
  | (?P<quoted> '[^'\\]*(?:\\.[^'\\]*)*' | "[^"\\]*(?:\\.[^"\\]*)*" | `[^`\\]*(?:\\.[^`\\]*)*` )
  | (?P<heredoc> \$(?P<tag>\w*)\$ .*? \$(?P=tag)\$ )
  | (?P<word> [A-Za-z_][A-Za-z_0-9]* )
  | (?P<number> [0-9][A-Za-z_0-9.]* )
  | (?P<sign> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_SELECTS = {"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "CHECK", "FROM", ""}
_READS = frozenset(_SELECTS | {"SET", "USE"})
_ANSWERS = frozenset(_SELECTS | {"KILL", "BACKUP", "RESTORE", "WATCH"})
_SOURCES = frozenset({b"SELECT", b"WITH", b"FROM", b"WATCH", b"EXPLAIN", b"VALUES"})


@dataclass(frozen=True)
class Statement:
    """What has to be known of a statement before it is sent to the engine."""

    keyword: str
    """Its first word, in upper case."""
    format: str = ""
    """The format that its FORMAT clause names; '' without one."""
    several: bool = False
    """Another statement follows it."""
    clause_at: int = -1
    """Where a FROM INFILE clause fits into an INSERT with data in its text, in bytes; -1 elsewhere."""
    data_from: int = -1
    """Where the clauses of such an INSERT end; -1 elsewhere."""
    data_at: int = -1
    """Where its data begin; -1 elsewhere."""

    @property
    def answers(self) -> bool:
        """Whether it gives a result, empty or not."""
        return self.keyword in _ANSWERS

    @property
    def reads(self) -> bool:
        """Whether it may run where only reading is allowed."""
        return self.keyword in _READS


def inspect(sql: bytes) -> Statement:
    """Reads a statement no further than it has to; inline data of an INSERT are not looked at."""
    scanner = _Scanner(sql)
    for match in _TOKEN.finditer(sql):
        if match.lastgroup == "space":
            continue
        if scanner.ended:
            if match.group() != b";":
                return Statement(scanner.keyword, scanner.format, several=True)
        elif match.lastgroup == "sign":
            scanner.sign(match.group())
        else:
            found = scanner.word(match)
            if found is not None:
                return found
    return Statement(scanner.keyword, scanner.format)


class _Scanner:
    """Where in a statement the reader is."""

    def __init__(self, sql: bytes) -> None:
        self._sql = sql
        self._previous = b""
        self._depth = 0
        self._clause_at = -1
        self._named = False
        self._may_hold_data = False
        self.keyword = ""
        self.format = ""
        self.ended = False

    def sign(self, token: bytes) -> None:
        if token in b"([{":
            self._depth += 1
        elif token in b")]}":
            self._depth -= 1
        elif token == b";":
            self.ended = True
        self._previous = token

    def word(self, match: re.Match[bytes]) -> Statement | None:
        """Takes in a word, number or quoted text; the statement once inline data begin."""
        upper = match.group().upper() if match.lastgroup == "word" else b""
        found: Statement | None = None
        if upper and not self.keyword:
            self.keyword = upper.decode()
            self._may_hold_data = self.keyword == "INSERT"
        elif self._depth == 0 and self._may_hold_data and not self._named:
            # What comes after INTO, TABLE or FUNCTION is a name, whatever it reads like.
            self._named = upper not in (b"INTO", b"TABLE", b"FUNCTION") or self._previous in (b"TABLE", b"FUNCTION")
            upper = b"" if self._named else upper
        elif self._previous == b".":
            upper = b""
        elif self._depth == 0 and upper:
            found = self._clause(upper, match)
        self._previous = upper or b"name"
        return found

    def _clause(self, upper: bytes, match: re.Match[bytes]) -> Statement | None:
        if self._previous == b"FORMAT":
            self.format = match.group().decode()
            if self._may_hold_data:
                return Statement(
                    self.keyword,
                    self.format,
                    clause_at=self._clause_at,
                    data_from=match.end(),
                    data_at=_data_start(self._sql, match.end()),
                )
        elif upper in _SOURCES:
            self._may_hold_data = False
        elif upper in (b"SETTINGS", b"FORMAT") and self._may_hold_data and self._clause_at < 0:
            self._clause_at = match.start()
        return None


def _data_start(sql: bytes, at: int) -> int:
    """Data start after the blanks and at most one line break that follow the format's name."""
    match = re.compile(rb"[ \t\f]*(?:\r?\n)?").match(sql, at)
    return match.end() if match else at
