"""Every pair of the corpus (real changes, from public schema histories) goes from its first form to its second with
rows in it."""

from __future__ import annotations

import pytest

from aaiclick.testing.engine import EmbeddedEngine
from tests.cases.pairs import check_pair
from tests.catalog.corpus import PAIRS


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["id"])
def test_pair(pair: dict[str, str], aaiclick_engine: EmbeddedEngine) -> None:
    client = aaiclick_engine.client()
    try:
        check_pair(aaiclick_engine, client, pair)
    finally:
        client.close()
