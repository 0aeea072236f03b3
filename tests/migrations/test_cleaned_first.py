"""A statement or function of a migration that puts rows right before a change which they would not bear: looked at when
it has run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, Constraint, MergeTree, Migration, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import BlockedError, SchemaVersionError
from tests.migrations.building import rows, table

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

OLD = table(Column("v", "UInt32"), Column("x", "Nullable(String)"), Column("s", "String"))
ROWS = "INSERT INTO t VALUES (1, 70000, NULL, '7'), (2, 2, 'b', 'seven')"


def start(client: Client) -> None:
    ensure_schema(client, Schema("s", version=1, objects=[OLD]))
    client.command(ROWS)


def last(*columns: Column, **more: object) -> Table:
    kept = {column.name: column for column in OLD.columns} | {column.name: column for column in columns}
    return Table("t", list(kept.values()), engine=MergeTree(order_by=["id"]), **more)  # type: ignore[arg-type]


def jump(target: Table, sql: list[str] | None = None, move: Callable[..., object] | None = None) -> Schema:
    return Schema(
        "s",
        version=2,
        objects=[target],
        migrations=[Migration(2, title="clean", sql=sql or [], move=move, oldest_code=1)],
    )


EVERYTHING_GOES = Policy.lossless().allow("run-sql migration 2 (clean)")
CASES = [
    (
        last(Column("v", "UInt16")),
        "ALTER TABLE t UPDATE v = 0 WHERE v > 65535 SETTINGS mutations_sync = 1",
        "column v: type UInt32 -> UInt16",
        (1, 0),
    ),
    (
        last(Column("x", "String")),
        "ALTER TABLE t UPDATE x = '' WHERE isNull(x) SETTINGS mutations_sync = 1",
        "column x: type",
        (1, 70000),
    ),
    (
        last(Column("s", "UInt8")),
        "ALTER TABLE t UPDATE s = '7' WHERE s = 'seven' SETTINGS mutations_sync = 1",
        "column s: type",
        (1, 70000),
    ),
    (
        last(constraints=[Constraint("small", check="v < 100")]),
        "ALTER TABLE t UPDATE v = 0 WHERE v > 65535 SETTINGS mutations_sync = 1",
        "constraint small",
        (1, 0),
    ),
]
IDS = ["narrower", "not null", "text to number", "check"]


@pytest.mark.parametrize(("target", "sql", "words", "first"), CASES, ids=IDS)
def test_rows_are_looked_at_behind_the_statement(
    aaiclick_client: Client, target: Table, sql: str, words: str, first: tuple[int, int]
) -> None:
    start(aaiclick_client)
    declared = jump(target, [sql])
    plan = plan_schema(aaiclick_client, declared)
    (step,) = [each for each in plan.steps if each.strategy != "sql"]
    assert not step.blocked
    assert step.behind == "migration 2 (clean)"
    assert any(words in each for each in step.unlooked)
    assert f"counted once its turn comes, after migration 2 (clean): {'; '.join(step.unlooked)}" in str(plan)
    report = ensure_schema(aaiclick_client, declared, policy=EVERYTHING_GOES)
    assert report.to_version == 2
    assert rows(aaiclick_client, columns="id, v")[0] == first
    assert plan_schema(aaiclick_client, declared).in_sync


@pytest.mark.parametrize(("target", "sql", "words", "first"), CASES, ids=IDS)
def test_without_the_statement_the_plan_is_blocked(
    aaiclick_client: Client, target: Table, sql: str, words: str, first: tuple[int, int]
) -> None:
    del sql, words, first
    start(aaiclick_client)
    (step,) = plan_schema(aaiclick_client, jump(target)).steps
    assert step.blocked


def test_a_function_may_clean_any_table(aaiclick_client: Client) -> None:
    start(aaiclick_client)

    def clean(context: object) -> None:
        context.command("ALTER TABLE t UPDATE v = 0 WHERE v > 65535 SETTINGS mutations_sync = 1")  # type: ignore[attr-defined]

    declared = jump(last(Column("v", "UInt16")), move=clean)
    ensure_schema(aaiclick_client, declared)
    assert rows(aaiclick_client, columns="id, v") == [(1, 0), (2, 2)]


def test_what_it_leaves_stops_the_run_and_nothing_runs_twice(aaiclick_client: Client) -> None:
    start(aaiclick_client)
    declared = jump(
        last(Column("v", "UInt16")), ["ALTER TABLE t UPDATE s = concat(s, '!') WHERE 1 SETTINGS mutations_sync = 1"]
    )
    with pytest.raises(
        BlockedError,
        match=r"t: 1 row holds a value of v that UInt16 cannot hold, .* Done before, and not done again: 0002:sql",
    ) as stopped:
        ensure_schema(aaiclick_client, declared, policy=EVERYTHING_GOES)
    assert stopped.value.done == ("0002:sql",)
    assert rows(aaiclick_client, columns="v, s") == [(2, "seven!"), (70000, "7!")]
    # It is known now, before anything else is done.
    with pytest.raises(BlockedError, match="1 row holds a value of v") as again:
        ensure_schema(aaiclick_client, declared, policy=EVERYTHING_GOES)
    assert not again.value.done
    aaiclick_client.command("ALTER TABLE t UPDATE v = 0 WHERE v > 65535 SETTINGS mutations_sync = 1")
    ensure_schema(aaiclick_client, declared, policy=EVERYTHING_GOES)
    assert rows(aaiclick_client, columns="v, s") == [(0, "7!"), (2, "seven!")]


def test_what_has_to_be_allowed_is_known_when_its_turn_comes(aaiclick_client: Client) -> None:
    start(aaiclick_client)
    statement = "ALTER TABLE t UPDATE s = '007' WHERE s = 'seven' SETTINGS mutations_sync = 1"
    declared = jump(last(Column("s", "UInt8")), [statement])
    with pytest.raises(
        SchemaVersionError,
        match=r"column s: type String -> UInt8\. Refused by .*\. Done before, and not done again: 0002:sql",
    ) as stopped:
        ensure_schema(aaiclick_client, declared, policy=EVERYTHING_GOES)
    assert "--allow 'retype t.s'" in stopped.value.next_command
    ensure_schema(aaiclick_client, declared, policy=EVERYTHING_GOES.allow("retype t.s"))
    assert rows(aaiclick_client, columns="s") == [(7,), (7,)]


def test_other_tables_are_looked_at_before(aaiclick_client: Client) -> None:
    """Nothing is half done that a plan could have foreseen."""
    other = table(Column("n", "UInt32"), name="other")
    ensure_schema(aaiclick_client, Schema("s", version=1, objects=[OLD, other]))
    aaiclick_client.command(ROWS)
    aaiclick_client.command("INSERT INTO other VALUES (1, 70000)")
    narrow = table(Column("n", "UInt16"), name="other")
    migration = Migration(
        2, title="clean", sql=["ALTER TABLE t UPDATE v = 0 WHERE v > 65535 SETTINGS mutations_sync = 1"], oldest_code=1
    )
    declared = Schema("s", version=2, objects=[last(Column("v", "UInt16")), narrow], migrations=[migration])
    with pytest.raises(BlockedError, match="other: 1 row holds a value of n"):
        ensure_schema(aaiclick_client, declared, policy=EVERYTHING_GOES)
    assert rows(aaiclick_client, columns="v") == [(2,), (70000,)]


def test_the_safe_policy_looks_at_no_row_and_begins_nothing(aaiclick_client: Client) -> None:
    start(aaiclick_client)
    declared = jump(
        last(constraints=[Constraint("small", check="v < 100")]), ["ALTER TABLE t UPDATE v = 0 WHERE v > 65535"]
    )
    with pytest.raises(SchemaVersionError):
        ensure_schema(aaiclick_client, declared, policy=Policy.safe().allow("run-sql migration 2 (clean)"))
    assert rows(aaiclick_client, columns="v") == [(2,), (70000,)]
