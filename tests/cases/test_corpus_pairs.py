"""Every pair of the corpus (real changes, from public schema histories) goes from its first form to its second with rows in it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from aaiclick import plan_schema
from aaiclick.testing.engine import EmbeddedEngine
from tests.cases.rows import random_rows, tame_rows
from tests.cases.runner import Ground, clean, declaration, five_checks, form_of, prepare

PAIRS = json.loads(gzip.decompress((Path(__file__).parents[1] / "data" / "corpus" / "pairs.json.gz").read_bytes()))


# Every second pair in the normal run, all of them by `make proof`.
@pytest.mark.parametrize("pair", [pytest.param(pair, id=pair["id"], marks=[pytest.mark.proof] * (place % 2)) for place, pair in enumerate(PAIRS)])
def test_pair(pair: dict[str, str], aaiclick_engine: EmbeddedEngine) -> None:
    client = aaiclick_engine.client()
    ground = prepare(aaiclick_engine, client, pair["from"], pair["to"])
    try:
        _fill(ground, random=True)
        plan = plan_schema(client, declaration(ground), database=ground.live)
        if any(step.blocked for step in plan.steps):
            # Random text does not convert to numbers: that was counted, with an example. Tame values do convert.
            assert all("rows" in step.blocked for step in plan.steps if step.blocked), str(plan)
            aaiclick_engine.command(f"TRUNCATE TABLE `{ground.live}`.t")
            _fill(ground, random=False)
        held = client.query(f"SELECT count() FROM `{ground.live}`.t").result_rows[0][0]
        checked = five_checks(ground, declaration(ground))
        assert checked.rows == held > 0
    finally:
        client.close()
        clean(ground)


def _fill(ground: Ground, random: bool) -> None:
    form = form_of(ground, ground.live, "t")
    name = f"`{ground.live}`.t"
    ground.engine.command(random_rows(form, name) if random else tame_rows(form, name, wanted=form_of(ground, ground.direct, "t")))
