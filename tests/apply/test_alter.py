"""ALTERs: watched to the end, undone where their data stands in the way, never killed where that would lose a
column."""

from __future__ import annotations

import re

import pytest

from aaiclick.apply.alter import Altered, apply_alters
from aaiclick.apply.run import ApplyOptions
from aaiclick.clickhouse.mutations import mutations, settle
from aaiclick.errors import ApplyError
from aaiclick.events import Note, Progress, Waiting
from aaiclick.plan.operations import Alter, AlterWork
from aaiclick.routine import Command, Effect, Emit, Query, Rows, Sleep
from tests.apply.applying import Lab

RETYPE = Alter(
    "ALTER TABLE t MODIFY COLUMN v UInt64", mutates=True, risky=True, recovery="ALTER TABLE t MODIFY COLUMN v String"
)


@pytest.fixture(autouse=True)
def table(lab: Lab) -> None:
    lab.sql("CREATE TABLE t (k UInt32, v String, w String) ENGINE = MergeTree PARTITION BY k % 3 ORDER BY k")
    lab.sql("INSERT INTO t SELECT number, toString(number), 'w' FROM numbers(300)")


def test_each_alter_in_turn(lab: Lab) -> None:
    def watched(effect: Effect) -> None:
        """The last one is not at its end before it was looked at once."""
        if isinstance(effect, Command) and "MATERIALIZE" in effect.sql:
            lab.sql("SYSTEM STOP MERGES t")
        elif isinstance(effect, Sleep):
            lab.sql("SYSTEM START MERGES t")

    lab.apply(
        AlterWork(
            "t",
            (
                Alter("ALTER TABLE t (ADD COLUMN d Date DEFAULT '2024-01-01'), (MODIFY COMMENT 'hello')"),
                Alter("ALTER TABLE t DROP COLUMN w", mutates=True),
                RETYPE,
                Alter("ALTER TABLE t MATERIALIZE COLUMN d", mutates=True),
            ),
        ),
        before=watched,
    )
    assert lab.rows("SELECT sum(v), min(d), max(d) FROM {db}.t") == ((44850, "2024-01-01", "2024-01-01"),)
    assert all(each.done for each in lab.run(mutations(lab.database, "t")))
    progress = [event for event in lab.events if isinstance(event, Progress) and event.object == "t"]
    assert progress
    assert max(event.total for event in progress) == 3


def test_a_ttl_is_metadata_only(lab: Lab) -> None:
    lab.sql(
        "CREATE TABLE e (k UInt32, at DateTime) ENGINE = MergeTree ORDER BY k",
        "SYSTEM STOP MERGES e",
        "INSERT INTO e SELECT number, 0 FROM numbers(10)",
    )
    lab.apply(AlterWork("e", (Alter("ALTER TABLE e MODIFY TTL at + INTERVAL 1 DAY"),)))
    assert lab.value("SELECT count() FROM {db}.e") == 10
    assert not lab.run(mutations(lab.database, "e"))


def test_a_retype_that_fails_on_the_data_is_undone(lab: Lab) -> None:
    lab.sql("INSERT INTO t VALUES (1000, 'bad', 'w')")
    before, text = lab.bag("t"), lab.definition("t")
    with pytest.raises(ApplyError, match=r"failed on the data: .*CANNOT_PARSE_TEXT.*It was undone"):
        lab.apply(AlterWork("t", (RETYPE,)))
    assert (lab.bag("t"), lab.definition("t")) == (before, text)
    assert all(each.done for each in lab.run(mutations(lab.database, "t")))
    assert [event for event in lab.events if isinstance(event, Note) and event.level == "warning"]
    lab.apply(AlterWork("t", (Alter("ALTER TABLE t DROP COLUMN w", mutates=True),)))


def test_a_stuck_retype_of_a_dead_run_is_undone_by_the_next(lab: Lab) -> None:
    lab.sql("INSERT INTO t VALUES (1000, 'bad', 'w')")
    before = lab.bag("t")
    lab.connection.command(Command(RETYPE.sql, settings={"alter_sync": 0, "mutations_sync": 0}, database=lab.database))
    with pytest.raises(ApplyError, match="It was undone"):
        lab.apply(AlterWork("t", (RETYPE,)))
    assert lab.bag("t") == before


def test_a_mutation_that_renames_is_never_killed(lab: Lab) -> None:
    """Killing it would lose the renamed column: the engine does not roll the metadata back."""
    lab.sql("INSERT INTO t VALUES (1000, 'bad', 'w')")
    both = Alter(
        "ALTER TABLE t (RENAME COLUMN w TO x), (MODIFY COLUMN v UInt64)",
        mutates=True,
        risky=True,
        recovery="ALTER TABLE t MODIFY COLUMN v String",
    )
    with pytest.raises(ApplyError, match=r"cannot go on: .*CANNOT_PARSE_TEXT.* never kill"):
        lab.apply(AlterWork("t", (both,)))
    assert [each.command for each in lab.run(mutations(lab.database, "t")) if not each.done]
    lab.sql("INSERT INTO t (k) VALUES (7)")  # the table lives on; what is stuck stays for the operator


def test_a_fill_that_cannot_go_on_may_be_killed(lab: Lab) -> None:
    """It changes no value. The sentence has the statement that kills it and nothing else."""
    lab.sql("ALTER TABLE t ADD INDEX number toUInt64(v) TYPE minmax")
    lab.sql("INSERT INTO t SELECT 1000, 'bad', 'w' SETTINGS materialize_skip_indexes_on_insert = 0")
    before, fill = lab.bag("t"), Alter("ALTER TABLE t MATERIALIZE INDEX number", mutates=True)
    with pytest.raises(ApplyError, match=r"cannot go on: .*CANNOT_PARSE_TEXT.* changes no value") as raised:
        lab.apply(AlterWork("t", (fill,)))
    statement = re.search(r"\((KILL MUTATION WHERE [^)]*)\)", str(raised.value))
    assert statement is not None
    lab.sql(statement[1])
    assert lab.bag("t") == before
    assert all(each.done for each in lab.run(mutations(lab.database, "t")))


def test_a_mutation_of_somebody_else_is_waited_for(lab: Lab) -> None:
    lab.connection.command(
        Command(
            "ALTER TABLE t UPDATE w = 'x' WHERE sleepEachRow(0.005) = 0",
            settings={"mutations_sync": 0},
            database=lab.database,
        )
    )
    lab.apply(AlterWork("t", (Alter("ALTER TABLE t ADD COLUMN z UInt8"),)))
    assert [event for event in lab.events if isinstance(event, Waiting)]
    assert lab.value("SELECT countIf(w = 'x') FROM {db}.t") == 300


def test_waiting_has_a_limit(lab: Lab) -> None:
    lab.sql("SYSTEM STOP MERGES t")
    on = Altered(lab.database, "t", (), ApplyOptions(mutation_seconds=0.2))
    with pytest.raises(ApplyError, match="is still running after"):
        lab.run(apply_alters(on, (Alter("ALTER TABLE t UPDATE w = 'x' WHERE 1", mutates=True),)))
    lab.sql("SYSTEM START MERGES t")
    lab.run(apply_alters(Altered(lab.database, "t", (), ApplyOptions()), (Alter("ALTER TABLE t ADD COLUMN z UInt8"),)))
    assert lab.value("SELECT countIf(w = 'x') FROM {db}.t") == 300


def test_a_mutation_that_does_not_go_on_is_explained() -> None:
    """Nothing shows that merges were stopped by hand, and a mutation waits for ever then."""
    routine = settle("d", "t", stuck_seconds=5.0)
    notes: list[str] = []
    waiting: Rows = (("mutation_1.txt", "MODIFY COLUMN v UInt32", 0, 1, ""),)
    effect = next(routine)
    for _ in range(200):
        match effect:
            case Query(sql) if "system.mutations" in sql:
                answer: Rows = waiting
            case Query():
                answer = ((0,),)
            case Emit(Note(text)):
                notes.append(text)
                answer = ()
            case _:
                answer = ((0.0,),)
        effect = routine.send(answer)
    routine.close()
    assert len(notes) == 1
    assert "SYSTEM START MERGES `d`.`t`" in notes[0]
