"""A run that is killed while it makes a stopped refreshable view anew: the next one stops the view again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, MaterializedView, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.clickhouse.names import JOURNAL
from aaiclick.clients.opening import open_url
from aaiclick.commands.adopt import adopt
from aaiclick.routine import Command, Effect, Rows, run
from aaiclick.specs.engines import MergeTree
from aaiclick.state.entries.remade_views import keep_again
from aaiclick.state.journal import ensure_journal
from aaiclick.state.progress import JournalScope, read_entries
from tests.reliability.driving import DEAD, Driver, KilledError, ensuring

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from aaiclick.testing.engine import EmbeddedEngine

_STATUS = "SELECT status FROM system.view_refreshes WHERE database = currentDatabase()"
POLICY = Policy.lossless().allow("replace-view v")


class _Stopper(Driver):
    """The process is gone behind the first statement that begins with these words: with the name of the database, since
    what is killed in scratch leaves that for the next start of the engine."""

    words = ""

    def _answer(self, effect: Effect) -> Rows:
        rows = super()._answer(effect)
        if isinstance(effect, Command) and effect.sql.split("*/ ")[-1].startswith(self.words):
            raise KilledError
        return rows


def _schema(query: str, version: int | None = None) -> Schema:
    table = Table("t", [Column("k", "Date")], engine=MergeTree(order_by=[]))
    view = MaterializedView("v", query=query, engine=MergeTree(order_by=["k"]), refresh="EVERY 1 YEAR")
    return Schema("s", version=version, objects=[table, view])


@pytest.mark.parametrize(("behind", "left"), [("DROP VIEW", ["create"]), ("CREATE MATERIALIZED VIEW", [])])
def test_it_is_stopped_again_by_the_next_run(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, aaiclick_database: str, behind: str, left: list[str]
) -> None:
    client = aaiclick_client
    ensure_schema(client, _schema("SELECT k FROM t"))
    client.command("SYSTEM STOP VIEW v")
    changed = _schema("SELECT k, k + 1 AS next FROM t")
    connection = open_url(aaiclick_engine.url)
    killed = _Stopper(connection)
    killed.words = f"{behind} `{aaiclick_database}`.`v`"
    with pytest.raises(KilledError):
        killed.run(ensuring(changed, aaiclick_database, POLICY, DEAD))
    connection.close()
    plan = plan_schema(client, changed)
    assert [step.strategy for step in plan.required] == left
    assert [note for note in plan.notes if "the next run stops it again" in note] != []
    ensure_schema(client, changed, policy=POLICY)
    status = _STATUS
    assert client.query(status).result_rows == [("Disabled",)]
    assert (plan_schema(client, changed).required, plan_schema(client, changed).notes) == ((), ())
    client.command("SYSTEM START VIEW v")  # an operator's word about it after that counts
    ensure_schema(client, changed, policy=POLICY)
    assert client.query(status).result_rows != [("Disabled",)]


def test_what_an_operator_adopts_meanwhile_changes_nothing_about_it(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, aaiclick_database: str
) -> None:
    """A new generation begins: what was converted counts no more, what was stopped does."""
    client = aaiclick_client
    ensure_schema(client, _schema("SELECT k FROM t", 1))
    client.command("SYSTEM STOP VIEW v")
    changed = _schema("SELECT k, k + 1 AS next FROM t", 2)
    connection = open_url(aaiclick_engine.url)
    killed = _Stopper(connection)
    killed.words = f"CREATE MATERIALIZED VIEW `{aaiclick_database}`.`v`"
    with pytest.raises(KilledError):
        killed.run(ensuring(changed, aaiclick_database, POLICY, DEAD))
    run(adopt(changed, 2, True, aaiclick_database, True), connection)
    connection.close()
    assert client.query(_STATUS).result_rows != [("Disabled",)]
    ensure_schema(client, changed, policy=POLICY)
    assert client.query(_STATUS).result_rows == [("Disabled",)]
    client.command("SYSTEM START VIEW v")
    ensure_schema(client, changed, policy=POLICY.allow("drop-view other"))
    assert client.query(_STATUS).result_rows != [("Disabled",)]


@pytest.mark.parametrize("behind", ["DROP VIEW", "CREATE MATERIALIZED VIEW", "done"])
@pytest.mark.parametrize("first", [False, True], ids=["in one step", "dropped before its table changes"])
def test_what_nobody_declares_of_a_view_outlives_a_kill(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, aaiclick_database: str, behind: str, first: bool
) -> None:
    """Its comment, as whom it reads, and the comments of its columns are nowhere else once it is dropped."""

    def schema(name: str, key: str, former: str | None) -> Schema:
        read = Column(name, "UInt8", renamed_from=former) if first and former else Column("a", "UInt8")
        query = f"SELECT k, {read.name} AS a FROM t" + (" WHERE k != 3" if former else "")
        table = Table("t", [Column("k", "UInt64"), read], engine=MergeTree(order_by=["k"]))
        view = MaterializedView("v", query=query, engine=MergeTree(order_by=["k", key] if key else ["k"]))
        return Schema("s", version=None, objects=[table, view])

    client, before, after = aaiclick_client, schema("a", "", None), schema("b", "a", "a")
    ensure_schema(client, before)
    # Of a view with a table of its own the server takes no COMMENT COLUMN.
    client.command("DROP VIEW v")
    client.command(
        "CREATE MATERIALIZED VIEW v (k UInt64, a UInt8 COMMENT 'of a') ENGINE = MergeTree ORDER BY k DEFINER = default "
        "SQL SECURITY DEFINER AS SELECT k, a AS a FROM t COMMENT 'by hand'"
    )
    connection = open_url(aaiclick_engine.url)
    killed = _Stopper(connection)
    killed.words = f"{behind} `{aaiclick_database}`.`v`"
    if behind == "done":
        killed.run(ensuring(after, aaiclick_database, POLICY, DEAD))
    else:
        with pytest.raises(KilledError):
            killed.run(ensuring(after, aaiclick_database, POLICY, DEAD))
        ensure_schema(client, after, policy=POLICY)
    connection.close()
    shown = str(client.query("SHOW CREATE TABLE v").result_rows[0][0])
    assert "COMMENT 'of a'" in shown
    assert "COMMENT 'by hand'" in shown
    assert "DEFINER = default SQL SECURITY DEFINER" in shown
    assert ensure_schema(client, after, policy=POLICY).steps == ()
    journal = (
        f"SELECT count() FROM (SELECT argMax(state, seq) AS last FROM {JOURNAL} GROUP BY step) WHERE last = 'intent'"
    )
    assert client.query(journal).result_rows == [(0,)]


def test_comments_that_a_view_does_not_take_are_told(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, aaiclick_database: str
) -> None:
    """An operator has made them by hand, behind a run that was killed; one of them with a table of its own."""
    aaiclick_client.command("CREATE MATERIALIZED VIEW v ENGINE = Memory AS SELECT 1::UInt8 AS k")
    aaiclick_client.command("CREATE VIEW w AS SELECT 1::UInt8 AS k")
    names = {f"`{aaiclick_database}`.`{name}`": name for name in "vw"}
    kept = {view: {"name": name, "columns": {"k": "of k", "gone": "of gone"}} for view, name in names.items()}
    told = list[str]()
    connection = open_url(aaiclick_engine.url)
    run(ensure_journal(aaiclick_database), connection)
    scope = JournalScope(aaiclick_database, "s", 0)
    run(keep_again(scope, kept), connection, lambda event: told.append(getattr(event, "text", "")))
    entries = run(read_entries(scope), connection)
    connection.close()
    lost, again = told
    assert "`v` have lost their comments, and the server takes none there: k: 'of k'" in lost
    assert "`w` have their comments again" in again
    assert [entry.state for entry in entries] == ["done", "done"]
