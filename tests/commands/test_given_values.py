"""Another value of a variable on an install: a planned change under the same version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema, validate_schema
from aaiclick.api.revision import check_schema, revise
from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.cli.main import main
from aaiclick.commands.inspection.given_values import as_given_here, given_elsewhere
from aaiclick.errors import SchemaVersionError, SpecChangedError
from aaiclick.variables import Variable

DAYS = Variable("ttl_days", default=60)
CODEC = Variable("level", default=1, choices=[1, 3])


def schema(ttl: str = f"at + INTERVAL {DAYS} DAY", migrations: str | None = None) -> Schema:
    columns = [Column("id", "UInt64", codec=f"ZSTD({CODEC})"), Column("at", "DateTime")]
    engine = MergeTree(order_by=["id"], ttl=ttl, settings={"merge_with_ttl_timeout": DAYS})
    made = Schema("app", version=1, objects=[Table("t", columns=columns, engine=engine)], variables=[DAYS, CODEC])
    return made.model_copy(update={"migrations": migrations}) if migrations else made


def test_another_value_is_a_step_with_its_hazard_and_is_recorded(
    aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_schema(aaiclick_client, schema())
    longer = ensure_schema(aaiclick_client, schema().given(ttl_days=90, level=3))
    assert (longer.from_version, longer.to_version, longer.in_sync) == (1, 1, True)
    assert {change for step in longer.steps for change in step.differences} == {
        "t: column id: codec ZSTD(1) -> ZSTD(3)",
        "t: TTL at + toIntervalDay(60) -> at + toIntervalDay(90)",
        "t: setting merge_with_ttl_timeout 60 -> 90",
    }
    monkeypatch.setenv("AAICLICK_VAR_TTL_DAYS", "90")
    monkeypatch.setenv("AAICLICK_VAR_LEVEL", "3")
    assert ensure_schema(aaiclick_client, schema()).steps == ()
    assert validate_schema(aaiclick_client, schema()).in_sync
    # Fewer days lose rows: that is asked for by name, as for any change of a TTL.
    with pytest.raises(SchemaVersionError, match="change-ttl t"):
        ensure_schema(aaiclick_client, schema().given(ttl_days=30))
    ensure_schema(aaiclick_client, schema().given(ttl_days=30), policy=Policy.lossless().allow("change-ttl t"))
    versions = aaiclick_client.query("SELECT version, state FROM schema_version ORDER BY seq").result_rows
    assert list(versions) == [(1, "applied")] * 3


def test_a_start_with_another_value_names_the_variable(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema().given(ttl_days=90))
    with pytest.raises(
        SchemaVersionError, match=r"A variable may be the cause: ttl_days \(AAICLICK_VAR_TTL_DAYS,"
    ) as told:
        ensure_schema(aaiclick_client, schema(), policy=Policy.check())
    assert told.value.cause
    said = ("t: column n is missing",)
    assert given_elsewhere(schema(), said) == ""


def test_a_call_that_is_remembered_is_remembered_for_its_values(
    aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_schema(aaiclick_client, schema(), once=True)
    assert ensure_schema(aaiclick_client, schema().given(ttl_days=90), once=True).steps
    monkeypatch.setenv("AAICLICK_VAR_TTL_DAYS", "120")
    assert ensure_schema(aaiclick_client, schema(), once=True).steps
    assert not ensure_schema(aaiclick_client, schema(), once=True).steps


def test_a_plan_without_scratch_has_the_values_too(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema())
    plan = plan_schema(aaiclick_client, schema().given(ttl_days=90), scratch=False)
    assert "TTL at + toIntervalDay(60) -> at + toIntervalDay(90)" in plan.steps[0].change


def test_the_statements_that_are_printed_have_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Path(__file__).read_text(encoding="utf-8").partition("def test_")[0]
    (tmp_path / "declared_values.py").write_text(f"{source}\n\nSCHEMA = schema()\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("AAICLICK_VAR_TTL_DAYS", "44")
    assert main(["ddl", "--schema", "declared_values:SCHEMA"]) == 0
    assert "INTERVAL 44 DAY" in capsys.readouterr().out


def test_an_edit_around_the_value_is_another_declaration(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema())
    with pytest.raises(SpecChangedError):
        ensure_schema(aaiclick_client, schema(f"at + INTERVAL {DAYS} MONTH"))


def test_only_values_are_taken_from_the_declaration() -> None:
    old = TableForm("t", "MergeTree", (ColumnForm("c", "String", ttl="at + toIntervalDay(1)"),), ttl="at + f(60)")
    new = TableForm("t", "MergeTree", (ColumnForm("c", "String", ttl="at + toIntervalDay(2)"),), ttl="at + g(90)")
    same = TableForm("t", "MergeTree", new.columns, ttl="at + f(60)")
    assert as_given_here(old, new, {"ttl", "c.ttl"}) == as_given_here(old, new, {"*"}) == same
    assert as_given_here(old, new, {"ttl"}) == as_given_here(old, new, ()) == old


def test_the_lock_file_tolerates_what_may_differ(
    aaiclick_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AAICLICK_VAR_TTL_DAYS", "44")  # a developer's own value is not released
    released = schema(migrations="given_values_migrations")
    revise(released, "first")
    lock = json.loads((tmp_path / "given_values_migrations" / "schema.lock.json").read_text(encoding="utf-8"))
    assert lock["versions"]["1"]["variables"] == {
        "t": {"id.codec": ["ZSTD(1)", "ZSTD(3)"], "ttl": ["at + toIntervalDay({ttl_days})"]}
    }
    assert check_schema(released).problems == ()
    # A database without a record is recognised, and then has the value of its install.
    aaiclick_client.command(
        "CREATE TABLE t (id UInt64 CODEC(ZSTD(3)), at DateTime) ENGINE = MergeTree ORDER BY id TTL at + INTERVAL 7 DAY"
        " SETTINGS merge_with_ttl_timeout = 7"
    )
    plan = plan_schema(aaiclick_client, released)
    assert plan.from_version == 1
    assert "TTL at + toIntervalDay(7) -> at + toIntervalDay(44)" in plan.steps[0].change
