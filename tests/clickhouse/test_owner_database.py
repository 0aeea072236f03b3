"""Whose the tables beside a Replicated database are: said only where every host answers."""

from __future__ import annotations

import pytest

from aaiclick.clickhouse.shared.bookkeeping import Bookkeeping
from aaiclick.clickhouse.shared.owner_database import require_own
from aaiclick.errors import StatementError, UsageError
from aaiclick.routine import Query

BOOKS = Bookkeeping("shop", "beside", "shop", ("h1", "h2"))


def test_nothing_is_held_against_records_while_a_host_is_away() -> None:
    """It may have the very database that they are of."""
    routine = require_own(BOOKS)
    asked = next(routine)
    assert isinstance(asked, Query)
    assert (asked.settings or {})["skip_unavailable_shards"] == 0
    with pytest.raises(StopIteration):
        routine.throw(StatementError("no connection", 279))
    routine = require_own(BOOKS)
    next(routine)
    with pytest.raises(UsageError, match="what is recorded in beside is of another one of that name"):
        routine.send((("said", '{"databases": ["one"]}'), ("has", "two")))
