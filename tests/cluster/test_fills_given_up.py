"""Fills of materialized views that somebody gave up while they were not at their end: what the next start says."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from aaiclick.errors import BlockedError
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import fill
from tests.cluster.filled import followed, is_filled
from tests.cluster.places import QUEUE_FIRST, Place, place_on
from tests.cluster.test_fills import killed_before


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


@dataclass(frozen=True)
class GivenUp:
    """What somebody does while a fill is not at its end, and what the next start says; whether it ends well then."""

    done: tuple[str, ...]
    said: str
    well: bool = True


EMPTY, DROPPED_VIEW = "TRUNCATE TABLE {db}.copied ON CLUSTER '{on}'", "DROP VIEW {db}.feed ON CLUSTER '{on}' SYNC"
GIVEN_UP = {
    "emptied": GivenUp((DROPPED_VIEW, EMPTY), "feed was dropped .*, and the fill was given up: copied is empty$"),
    "not emptied": GivenUp(
        (DROPPED_VIEW,),
        r"feed was dropped .*: copied holds \d+ rows?, and may lack some of those that events held\. To have it made "
        r"anew: (TRUNCATE TABLE [^;]*); and run again",
        well=False,
    ),
    "moved source": GivenUp(
        (
            "CREATE DATABASE {db}_else ON CLUSTER '{on}' ENGINE = Atomic",
            "RENAME TABLE {db}.events TO {db}_else.log ON CLUSTER '{on}'",
        ),
        r"events was moved, and is \w+_else\.log now, while .*: copied holds \d+ rows?, and may lack some of those that",
    ),
    "no source": GivenUp(
        ("DROP TABLE {db}.events ON CLUSTER '{on}' SYNC",),
        r"events was dropped or replaced .*: copied holds \d+ rows?, and may lack some of those that events held$",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    ["not emptied", *(pytest.param(k, marks=pytest.mark.long) for k in ("emptied", "moved source", "no source"))],
)
@pytest.mark.parametrize("place", QUEUE_FIRST[:1], indirect=True)
def test_what_a_fill_has_left_that_was_given_up_is_said(
    place: Place, kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As it is by then: emptied by the statement that a sentence gave, or not. That statement makes the view anew."""
    monkeypatch.setattr("aaiclick.apply.rebuild.chunks.SMALL_ROWS", 20)
    place.start(followed(1, place, view=False))
    fill(place, 30)
    schema, db, host, case = followed(2, place), place.database, place.cluster.hosts[1], GIVEN_UP[kind]
    killed_before(place, schema, f"INSERT INTO `{db}`.`copied`", 3)
    for sql in case.done:
        host.q(sql.format(db=db, on=place.cluster.name))
    if case.well:
        place.start(schema, 1)
    else:
        with pytest.raises(BlockedError, match=r"copied holds \d+ rows already"):
            place.start(schema, 1)
    notes = [found for record in caplog.records if (found := re.search(case.said, record.getMessage()))]
    assert len(notes) == 1
    if not case.well:
        host.q(notes[0][1])
        place.start(schema, 1)
    if kind == "moved source":
        # Its merges and writers go on, wherever it is.
        made = f"SELECT create_table_query FROM system.tables WHERE database = '{db}_else' AND name = 'log'"
        assert "max_bytes_to_merge" not in str(place.cluster.same(made))
        host.q(f"INSERT INTO {db}_else.log (id) VALUES (777)")
        host.q(f"DROP DATABASE {db}_else ON CLUSTER '{place.cluster.name}' SYNC")
    elif kind != "no source":
        is_filled(place)
