"""A pair of the corpus backwards: from its second form to its first, with rows. Harder than forwards: columns go, types
narrow."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from clickhouse_connect.driver.client import Client

from aaiclick import Policy, ensure_schema, plan_schema
from aaiclick.errors import BlockedError
from aaiclick.sql.quoting import quote_name
from aaiclick.testing.engine import EmbeddedEngine
from tests.cases.rows import random_rows, tame_rows
from tests.cases.runner import Ground, clean, declaration, five_checks, form_of, prepare
from tests.coverage.walk import reason_of

CORPUS = Path(__file__).parents[1] / "data" / "corpus"


def corpus(name: str) -> list[dict[str, str]]:
    """``pairs`` or ``tables``."""
    found: list[dict[str, str]] = json.loads(gzip.decompress((CORPUS / f"{name}.json.gz").read_bytes()))
    return found


def backwards(engine: EmbeddedEngine, client: Client, pair: dict[str, str]) -> str:
    """'' where it ends as declared with every row; otherwise why it is refused (and nothing has changed then)."""
    ground = prepare(engine, client, pair["to"], pair["from"])
    try:
        form, wanted, name = (
            form_of(ground, ground.live, "t"),
            form_of(ground, ground.direct, "t"),
            f"{quote_name(ground.live)}.t",
        )
        engine.command(random_rows(form, name))
        blocked = _blocked(ground)
        if blocked:
            engine.command(f"TRUNCATE TABLE {name}")
            engine.command(tame_rows(form, name, wanted=wanted))
            blocked = _blocked(ground)
        if not blocked:
            held = client.query(f"SELECT count() FROM {name}").result_rows[0][0]
            assert five_checks(ground, declaration(ground)).rows == held > 0
            return ""
        rows = client.query(f"SELECT count() FROM {name}").result_rows
        try:
            ensure_schema(client, declaration(ground), policy=Policy.everything(), database=ground.live)
        except BlockedError:
            pass
        else:
            raise AssertionError(f"{blocked} was carried out")
        assert form_of(ground, ground.live, "t") == form
        assert client.query(f"SELECT count() FROM {name}").result_rows == rows
        return reason_of(blocked, ground)
    finally:
        clean(ground)


def _blocked(ground: Ground) -> str:
    plan = plan_schema(ground.client, declaration(ground), database=ground.live)
    return "; ".join(step.blocked for step in plan.steps if step.blocked)
