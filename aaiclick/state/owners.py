"""Which schema a table belongs to, where several of one database declare it: the one that recorded it first, or took it over last.

Two schemas that declare a table in two ways would each rebuild the other's version, in turns. What was taken over is entered in the journal, under the
name of the schema that took it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from aaiclick.errors import StatementError
from aaiclick.routine import Query, Routine, number, text
from aaiclick.server.names import RECORDS
from aaiclick.sql.quoting import qualified
from aaiclick.state.journal import Action, ensure_journal, last_words, outcome
from aaiclick.state.records import UNKNOWN_TABLE

_RUN = "owners"
_TAKEN = "take over:"


@dataclass(frozen=True, slots=True)
class Owner:
    """The schema that a table belongs to, and the version that it recorded last (None: development)."""

    schema: str
    version: int | None

    @property
    def label(self) -> str:
        """For a sentence."""
        return f"schema {self.schema}" + (f" (recorded at v{self.version})" if self.version is not None else "")


@dataclass(frozen=True, slots=True)
class _Claim:
    owner: Owner
    first: int


def read_owners(database: str, schema: str) -> Routine[Mapping[str, Owner]]:
    """The tables (and views) of this database that belong to another schema than this one. Nothing where no other recorded anything."""
    claims = yield from _claims(database)
    others = {name: listed for name, listed in claims.items() if any(claim.owner.schema != schema for claim in listed)}
    if not others:
        return {}
    taken = yield from _taken(database)
    found: dict[str, Owner] = {}
    for name, listed in others.items():
        owner = _owner(listed, taken.get(name, ()), schema)
        if owner is not None and owner.schema != schema:
            found[name] = owner
    return found


def take_over(database: str, schema: str, tables: Collection[str]) -> Routine[None]:
    """Enter that tables belong to a schema from now on. Only under the lease."""
    yield from ensure_journal(database)
    for name in tables:
        yield from outcome(database, Action(_RUN, schema, "", f"{_TAKEN}{name}", 0), "done")


def _owner(claims: Collection[_Claim], taken: Collection[str], schema: str) -> Owner | None:
    """``taken``: the schemas that took it over, the last one first. One that has given it up since has no say, one that has not started yet has."""
    for name in taken:
        claim = next((claim for claim in claims if claim.owner.schema == name), None)
        if claim is not None:
            return claim.owner
        if name == schema:
            return None
    return min(claims, key=lambda claim: claim.first).owner


def _claims(database: str) -> Routine[dict[str, list[_Claim]]]:
    """What each schema's last record holds. The server takes the names out of the forms."""
    newest = "max(seq) OVER (PARTITION BY schema)"
    version = "argMax(version, seq) OVER (PARTITION BY schema)"
    inner = (
        f"SELECT schema, seq, {newest} AS newest, {version} AS last_version, JSONExtractKeys(forms) AS names"
        f" FROM {qualified(database, RECORDS)} WHERE state != 'failed' AND forms != ''"
    )
    sql = (
        "SELECT hex(schema), hex(name), min(seq) AS first, any(last_version)"
        f" FROM (SELECT schema, seq, newest, last_version, arrayJoin(names) AS name FROM ({inner})) GROUP BY schema, name, newest HAVING max(seq) = newest"
        " ORDER BY first, schema, name"
    )
    try:
        rows = yield Query(sql)
    except StatementError as error:
        if error.code == UNKNOWN_TABLE:
            return {}
        raise
    found: dict[str, list[_Claim]] = {}
    for schema, name, first, last in rows:
        owner = Owner(bytes.fromhex(text(schema)).decode(), None if last is None else number(last))
        found.setdefault(bytes.fromhex(text(name)).decode(), []).append(_Claim(owner, number(first)))
    return found


def _taken(database: str) -> Routine[dict[str, list[str]]]:
    entries = yield from last_words(database, f"run = '{_RUN}'", {})
    found: dict[str, list[str]] = {}
    for entry in reversed(entries):
        found.setdefault(entry.action.step.removeprefix(_TAKEN), []).append(entry.action.schema)
    return found
