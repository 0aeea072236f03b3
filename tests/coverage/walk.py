"""One case round its three states, with rows, by the five checks; what was seen is the outcome that the coverage page
shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Plan, Policy, Schema, ensure_schema, plan_schema, reflect_schema
from aaiclick.errors import BlockedError, SchemaVersionError
from aaiclick.sql.quoting import quote_name
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from tests.cases.rows import random_rows, tame_rows
from tests.cases.runner import REPLAY, Ground, clean, declaration, five_checks, form_of, prepare
from tests.coverage.cases import Case
from tests.support.forms import unordered

_PREAMBLE = re.compile(r"Code: \d+\.\s*|DB::Exception:\s*")
PERMISSIVE = (
    "allow_experimental_variant_type = 1, allow_experimental_dynamic_type = 1, allow_experimental_json_type = 1, "
    "enable_time_time64_type = 1,"
    " allow_experimental_qbit_type = 1, allow_suspicious_types_in_order_by = 1, allow_statistics = 1, "
    "allow_experimental_bfloat16_type = 1"
)


@dataclass(frozen=True)
class Outcome:
    """``created``: a declaration of the present state makes the same table. ``steps``: strategies for each way round,
    or why it is refused."""

    created: bool
    steps: tuple[str, str, str]


def walk(engine: EmbeddedEngine, client: Client, case: Case) -> Outcome:
    """Absent -> present -> changed -> absent."""
    absent, present, changed = case.states
    ground = prepare(engine, client, absent, present)
    try:
        created = _created(ground)
        seen: list[str] = []
        for after in (present, changed, absent):
            _aim(ground, "direct", after)
            outcome = _step(ground)
            seen.append(outcome)
            if outcome.startswith("refused"):
                _aim(ground, "live", after)
            assert unordered(form_of(ground, ground.live, "t")) == unordered(form_of(ground, ground.direct, "t")), (
                case.id,
                outcome,
            )
        return Outcome(created, (seen[0], seen[1], seen[2]))
    finally:
        clean(ground)


def _aim(ground: Ground, which: str, ddl: str) -> None:
    """Make the direct (or the live) database hold just that table."""
    database = ground.direct if which == "direct" else ground.live
    ground.engine.command(f"DROP TABLE IF EXISTS {quote_name(database)}.t SYNC")
    ground.engine.command(f"{REPLAY}; SET flatten_nested = 1; {ddl.replace('{db}', database)}")


def _created(ground: Ground) -> bool:
    """What is reflected, declared and created in an empty database is the same table."""
    schema = reflect_schema(ground.client, ground.direct, name="case")
    assert not schema.unsupported, schema.unsupported
    third = fresh_name()
    ground.engine.command(f"CREATE DATABASE {quote_name(third)}")
    try:
        ensure_schema(ground.client, schema, policy=Policy.safe(), database=third)
        return (
            form_of(ground, third, "t") == form_of(ground, ground.direct, "t")
            and not plan_schema(ground.client, schema, database=third).steps
        )
    finally:
        ground.engine.command(f"DROP DATABASE {quote_name(third)} SYNC")


def _step(ground: Ground) -> str:
    name = f"{quote_name(ground.live)}.t"
    form = form_of(ground, ground.live, "t")
    try:
        ground.engine.command(random_rows(form, name))
    except RuntimeError:
        ground.engine.command(tame_rows(form, name))  # generateRandom does not know every type
    schema = declaration(ground)
    plan = plan_schema(ground.client, schema, database=ground.live)
    if any(" rows hold " in step.blocked or " rows violate " in step.blocked for step in plan.steps):
        ground.engine.command(f"TRUNCATE TABLE {name}")
        ground.engine.command(tame_rows(form, name, wanted=form_of(ground, ground.direct, "t")))
        plan = plan_schema(ground.client, schema, database=ground.live)
    blocked = [step.blocked for step in plan.steps if step.blocked]
    if not blocked:
        told = [hazard.message for hazard in plan.hazards if hazard.allow.startswith("change-default")]
        return (
            f"{_as_told(ground, schema, plan)} (by name only: {told[0]})"
            if told
            else _strategies(five_checks(ground, schema, plan=plan).plan)
        )
    rows = ground.client.query(f"SELECT count() FROM {name}").result_rows
    try:
        ensure_schema(ground.client, schema, policy=Policy.everything(), database=ground.live)
    except BlockedError:
        pass
    else:
        raise AssertionError(f"{blocked} was carried out")
    assert form_of(ground, ground.live, "t") == form
    assert ground.client.query(f"SELECT count() FROM {name}").result_rows == rows
    return f"refused: {reason_of(blocked[0], ground)}"


def _strategies(plan: Plan) -> str:
    """Of what makes the change: to bring an index into old parts as well is an offer, whatever it is an index of."""
    offers = [
        step
        for step in plan.steps
        if step.optional and any(hazard.allow.startswith("materialize ") for hazard in step.hazards)
    ]
    return " + ".join(step.strategy for step in plan.steps if step not in offers)


def _as_told(ground: Ground, schema: Schema, plan: Plan) -> str:
    """Where the plan itself says that values change, all but the values is checked; and that it does not happen unless
    allowed."""
    keys = tuple(hazard.allow for hazard in plan.hazards if hazard.allow)
    with pytest.raises(SchemaVersionError):
        ensure_schema(ground.client, schema, policy=Policy.lossless(), database=ground.live)
    ensure_schema(
        ground.client, schema, policy=Policy.lossless(keep_old=timedelta(0)).allow(*keys), database=ground.live
    )
    assert not plan_schema(ground.client, schema, database=ground.live).steps
    return _strategies(plan)


def reason_of(blocked: str, ground: Ground) -> str:
    """The first sentence of a refusal, without what only this run knows."""
    return first_sentence(blocked.replace(ground.live, "db"))


def first_sentence(blocked: str) -> str:
    """Without the engine's preamble, and what it says behind it."""
    plain = re.split(
        r": In scope |: while |: While |, for instance |; CAST |; Conversion ",
        _PREAMBLE.sub("", blocked).splitlines()[0],
    )[0]
    return plain + ")" * (plain.count("(") - plain.count(")"))
