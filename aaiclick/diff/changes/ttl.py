"""The TTL of a table or a column. It deletes, so changing it is never safe without consent."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aaiclick.diff.changes.base import AlterCommand, BaseChange, Phase, or_none
from aaiclick.diff.hazards import Hazard
from aaiclick.sql.clauses import REMOVE_TTL, modify_column, modify_ttl, remove_from_column
from aaiclick.sql.quoting import quote_name
from aaiclick.sql.tokens import Tokens

_INTERVAL = re.compile(r"(toInterval[A-Za-z]+)\((\d+)\)")
_LATER = frozenset({"todate", "todate32", "todatetime", "todatetime64", "greatest", "least"})
"""Functions that give a later moment, or the same one, for a later argument."""
_DAYS = {"Hour": 1 / 24, "Day": 1, "Week": 7, "Month": 31, "Quarter": 92, "Year": 366}
_LONGEST = 50 * 366
"""Days. A DateTime ends in 2106, and what is behind that begins again in 1970: ``ts + INTERVAL 100 YEAR`` is past at
once."""


def keeps_all(old: str, new: str) -> bool:
    """True where the new TTL deletes nothing that the old one keeps: there is none, or it has the same text with longer
    intervals, each of which is added, and which are not so long that a moment passes the end of its type."""
    if not new or old == new:
        return True
    if not old or _INTERVAL.sub(r"\1(?)", old) != _INTERVAL.sub(r"\1(?)", new):
        return False
    before, after = _intervals(old), _intervals(new)
    return sum(map(_days, after)) <= _LONGEST and all(
        one == other or (int(other[1]) > int(one[1]) and other[2]) for one, other in zip(before, after, strict=True)
    )


def _intervals(ttl: str) -> list[tuple[str, str, bool]]:
    """Unit and number of each interval, and whether a longer one can only make rows expire later.

    So it is behind a plus. A longer one that is taken away (``expires - toIntervalDay(30)``), to which a moment is
    rounded, or that a WHERE compares with, may let rows expire that were kept.
    """
    tokens = Tokens(ttl)
    found: list[tuple[str, str, bool]] = []
    inside: list[bool] = [True]
    conditional = False
    for place, token in enumerate(tokens.items):
        if token.kind == "open":
            inside.append(inside[-1] and _passes_on(tokens, place))
        elif token.kind == "close":
            inside.pop()
        elif token.text == "," and len(inside) == 1:
            conditional = False
        elif tokens.is_word(place, "WHERE") or tokens.is_word(place, "GROUP", "BY"):
            conditional = True
        elif token.text.startswith("toInterval") and tokens.is_op(place + 1, "("):
            added = inside[-1] and not conditional and tokens.is_op(place - 1, "+")
            found.append((token.text, tokens.slice(place + 2, tokens.match[place + 1]), added))
    return [each for each in found if each[1].isdigit()]


def _days(interval: tuple[str, str, bool]) -> float:
    unit, number, _ = interval
    return int(number) * _DAYS.get(unit.removeprefix("toInterval"), 1 / 1440)


def _passes_on(tokens: Tokens, bracket: int) -> bool:
    """True for a bracket that groups, behind nothing or a plus, and for that of a function of ``_LATER``."""
    if not tokens.is_op(bracket, "("):
        return False
    if (
        bracket == 0
        or tokens.is_op(bracket - 1, "+")
        or tokens.is_op(bracket - 1, "(")
        or tokens.is_op(bracket - 1, ",")
    ):
        return True
    called = tokens.items[bracket - 1]
    free = bracket == 1 or not tokens.is_op(bracket - 2, "-")
    return called.kind == "word" and called.text.lower() in _LATER and free


@dataclass(frozen=True, slots=True)
class ChangeTtl(BaseChange):
    """Another TTL of the table. Parts compute anew when their rows expire, which reads only the columns of the TTL."""

    table: str
    old: str
    new: str

    @property
    def words(self) -> str:
        return f"TTL {or_none(self.old)} -> {or_none(self.new)}"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        # REMOVE TTL is metadata only. After MODIFY TTL the server computes anew when the rows of each part expire.
        return (AlterCommand(Phase.TTL, modify_ttl(self.new) if self.new else REMOVE_TTL, sets_ttl=bool(self.new)),)

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        if keeps_all(self.old, self.new):
            return ()
        message = f"rows of {self.table} that are past the new TTL are deleted, by this step or by a later merge"
        return (Hazard("loses-rows", message, f"change-ttl {self.table}"),)


@dataclass(frozen=True, slots=True)
class ChangeColumnTtl(BaseChange):
    """Another TTL of a column. Past it, values become the default."""

    table: str
    """Name of the table."""
    name: str
    """Name of the column."""
    type: str
    """Its type, which MODIFY COLUMN has to repeat."""
    old: str
    """The live TTL; '' for none."""
    new: str
    """The declared TTL; '' for none."""

    @property
    def words(self) -> str:
        return f"column {self.name}: TTL {or_none(self.old)} -> {or_none(self.new)}"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        name = quote_name(self.name)
        text = modify_column(name, f"{self.type} TTL {self.new}") if self.new else remove_from_column(name, "TTL")
        return (AlterCommand(Phase.TTL, text, sets_ttl=bool(self.new)),)

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        if keeps_all(self.old, self.new):
            return ()
        message = (
            f"values of {self.table}.{self.name} that are past the new TTL become the default, now or at a later merge"
        )
        return (Hazard("changes-values", message, f"change-ttl {self.table}.{self.name}"),)
