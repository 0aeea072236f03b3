"""A rolling deployment: newer code is killed on its way, code of other versions starts, the newer code starts again.
Whatever the migration does is done once, and once more for each time that the way is gone back and forward again."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from aaiclick.clients.opening import open_url
from aaiclick.errors import SchemaError
from aaiclick.routine import Call, Command
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import quote_name
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from tests.migrations.rolling import CASES, Rolling, attempted
from tests.reliability.counts import every, note
from tests.reliability.driving import LATER

TITLE = "rolling deployments: kills x code versions"
THERE_AND_BACK = "forward, back, forward, killed at every point"


@pytest.fixture
def rolling(request: pytest.FixtureRequest, aaiclick_engine: EmbeddedEngine) -> Iterator[Rolling]:
    name, oldest_code = request.param
    connection = open_url(aaiclick_engine.url)
    made = Rolling(connection, aaiclick_engine.command, fresh_name("rolling"), name, oldest_code)
    yield made
    connection.close()
    aaiclick_engine.command(f"DROP DATABASE IF EXISTS {quote_name(made.database)} SYNC")


def points(rolling: Rolling) -> int:
    rolling.again()
    found = rolling.run(rolling.v2).points
    rolling.check("undisturbed")
    return found


def killed_then(rolling: Rolling, stop: int, *, times: int, third: bool) -> None:
    """``third``: code of version 3 is killed, code of version 2 is older then too."""
    about = f"killed at {stop}, {times} old starts" + (", version 3" if third else "")
    newer = rolling.v3 if third else rolling.v2
    rolling.again()
    rolling.killed(newer, stop)
    # Between the entry and its mark nothing has happened yet.
    begun = bool(
        rolling.lines(
            f"SELECT 1 FROM system.tables WHERE database = '{rolling.database}' AND name = 'schema_version' AND "
            "comment LIKE '%passing%'"
        )
    )
    recorded = rolling.lines("SELECT max(version) FROM {db}.schema_version") == [str(newer.version)]
    for _ in range(times):
        for schema in (rolling.v1, rolling.v2) if third and begun else (rolling.v1,):
            report = rolling.starts(schema)
            if begun and not recorded:
                assert (report is not None) == (rolling.oldest_code == 1 and not third), about
    rolling.go_on(newer)
    rolling.check(about, repeated=rolling.name == "callable")
    rolling.go_on(newer)
    rolling.check(f"{about}, again", repeated=rolling.name == "callable")


@pytest.mark.parametrize("rolling", [("cents", None)], ids=["cents"], indirect=True)
def test_entries_of_an_earlier_release_are_understood_and_carried_over(rolling: Rolling) -> None:
    """They hung on the number of the last record, and nothing said that a migration was under way."""
    rolling.again()
    counted = [effect for effect in rolling.run(rolling.v2).seen if isinstance(effect, Command | Call)]
    stop = next(
        place
        for place, effect in enumerate(counted)
        if isinstance(effect, Command) and effect.parameters.get("step") == hexed("2:rebuild:u")
    )
    rolling.again()
    rolling.killed(rolling.v2, stop)
    rolling.as_entered_before()
    assert {line.split("\t")[0] for line in rolling.journal()} == {"from 1"}
    for _ in range(2):
        assert rolling.starts(rolling.v1) is None, "its oldest code is not known"
    rolling.go_on(rolling.v2)
    rolling.check("entered by an earlier release")
    assert "generation 0\t2:rebuild:t\tdone" in rolling.journal()


EACH = [(name, oldest) for name in CASES for oldest in (None, 1)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "rolling", [("cents", None), ("renames", None), ("statements", 1)], ids=lambda each: each[0], indirect=True
)
def test_killed_here_and_there(rolling: Rolling) -> None:
    total = points(rolling)
    # Version 3 with two older ones where that is quick; the other two with one.
    killed_then(rolling, total * 2 // 3, times=1, third=rolling.name == "cents")


@pytest.mark.proof
@pytest.mark.parametrize("rolling", EACH, ids=lambda each: f"{each[0]}-{each[1]}", indirect=True)
def test_every_migration_killed_everywhere(rolling: Rolling) -> None:
    total = points(rolling)
    stops = range(total % every(), total + 1, every())
    for stop in stops:
        killed_then(rolling, stop, times=1 + stop % 3, third=False)
        killed_then(rolling, stop, times=1, third=True)
    note(TITLE, migrations=1, kills=2 * len(stops), starts_of_older_code=sum(1 + stop % 3 + 2 for stop in stops))


def refused_back(rolling: Rolling) -> bool:
    return isinstance(attempted(rolling.back_dry, SchemaError), SchemaError)


def forward_back_forward(rolling: Rolling, part: str, stop: int, then: str) -> bool:
    """One of the three parts is killed at a point. ``then`` says what comes next: the same again, or a start of the
    newer code, which may refuse (the way back is begun again then). False where it was through before."""
    about = f"{part} killed at {stop}, then {then}"
    rolling.again()
    if part != "forward":
        rolling.go_on(rolling.v2)
        rolling.check("undisturbed")
    if part == "forward again":
        rolling.back()
    killed = rolling.killed_back(stop) if part == "back" else rolling.killed(rolling.v2, stop)
    # Where nothing was begun, or the way back is recorded already, there is no version before to go to.
    if part == "forward" and then == "back":
        attempted(partial(rolling.back, later=LATER), SchemaError)
    elif part == "back":
        if then == "the newer code" and not rolling.forward_refused():
            # What statements did is not undone by the way back, and is done again.
            rolling.check(about, repeated=True)
        elif killed:
            attempted(partial(rolling.back, later=LATER), SchemaError)
    rolling.go_on(rolling.v2)
    return killed


@pytest.mark.slow
@pytest.mark.parametrize("rolling", [("cents", None)], ids=["cents"], indirect=True)
def test_forward_back_forward_killed_here_and_there(rolling: Rolling) -> None:
    total = points(rolling)
    back = rolling.back().points
    rolling.go_on(rolling.v2)
    rolling.check("forward again", repeated=True)
    forward_back_forward(rolling, "forward", total * 3 // 4, "back")
    rolling.check("given up", repeated=True)
    forward_back_forward(rolling, "back", back // 2, "the newer code")
    rolling.check("back killed, then the newer code", repeated=True)


@pytest.mark.proof
@pytest.mark.parametrize("rolling", [(name, None) for name in CASES], ids=lambda each: each[0], indirect=True)
def test_forward_back_forward_killed_everywhere(rolling: Rolling) -> None:
    total = points(rolling)
    if refused_back(rolling):
        pytest.skip("nothing of it is replaced: there is no way back, and it is said")
    back = rolling.back().points
    rolling.go_on(rolling.v2)
    kills = 0
    for stop in range(total % every(), total, every()):
        for part, then in (("forward", "back"), ("forward again", "forward")):
            kills += forward_back_forward(rolling, part, stop, then)
            rolling.check(f"{part} killed at {stop}", repeated=True)
    for stop in range(back % every(), back, every()):
        for then in ("back", "the newer code"):
            kills += forward_back_forward(rolling, "back", stop, then)
            rolling.check(f"back killed at {stop}, then {then}", repeated=True)
    note(THERE_AND_BACK, migrations=1, kills=kills)


@pytest.mark.parametrize("rolling", [("rebuild", None)], ids=["rebuild"], indirect=True)
def test_a_migration_under_way_is_given_up(rolling: Rolling) -> None:
    """One table is replaced, the version is not recorded; the older code is refused, the command that it names is run,
    and it starts."""
    rolling.again()
    everything = "SELECT * FROM {db}.t ORDER BY ALL"
    before = rolling.lines(everything)
    counted = [effect for effect in rolling.run(rolling.v2).seen if isinstance(effect, Command | Call)]
    stop = next(
        place
        for place, effect in enumerate(counted)
        if isinstance(effect, Command) and "schema_version` (seq" in effect.sql
    )
    rolling.again()
    rolling.killed(rolling.v2, stop)
    assert rolling.starts(rolling.v1) is None
    assert [step.object for step in rolling.back_dry().pending] == ["t"]
    rolling.back(later=LATER)
    records = "SELECT version, from_version, state FROM {db}.schema_version ORDER BY seq"
    assert rolling.lines(records) == ["1\t0\tapplied", "1\t2\trolled back"]
    found = rolling.starts(rolling.v1)
    assert found is not None
    assert found.steps == ()
    assert rolling.lines(everything) == before
    # The version before is what it is at now, and there is none before that.
    assert isinstance(attempted(rolling.back_dry, SchemaError), SchemaError)
    rolling.go_on(rolling.v2)
    rolling.check("given up and gone forward again")
