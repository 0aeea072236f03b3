"""To which schema a table belongs, if several of one database declare it: the one that recorded it first, or took it
over last.

Two schemas that declare a table in two ways would each rebuild the other's version, in turns. What was taken over is
entered in the journal, under the name of the schema that took it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from aaiclick.routine import Routine
from aaiclick.state.journal import Action, Entry, ensure_journal, outcome
from aaiclick.state.record import Claim, Space

RUN = "owners"
_TAKEN = "take over:"


@dataclass(frozen=True, slots=True)
class TableOwner:
    """The schema that a table belongs to, and the version that it recorded last (None: development)."""

    schema: str
    version: int | None

    @property
    def label(self) -> str:
        """For a sentence."""
        return f"schema {self.schema}" + (f" (recorded at v{self.version})" if self.version is not None else "")


def owners_of(
    claims: Iterable[Claim], taken: Mapping[str, Collection[str]], schema: str
) -> Mapping[tuple[Space, str], TableOwner]:
    """What of this database belongs to another schema than this one. ``claims``: what each schema has recorded, of
    which its last record counts; ``taken``: the schemas that took a name over, the last one first."""
    by_name: dict[tuple[Space, str], list[Claim]] = {}
    for claim in claims:
        if claim.present:
            by_name.setdefault((claim.space, claim.name), []).append(claim)
    found: dict[tuple[Space, str], TableOwner] = {}
    for key, listed in by_name.items():
        others = any(claim.schema != schema for claim in listed)
        owner = _owner(listed, taken.get(key[1], ()), schema) if others else None
        if owner is not None and owner.schema != schema:
            found[key] = owner
    return found


def take_overs(entries: Sequence[Entry]) -> Mapping[str, Sequence[str]]:
    """The schemas that took a table over, by its name, the last one first."""
    found: dict[str, list[str]] = {}
    for entry in reversed(entries):
        if entry.action.run == RUN:
            found.setdefault(entry.action.step.removeprefix(_TAKEN), []).append(entry.action.schema)
    return found


def enter_take_over(database: str, schema: str, tables: Collection[str]) -> Routine[None]:
    """Enter that tables belong to a schema from now on. Only under the lease."""
    yield from ensure_journal(database)
    # No intent goes before it: this row is all that there is to do.
    for name in tables:
        yield from outcome(database, Action(RUN, schema, "", f"{_TAKEN}{name}", 0), "done")


def _owner(claims: Collection[Claim], taken: Collection[str], schema: str) -> TableOwner | None:
    """Who owns the table: the last schema that took it over and still declares it, else the first that recorded it.
    None where ``schema`` itself has taken it over and has not recorded it yet."""
    # The last one first: a schema that no longer declares the table has no claim, and the one before it counts.
    for name in taken:
        claim = next((claim for claim in claims if claim.schema == name), None)
        if claim is not None:
            return TableOwner(claim.schema, claim.version)
        if name == schema:
            return None
    # By the first record of each: a schema that declares a table which is there already does not get it by that.
    first = min(claims, key=lambda claim: claim.first)
    return TableOwner(first.schema, first.version)
