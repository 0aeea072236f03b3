"""The TTL of a table or a column. It deletes, so changing it is never safe without consent."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aaiclick.diff.changes.base import AlterCommand, DataCheck, Phase, or_none
from aaiclick.diff.hazards import Hazard
from aaiclick.sql.clauses import REMOVE_TTL, modify_column, modify_ttl, remove_from_column
from aaiclick.sql.quoting import quote_name

_INTERVAL = re.compile(r"(toInterval[A-Za-z]+)\((\d+)\)")


def keeps_all(old: str, new: str) -> bool:
    """True where the new TTL deletes nothing that the old one keeps: there is none, or it has the same text with longer
    intervals."""
    if not new:
        return True
    if not old or _INTERVAL.sub(r"\1(?)", old) != _INTERVAL.sub(r"\1(?)", new):
        return False
    pairs = zip(_INTERVAL.findall(old), _INTERVAL.findall(new), strict=True)
    return all(int(after) >= int(before) for (_, before), (_, after) in pairs)


@dataclass(frozen=True, slots=True)
class ChangeTtl:
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

    @property
    def checks(self) -> tuple[DataCheck, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class ChangeColumnTtl:
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

    @property
    def checks(self) -> tuple[DataCheck, ...]:
        return ()
