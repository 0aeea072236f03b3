"""What the runs on the way from one recorded version to the next have done already, in the journal.

A plan is worked out anew by every run, so whatever a migration does of its own accord has to be remembered apart from it: a function that
ended, a statement that was sent, a rebuild whose expressions have been applied. Entries belong to the transition they start from: once the
next version is recorded, they are history.

A rebuild needs no outcome: the exchange of the two tables is what completes it, so its entry holds the UUID of the table that goes, and the
next run looks which one is there.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from aaiclick.apply.alter import RECALCULATE
from aaiclick.apply.identity import physical
from aaiclick.apply.journal import Action, Entry, close_run, ensure_journal, intent, outcome, read_run
from aaiclick.apply.options import Journal
from aaiclick.apply.statements import ddl, system_merges
from aaiclick.catalog.forms import Catalog
from aaiclick.plan.model import Step
from aaiclick.plan.versions import Ledger
from aaiclick.routine import Routine
from aaiclick.specs.quoting import qualified

_BOOKMARK = "bookmark"
_HELD = ":ttl:"


@dataclass(frozen=True, slots=True)
class Account:
    """Where the entries of one transition are kept. ``seq`` is that of the record it starts from (0: none)."""

    database: str
    schema: str
    seq: int

    @property
    def run(self) -> str:
        """The name of the entries in the journal."""
        return f"from {self.seq}"

    def action(self, key: str) -> Action:
        """One thing that is done once."""
        return Action(self.run, self.schema, "", key, 0)


def read_ledger(account: Account, catalog: Catalog) -> Routine[Ledger]:
    """What is done. Nothing where there is no journal."""
    entries = yield from read_run(account.database, account.run)
    own = [entry for entry in entries if entry.action.schema == account.schema]
    done = {entry.action.step for entry in own if _is_done(entry, catalog)}
    doubtful = {entry.action.step for entry in own if entry.state == "intent" and ":sql:" in entry.action.step} - done
    bookmarks = {
        int(entry.action.step.partition(":")[0]): json.dumps(entry.details.get("value")) for entry in own if entry.action.step.endswith(f":{_BOOKMARK}")
    }
    attempts = {int(entry.action.step.partition(":")[0]): _attempt(entry) for entry in own if entry.action.step.endswith(":move")}
    return Ledger(frozenset(done), frozenset(doubtful), bookmarks, attempts, frozenset(_held(own)))


def begin(account: Account, key: str, details: Mapping[str, object] | None = None) -> Routine[None]:
    """Say that something that is done once is about to begin."""
    yield from ensure_journal(account.database)
    yield from intent(account.database, account.action(key), details)


def read_held(account: Account) -> Routine[frozenset[str]]:
    """The tables of which a run changed the TTL and did not live to the end of it."""
    entries = yield from read_run(account.database, account.run)
    return frozenset(_held(entry for entry in entries if entry.action.schema == account.schema))


def let_go(account: Account, held: Collection[str]) -> Routine[None]:
    """Put back what a run that is gone did to change the TTL of these tables: TTL merges may be stopped, and a setting be left."""
    for table in sorted(held):
        there = yield from physical(account.database, table)
        yield from system_merges(account.database, table, "START TTL MERGES")
        if there is not None and f"{RECALCULATE} = " in there.definition:
            yield from ddl(f"ALTER TABLE {qualified(account.database, table)} RESET SETTING {RECALCULATE}")
        yield from finish(account, f"0{_HELD}{table}")


def finish(account: Account, key: str) -> Routine[None]:
    """Say that it ended well."""
    yield from outcome(account.database, account.action(key), "done")


def refuse(account: Account, key: str, why: str) -> Routine[None]:
    """Say that it did not happen: the server refused it as a whole."""
    yield from outcome(account.database, account.action(key), "failed", {"error": why[:2000]})


def set_bookmark(account: Account, version: int, value: object) -> Routine[None]:
    """Keep how far the function of a migration came."""
    yield from outcome(account.database, account.action(f"{version}:{_BOOKMARK}"), "done", {"value": value})


def close(account: Account) -> Routine[None]:
    """The next version is recorded: nothing of this is left to resume."""
    entries = yield from read_run(account.database, account.run)
    if any(entry.action.schema == account.schema for entry in entries):
        yield from close_run(account.database, account.run, account.schema)


class StepLedger:
    """Listens to the steps as they are carried out, and enters those that complete a part of a migration; everything is passed on to
    ``inner``."""

    def __init__(self, account: Account, steps: Iterable[Step], inner: Journal) -> None:
        self._account = account
        self._steps = {step.id: step for step in steps}
        self._inner = inner

    def note(self, action: str, details: Mapping[str, str | int]) -> Routine[None]:
        """As ``Journal`` has it."""
        step = self._steps.get(str(details.get("step", "")))
        if step is not None and step.work.kind == "alter" and (step.work.frees_ttl or any(alter.retimes for alter in step.work.alters)):
            key = f"0{_HELD}{step.object}"
            if action == "step-started":
                yield from begin(self._account, key, {"table": step.object})
            elif action == "step-done":
                yield from finish(self._account, key)
        if step is not None and step.work.kind == "rebuild" and step.migrations:
            if action == "step-started":
                table = yield from physical(self._account.database, step.object)
                for version in step.migrations:
                    yield from begin(self._account, f"{version}:rebuild:{step.object}", {"uuid": table.uuid if table is not None else "", "table": step.object})
            elif action == "step-done":
                for version in step.migrations:
                    yield from finish(self._account, f"{version}:rebuild:{step.object}")
        yield from self._inner.note(action, details)


def _held(entries: Iterable[Entry]) -> set[str]:
    return {str(entry.details.get("table")) for entry in entries if entry.state == "intent" and _HELD in entry.action.step}


def _attempt(entry: Entry) -> int:
    number = entry.details.get("attempt")
    return number if isinstance(number, int) else 1


def _is_done(entry: Entry, catalog: Catalog) -> bool:
    if entry.action.step.endswith(f":{_BOOKMARK}"):
        return False
    if entry.state == "done":
        return True
    before = entry.details.get("uuid")
    live = catalog.get(str(entry.details.get("table", "")))
    return entry.state == "intent" and ":rebuild:" in entry.action.step and bool(before) and live is not None and live.uuid not in ("", before)
