"""A pair of the corpus through the five checks, with rows."""

from __future__ import annotations

from clickhouse_connect.driver.client import Client

from aaiclick import plan_schema
from tests.cases.rows import random_rows, tame_rows
from tests.cases.runner import Engine, Ground, clean, declaration, five_checks, form_of, prepare


def check_pair(engine: Engine, client: Client, pair: dict[str, str]) -> None:
    """From the first form to the second, with random rows where they convert and with tame ones where not."""
    ground = prepare(engine, client, pair["from"], pair["to"])
    try:
        _fill(ground, random=True)
        plan = plan_schema(client, declaration(ground), database=ground.live)
        if any(step.blocked for step in plan.steps):
            # Random text does not convert to numbers: that was counted, with an example. Tame values do convert.
            assert all("rows" in step.blocked for step in plan.steps if step.blocked), str(plan)
            engine.command(f"TRUNCATE TABLE `{ground.live}`.t")
            _fill(ground, random=False)
        held = client.query(f"SELECT count() FROM `{ground.live}`.t").result_rows[0][0]
        checked = five_checks(ground, declaration(ground))
        assert checked.rows == held > 0
    finally:
        clean(ground)


def _fill(ground: Ground, random: bool) -> None:
    form = form_of(ground, ground.live, "t")
    name = f"`{ground.live}`.t"
    ground.engine.command(
        random_rows(form, name) if random else tame_rows(form, name, wanted=form_of(ground, ground.direct, "t"))
    )
