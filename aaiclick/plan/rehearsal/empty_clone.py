"""Tries statements on an empty clone: the server itself tells what it accepts, and what it would rewrite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import Form, Settings
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.permissive import curable
from aaiclick.error_codes import is_transient
from aaiclick.errors import StatementError
from aaiclick.routine import Command, Query, Routine, number, text
from aaiclick.sql.quoting import qualified

# Wait for mutations, so that they are counted when the statement returns. A changed TTL deletes nothing by itself.
REHEARSE = {"mutations_sync": 1, "alter_sync": 1, "materialize_ttl_after_modify": 0, "flatten_nested": 0}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the server made of a statement."""

    accepted: bool
    """True where it was accepted."""
    mutates: bool = False
    """True where it started a mutation; told of ALTERs that went through ``attempt_alter``."""
    mutations: int = 0
    """How many mutations the clone has had by then; as ``mutates``."""
    form: Form | None = None
    """The form of the clone behind it; as ``mutates``. None where it was refused."""
    code: int = 0
    """ClickHouse's error code; 0 where it was accepted."""
    message: str = ""
    """The server's message; '' where it was accepted."""
    settings: Settings = ()
    """Permissive settings without which it was refused: they have to be sent with the statement later, too."""


@dataclass(frozen=True, slots=True)
class Clone:
    """An empty table in scratch on which statements are tried.

    ``settings`` are permissive ones. ``refusal``: why this server would not create such a table, where it only loads
    a present one; '' where it would.
    """

    database: str
    table: str
    settings: dict[str, str | int]
    refusal: str = ""

    @property
    def name(self) -> str:
        """Database and name, quoted for a statement."""
        return qualified(self.database, self.table)


def attempt(clone: Clone, sql: str, extra: Mapping[str, str | int] | None = None) -> Routine[Outcome]:
    """Send a statement about the clone, with ``extra`` settings that it will have later. A refusal is a result, not an
    error.

    It is first sent as it will be to the live table. Permissive settings are added only where it is refused for lack
    of one.
    """
    plain = {**REHEARSE, **(extra or {})}
    needed: Settings = ()
    try:
        yield Command(sql, settings=plain)
    except StatementError as error:
        # Without a code it is no answer of the server: the connection failed. Neither that nor a limit says anything
        # about the statement, and a plan must not become a dearer one for it.
        if is_transient(error.code):
            raise
        refusal = Outcome(False, code=error.code, message=str(error))
        if not (clone.settings and curable(error)):
            return refusal
        try:
            # The rehearsal's own settings come last and win.
            yield Command(sql, settings={**clone.settings, **plain})
        except StatementError as again:
            if is_transient(again.code):
                raise
            # The first message: it is about the statement as it would be sent.
            return refusal
        needed = tuple((name, str(value)) for name, value in sorted(clone.settings.items()))
    return Outcome(True, settings=needed)


def attempt_alter(clone: Clone, sql: str, before: int = 0) -> Routine[Outcome]:
    """``attempt``, and what the ALTER made of the clone. ``before``: how many mutations the clone has had."""
    outcome = yield from attempt(clone, sql)
    if not outcome.accepted:
        return outcome
    # An ALTER that starts a mutation does so on an empty table, too. So counting them tells what the live table will
    # need.
    rows = yield Query(
        "SELECT create_table_query, (SELECT count() FROM system.mutations WHERE database = {database:String} AND table "
        "= {table:String}) FROM system.tables WHERE database = {database:String} AND name = {table:String}",
        {"database": clone.database, "table": clone.table},
    )
    mutations = number(rows[0][1])
    form = split_create(text(rows[0][0]), clone.database)
    return replace(outcome, mutates=mutations > before, mutations=mutations, form=form)
