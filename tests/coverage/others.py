"""What happens to tables outside the MergeTree family: created, compared, given a comment, given a column, given other
arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from aaiclick import Policy, Schema, ensure_schema, plan_schema
from aaiclick.catalog.forms import Catalog, LiveObject, ServerFacts
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.read import server_facts
from aaiclick.plan.comparison.recorded import Planned
from aaiclick.plan.model import Plan, Step
from aaiclick.plan.planner import plan_objects
from aaiclick.routine import Connection, run
from aaiclick.specs.tables import Table
from aaiclick.sql.quoting import quote_name
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from aaiclick.versions.upgrade_path import UpgradePath
from tests.catalog.helpers import Recording
from tests.coverage.engines import SECRET, Other
from tests.coverage.walk import first_sentence

COLUMNS = "`a` UInt64, `b` String"


@dataclass(frozen=True)
class Seen:
    """How each change is made, or why it is refused; ``told``: the engine under test cannot make such a table, so that
    it is not created."""

    created: str
    comment: str
    column: str
    arguments: str

    @property
    def cells(self) -> tuple[str, str, str, str]:
        return self.created, self.comment, self.column, self.arguments


def made(engine: EmbeddedEngine, client: Client, other: Other) -> Seen:
    """On a table that the engine makes. What is carried out is in sync afterwards, and the secret is nowhere to be
    read."""
    seen: list[str] = []
    for wanted in (None, other.table(comment="x"), other.table(more=True), other.table(changed=True)):
        database = fresh_name()
        engine.command(f"CREATE DATABASE {quote_name(database)}")
        try:
            first = _apply(client, database, other.table())
            seen.append(first if wanted is None else _apply(client, database, wanted))
            written = client.query(f"SELECT toString(tuple(*)) FROM {quote_name(database)}.schema_version").result_rows
            assert SECRET not in str(written)
        finally:
            engine.command(f"DROP DATABASE {quote_name(database)} SYNC")
    return Seen(*seen)


def _apply(client: Client, database: str, table: Table) -> str:
    schema = Schema("other", objects=[table])
    plan = plan_schema(client, schema, database=database)
    assert SECRET not in f"{plan}{plan.to_json()}{plan.differences([])}"
    said = describe(plan.required)
    if any(step.blocked for step in plan.required):
        return said
    keys = tuple(hazard.allow for hazard in plan.hazards if hazard.allow)
    ensure_schema(client, schema, policy=Policy.lossless().allow(*keys), database=database)
    again = plan_schema(client, schema, database=database)
    assert not again.required, str(again)
    return said


def told(connection: Connection, other: Other) -> Seen:
    """On the server's text of such a table: planned, never made."""
    facts = run(server_facts(), connection)
    seen = [
        describe(planned(connection, facts, other, wanted).steps)
        for wanted in (other.table(comment="x"), other.table(more=True), other.table(changed=True))
    ]
    assert not planned(connection, facts, other, other.table()).steps
    return Seen(describe(planned(connection, facts, other, other.table(), there=False).steps), *seen)


def planned(connection: Connection, facts: ServerFacts, other: Other, wanted: Table, there: bool = True) -> Planned:
    """The plan for a database that holds just that table (or not even that), and proof that nothing of the kind was
    made for it."""
    text = f"CREATE TABLE app.t ({COLUMNS}) ENGINE = {other.live}"
    live = {"t": LiveObject("app", "t", split_create(text, "app"), text, other.name)} if there else {}
    watched = Recording(connection)
    found = run(
        plan_objects(Schema("other", objects=[wanted]), Catalog("app", "Atomic", facts, live), UpgradePath()), watched
    )
    assert not [
        effect.sql
        for effect in watched.seen
        if effect.sql.startswith("CREATE") and f"ENGINE = {other.name}" in effect.sql
    ]
    plan = Plan("other", "app", None, None, found.steps, "", "")
    assert SECRET not in f"{plan}{plan.to_json()}{plan.differences([])}{found.notes}"
    return found


def describe(steps: Sequence[Step]) -> str:
    """Strategies, what they need to be allowed, or the refusal."""
    if any(step.blocked for step in steps):
        return f"refused: {first_sentence(' '.join(step.blocked for step in steps))}"
    keys = [hazard.allow for step in steps for hazard in step.hazards if hazard.allow]
    strategies = " + ".join(step.strategy for step in steps)
    return f"{strategies} (by name only: {', '.join(keys)})" if keys else strategies
