"""Helpers of tests in which tables change that others read."""

from __future__ import annotations

from clickhouse_connect.driver.client import Client

from aaiclick import Policy, Schema, ensure_schema, plan_schema


def schema(*objects: object) -> Schema:
    """A schema of these objects, developed without versions."""
    return Schema("outside", objects=list(objects))  # type: ignore[arg-type]


def migrate(client: Client, wanted: Schema, *allow: str) -> list[tuple[str, str]]:
    """Migrate without losing anything that is not allowed by name; object and strategy of each step. Nothing is left to
    be done after it."""
    policy = Policy.lossless()
    report = ensure_schema(client, wanted, policy=policy.allow(*allow) if allow else policy)
    assert plan_schema(client, wanted).steps == ()
    return [(step.object, step.strategy) for step in report.steps]


def rows(client: Client, sql: str) -> list[tuple[object, ...]]:
    """The rows of an answer as tuples."""
    return [tuple(row) for row in client.query(sql).result_rows]
