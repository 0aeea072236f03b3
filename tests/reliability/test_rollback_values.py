"""What an expression filled on the way forward: it goes back by the migration's own expression, or by name; and rows of
the copy whose partition was detached and attached again are no rows that came since."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from aaiclick import (
    Column,
    MergeTree,
    Migration,
    Policy,
    Rebuild,
    Schema,
    Table,
    ensure_schema,
    plan_schema,
    rollback_schema,
)
from aaiclick.apply.rollback.convertible import convertible
from aaiclick.apply.rollback.inverses import undone
from aaiclick.error_codes import ACCESS_DENIED, TOO_MANY_SIMULTANEOUS_QUERIES
from aaiclick.errors import BlockedError, HazardNotAllowedError, SchemaError, StatementError
from aaiclick.plan.operations import CopyColumn

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

PRICE = Column("price", "UInt64")
CENTS = {"price": "price * 100"}


def table(*columns: Column, order_by: str = "id", engine: MergeTree | None = None) -> Table:
    return Table("t", [Column("id", "UInt64"), *columns], engine=engine or MergeTree(order_by=[order_by]))


def rows(client: Client, columns: str = "*") -> list[tuple[object, ...]]:
    return [tuple(row) for row in client.query(f"SELECT {columns} FROM t ORDER BY ALL").result_rows]


def schemas(
    before: Table, after: Table, rebuild: Rebuild, renames: dict[str, str] | None = None
) -> tuple[Schema, Schema]:
    migration = Migration(2, rebuild={"t": rebuild}, renames=renames or {})
    return Schema("shop", version=1, objects=[before]), Schema(
        "shop", version=2, objects=[after], migrations=[migration]
    )


def test_a_label_that_the_older_enum_lacks_is_said_before_anything_is_changed(aaiclick_client: Client) -> None:
    old, new = Column("x", "Enum8('a' = 1)"), Column("x", "Enum8('a' = 1, 'b' = 2)")
    v1, v2 = schemas(table(old), table(new, order_by="x"), Rebuild())
    ensure_schema(aaiclick_client, v1)
    ensure_schema(aaiclick_client, v2)
    aaiclick_client.command("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    for allow in ((), ("values t",)):
        with pytest.raises(
            SchemaError, match=r"1 with a label that the older Enum lacks\): change or delete"
        ) as refused:
            rollback_schema(aaiclick_client, v1, allow=allow)
        assert "Nothing was changed" in str(refused.value)
    aaiclick_client.command("DELETE FROM t WHERE x = 'b'")
    rollback_schema(aaiclick_client, v1, allow=("deletes t",))
    assert rows(aaiclick_client) == [(1, "a")]


def test_a_type_without_a_way_back_gives_its_default_by_name(aaiclick_client: Client) -> None:
    pair = Column("x", "Tuple(a UInt8, b UInt8)")
    v1, v2 = schemas(table(pair), table(Column("x", "JSON")), Rebuild())
    ensure_schema(aaiclick_client, v1)
    aaiclick_client.command("INSERT INTO t VALUES (1, (1, 2))")
    policy = Policy.lossless(keep_old=timedelta(days=1)).allow("retype t.x")
    ensure_schema(aaiclick_client, v2, policy=policy)
    aaiclick_client.command("""INSERT INTO t VALUES (2, '{"a": 3}')""")
    with pytest.raises(HazardNotAllowedError, match=r"x gets its default in rows that came since \(1 so far\)"):
        rollback_schema(aaiclick_client, v1)
    rollback_schema(aaiclick_client, v1, allow=("values t",))
    assert rows(aaiclick_client, "id, x.a, x.b") == [(1, 1, 2), (2, 0, 0)]


def test_a_value_on_which_going_forward_again_fails_is_said(aaiclick_client: Client) -> None:
    rebuild = Rebuild(columns={"n": "toUInt64(s)"}, back={"s": "concat('x', toString(n))"})
    v1, v2 = schemas(table(Column("s", "String")), table(Column("n", "UInt64")), rebuild)
    ensure_schema(aaiclick_client, v1)
    ensure_schema(aaiclick_client, v2, policy=Policy.lossless(keep_old=timedelta(days=1)).allow("drop-column t.s"))
    aaiclick_client.command("INSERT INTO t VALUES (2, 7)")
    words = r"values of n in rows that came since cannot be compared: s = .*concat.* gives one on which going forward"
    with pytest.raises(HazardNotAllowedError, match=words):
        rollback_schema(aaiclick_client, v1)
    rollback_schema(aaiclick_client, v1, allow=("values t",))
    assert rows(aaiclick_client) == [(2, "x7")]


@pytest.mark.parametrize("code", [TOO_MANY_SIMULTANEOUS_QUERIES, ACCESS_DENIED])
def test_a_server_that_is_busy_says_nothing_about_a_type(code: int) -> None:
    """StepDuration for a refusal, the column would get its default."""
    asking = convertible("`d`.`t`", [CopyColumn("x", "`x`")])
    next(asking)
    with pytest.raises(StatementError, match="not now"):
        asking.throw(StatementError("not now", code))


def test_what_was_altered_before_it_was_replaced_is_said(aaiclick_client: Client) -> None:
    """The attach changes the type in place, and then takes the parts over: the kept table has the new type."""
    label = Column("x", "Enum8('a' = 1)")
    other = MergeTree(order_by=["id"], settings={"index_granularity_bytes": 1048576})
    v1 = Schema("shop", version=1, objects=[table(label)])
    v2 = Schema("shop", version=2, objects=[table(Column("x", "Int8"), engine=other)])
    ensure_schema(aaiclick_client, v1)
    aaiclick_client.command("INSERT INTO t VALUES (1, 'a')")
    report = ensure_schema(aaiclick_client, v2, policy=Policy.lossless(keep_old=timedelta(days=1)).allow("retype t.x"))
    assert [step.strategy for step in report.steps] == ["attach"]
    words = r"not put back: t: was altered in place before it was replaced \(column x: type Int8 -> Enum8\('a' = 1\)\)"
    with pytest.raises(HazardNotAllowedError, match=words):
        rollback_schema(aaiclick_client, v1)


CASES = {
    "said": (
        table(PRICE),
        table(PRICE),
        Rebuild(columns=CENTS, back={"price": "price / 100"}),
        "(100, 700)",
        [(0, 5), (100, 7)],
    ),
    "another type": (
        table(PRICE),
        table(Column("price", "Decimal(18, 2)")),
        Rebuild(columns={"price": "toDecimal64(price, 2) / 100"}, back={"price": "price * 100"}),
        "(100, 7.25)",
        [(0, 5), (100, 725)],
    ),
    "its own way back": (
        table(PRICE),
        table(PRICE),
        Rebuild(columns={"price": "greatest(price, 3)"}),
        "(100, 700)",
        [(0, 5), (100, 700)],
    ),
    "two of one": (
        table(Column("first", "String"), Column("last", "String")),
        table(Column("full", "String")),
        Rebuild(
            columns={"full": "concat(first, ' ', last)"},
            back={"first": "splitByChar(' ', full)[1]", "last": "splitByChar(' ', full)[2]"},
        ),
        "(100, 'C D')",
        [(0, "A", "B"), (100, "C", "D")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_values_that_came_since_go_back(aaiclick_client: Client, name: str) -> None:
    before, after, rebuild, since, expected = CASES[name]
    v1, v2 = schemas(before, after, rebuild)
    ensure_schema(aaiclick_client, v1)
    aaiclick_client.command(
        "INSERT INTO t VALUES (0, 'A', 'B')" if name == "two of one" else "INSERT INTO t VALUES (0, 5)"
    )
    ensure_schema(aaiclick_client, v2)
    named = ", ".join(column.name for column in after.columns)
    there = rows(aaiclick_client, named)
    aaiclick_client.command(f"INSERT INTO t ({named}) VALUES {since}")
    newer = rows(aaiclick_client, named)
    rollback_schema(aaiclick_client, v1)
    assert rows(aaiclick_client) == expected
    # In the new generation everything is converted again, and comes out as it was.
    ensure_schema(aaiclick_client, v2)
    assert rows(aaiclick_client, named) == newer
    assert there[0] in newer


@pytest.mark.parametrize(
    ("rebuild", "said"),
    [
        (
            Rebuild(columns={"price": "price * 10 * 10"}),
            (
                r"2 rows "
                r"that "
                r"came "
                r"since "
                r"hold "
                r"a "
                r"value "
                r"of "
                r"price "
                r"\(such "
                r"as "
                r"'70\d'\) "
                r"which "
                r"was "
                r"filled "
                r"by "
                r"an "
                r"expression.*Rebuild\(back="
            ),
        ),
        (
            Rebuild(columns=CENTS, back={"price": "price / 100"}),
            r"1 row that came since holds a value of price \(such as '701'\)",
        ),
        (
            Rebuild(columns=CENTS),
            r"1 row .* \(such as '701'\), and price = CAST\(intDiv\(`price`, 100\), 'UInt64'\) gives",
        ),
        (Rebuild(columns={"price": "price * 100 + rand() % 2"}), "2 rows that came since"),
    ],
    ids=["nothing says how", "another value comes out", "another value by itself", "nobody can tell"],
)
def test_what_would_be_another_value_is_by_name(aaiclick_client: Client, rebuild: Rebuild, said: str) -> None:
    v1, v2 = schemas(table(PRICE), table(PRICE), rebuild)
    ensure_schema(aaiclick_client, v1)
    aaiclick_client.command("INSERT INTO t VALUES (0, 5)")
    ensure_schema(aaiclick_client, v2)
    assert rollback_schema(aaiclick_client, v1, dry_run=True).reasons == ("not asked for: this is a dry run",), (
        "no row came since"
    )
    aaiclick_client.command("INSERT INTO t VALUES (100, 700), (101, 701)")
    with pytest.raises(HazardNotAllowedError, match=said) as raised:
        rollback_schema(aaiclick_client, v1)
    assert raised.value.allow == ("values t",)
    assert "values t" in rollback_schema(aaiclick_client, v1, dry_run=True).reasons[0]
    rollback_schema(aaiclick_client, v1, allow=["values t"])
    assert rows(aaiclick_client, "id") == [(0,), (100,), (101,)]


@pytest.mark.parametrize(
    ("expression", "came"),
    [("price * 100", 700), ("100 * price", 700), ("price + 3", 10), ("3 + price", 10), ("price - 3", 4)],
)
def test_what_one_expression_undoes_a_migration_need_not_say(
    aaiclick_client: Client, expression: str, came: int
) -> None:
    v1, v2 = schemas(table(PRICE), table(PRICE), Rebuild(columns={"price": expression}))
    ensure_schema(aaiclick_client, v1)
    aaiclick_client.command("INSERT INTO t VALUES (0, 5)")
    ensure_schema(aaiclick_client, v2)
    aaiclick_client.command(f"INSERT INTO t VALUES (1, {came})")
    before = rows(aaiclick_client)
    assert "which undoes the expression of the migration" in str(
        rollback_schema(aaiclick_client, v1, dry_run=True).notes
    )
    rollback_schema(aaiclick_client, v1)
    assert rows(aaiclick_client) == [(0, 5), (1, 7)]
    ensure_schema(aaiclick_client, v2)
    assert rows(aaiclick_client) == before


@pytest.mark.parametrize(
    ("expression", "before", "after", "undoes"),
    [
        ("CAST(price * 100, 'UInt32')", "UInt8", "UInt32", "CAST(intDiv(`price`, 100), 'UInt8')"),
        ("`price` - 1", "Int8", "Int64", "CAST(`price` + 1, 'Int8')"),
        ("100 - price", "UInt8", "UInt8", ""),
        ("price * 0", "UInt8", "UInt8", ""),
        ("price * 1.5", "UInt8", "UInt8", ""),
        ("other * 100", "UInt8", "UInt8", ""),
        ("price * other", "UInt8", "UInt8", ""),
        ("price * 100 + 1", "UInt8", "UInt8", ""),
        ("'price' * 100", "UInt8", "UInt8", ""),
        ("price * 100", "Float64", "Float64", ""),
        ("price * 100", "Nullable(UInt8)", "UInt8", ""),
        ("price / 100", "UInt8", "UInt8", ""),
        ("price * '", "UInt8", "UInt8", ""),
    ],
)
def test_what_undoes_an_expression(expression: str, before: str, after: str, undoes: str) -> None:
    assert undone(expression, "price", before, after) == undoes


def test_over_two_versions_each_goes_back_by_its_own(aaiclick_client: Client) -> None:
    steps = [Migration(2, rebuild={"t": Rebuild(columns=CENTS, back={"price": "price / 100"})})]
    steps.append(Migration(3, rebuild={"t": Rebuild(columns={"price": "price + 1"}, back={"price": "price - 1"})}))
    code = {
        last: Schema("shop", version=last, objects=[table(PRICE)], migrations=steps[: last - 1]) for last in (1, 2, 3)
    }
    for last, sql in ((1, "(0, 5)"), (2, "(1, 600)"), (3, "(2, 701)")):
        ensure_schema(aaiclick_client, code[last])
        aaiclick_client.command(f"INSERT INTO t VALUES {sql}")
    rollback_schema(aaiclick_client, code[1], to=1)
    assert rows(aaiclick_client) == [(0, 5), (1, 6), (2, 7)]
    # And in one copy.
    ensure_schema(aaiclick_client, code[3])
    assert rows(aaiclick_client) == [(0, 501), (1, 601), (2, 701)]
    aaiclick_client.command("INSERT INTO t VALUES (3, 801)")
    rollback_schema(aaiclick_client, code[1])
    assert rows(aaiclick_client) == [(0, 5), (1, 6), (2, 7), (3, 8)]


@pytest.mark.parametrize(
    ("back", "said"),
    [
        ({"price": "prize / 100"}, "the rollback expression of price is refused"),
        ({"prize": "price"}, "which the version before does not have"),
    ],
)
def test_a_way_back_that_does_not_work_is_found_on_the_way_forward(
    aaiclick_client: Client, back: dict[str, str], said: str
) -> None:
    v1, v2 = schemas(table(PRICE), table(PRICE), Rebuild(columns=CENTS, back=back))
    ensure_schema(aaiclick_client, v1)
    aaiclick_client.command("INSERT INTO t VALUES (0, 5)")
    assert said in plan_schema(aaiclick_client, v2).steps[0].blocked
    with pytest.raises(BlockedError, match=said):
        ensure_schema(aaiclick_client, v2)
    assert rows(aaiclick_client) == [(0, 5)]


DAYS = "INSERT INTO t SELECT number + {start}, toDate('2024-01-01') + number % 2 FROM numbers({count})"


def days(order_by: str) -> Table:
    return table(Column("day", "Date"), engine=MergeTree(order_by=[order_by], partition_by="day"))


def attached_again(client: Client, *, merge: bool) -> tuple[Schema, Schema]:
    v1, v2 = (Schema("shop", version=version, objects=[days(order)]) for version, order in ((1, "id"), (2, "day")))
    ensure_schema(client, v1)
    client.command(DAYS.format(start=0, count=10))
    ensure_schema(client, v2)
    client.command(DAYS.format(start=100, count=4))
    if merge:
        client.command("OPTIMIZE TABLE t FINAL")
    client.command("ALTER TABLE t DETACH PARTITION '2024-01-01'")
    client.command("ALTER TABLE t ATTACH PARTITION '2024-01-01'")
    return v1, v2


def test_a_partition_that_was_attached_again_is_no_row_that_came_since(aaiclick_client: Client) -> None:
    v1, _ = attached_again(aaiclick_client, merge=False)
    aaiclick_client.command("OPTIMIZE TABLE t FINAL")
    before = rows(aaiclick_client)
    rollback_schema(aaiclick_client, v1)
    assert rows(aaiclick_client) == before
    assert len(before) == 14


def test_a_kept_table_that_lacks_rows_by_now_does_not_come_back(aaiclick_client: Client) -> None:
    v1, v2 = (Schema("shop", version=version, objects=[days(order)]) for version, order in ((1, "id"), (2, "day")))
    ensure_schema(aaiclick_client, v1)
    aaiclick_client.command(DAYS.format(start=0, count=10))
    ensure_schema(aaiclick_client, v2)
    kept = aaiclick_client.query("SHOW TABLES LIKE '%old%'").result_rows[0][0]
    aaiclick_client.command(f"ALTER TABLE `{kept}` MODIFY SETTING table_readonly = 0")
    aaiclick_client.command(f"ALTER TABLE `{kept}` DETACH PARTITION '2024-01-01'")
    before = rows(aaiclick_client)
    with pytest.raises(SchemaError, match=r"the kept table .*t lacks 5 rows that it had"):
        rollback_schema(aaiclick_client, v1, allow=["deletes t"])
    assert rows(aaiclick_client) == before


def test_where_its_rows_cannot_be_told_apart_the_way_back_says_so(aaiclick_client: Client) -> None:
    v1, _ = attached_again(aaiclick_client, merge=True)
    before = rows(aaiclick_client)
    with pytest.raises(
        SchemaError, match=r"5 rows of the copy are in t under later block numbers.*detached and attached again"
    ):
        rollback_schema(aaiclick_client, v1, allow=["deletes t"])
    assert rows(aaiclick_client) == before


def test_rows_that_were_deleted_are_still_told(aaiclick_client: Client) -> None:
    v1, _ = attached_again(aaiclick_client, merge=False)
    aaiclick_client.command("ALTER TABLE t DROP PARTITION '2024-01-02'")
    with pytest.raises(HazardNotAllowedError, match="5 rows were deleted"):
        rollback_schema(aaiclick_client, v1)
    rollback_schema(aaiclick_client, v1, allow=["deletes t"])
    assert len(rows(aaiclick_client)) == 12
