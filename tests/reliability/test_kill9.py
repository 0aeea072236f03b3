"""A child on a directory of its own is killed with ``kill -9`` at random moments; the next process finds every row once
and ends the work."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.children import Child
from tests.reliability.counts import note
from tests.reliability.large import CASES, filling
from tests.support.resident import resident

DISK = "/var/tmp"
ENGINE = """
from chdb.session import Session
session = Session({path!r})
for sql in {statements!r}:
    print(session.query(sql, "TabSeparated").bytes().decode(), end="")
session.close()
"""


def engine(path: Path, *statements: str, database: str = "d") -> list[str]:
    """Statements on the directory in another process; the lines of the answers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    script = ENGINE.format(path=str(path), statements=[f"USE {database}", *statements])
    done = resident().python(script, path.parent, os.environ)
    assert done.code == 0, done.stderr
    return done.stdout.splitlines()


def made(path: Path, case: str) -> list[str]:
    engine(path, "CREATE DATABASE d ENGINE = Atomic", *(["USE d", *filling(case)]), database="default")
    return engine(path, f"SELECT {CASES[case].fingerprint} FROM t")


def again(path: Path, case: str) -> None:
    """The run was quicker than its kill: back to the beginning."""
    tables = engine(path, "SELECT name FROM system.tables WHERE database = 'd'")
    engine(path, *(f"DROP TABLE `{name}` SYNC" for name in tables), *filling(case))


def start(case: str, path: Path) -> Child:
    return Child(case, f"chdb://{path}", "d").ready().go()


def finish(case: str, path: Path) -> float:
    """An undisturbed run; the seconds it took."""
    said = start(case, path).end()
    assert "done" in said.lines, said.text
    return said.seconds


def check(case: str, path: Path, expected: list[str]) -> None:
    """Rows are as they were, also where the run is not at its end."""
    assert engine(path, f"SELECT {CASES[case].fingerprint} FROM t") == expected


def check_clean(path: Path) -> None:
    left = (
        "name NOT LIKE '\\\\_aaiclick\\\\_lease' AND name NOT LIKE '\\\\_aaiclick\\\\_lock\\\\_was%' AND name NOT "
        "LIKE '\\\\_aaiclick\\\\_journal%'"
    )
    assert (
        engine(
            path,
            "SELECT name FROM system.tables WHERE database = 'd' AND startsWith(name, '_aaiclick_') AND name NOT "
            f"LIKE '%old%' AND {left}",
        )
        == []
    )
    assert engine(path, "SELECT name FROM system.databases WHERE startsWith(name, '_aaiclick_')") == []
    assert engine(
        path,
        "SELECT count() FROM system.tables WHERE database = 'd' AND name = 't' AND position(engine_full, "
        "'max_bytes_to_merge') > 0",
    ) == ["0"]
    assert engine(path, "SELECT count() FROM system.mutations WHERE database = 'd' AND NOT is_done") == ["0"]


def killed_again_and_again(case: str, path: Path, kills: int, seed: int) -> int:
    """Kill so many runs of one case in a row, each where the one before left it; how many were killed before their
    end."""
    moment = random.Random(f"{case}{seed}")
    expected = made(path, case)
    killed = 0
    for _ in range(kills):
        child = start(case, path)
        time.sleep(moment.uniform(0.2, CASES[case].seconds))
        child.process.send_signal(signal.SIGKILL)
        said = child.end()
        check(case, path, expected)
        if "done" in said.lines:
            again(path, case)
        else:
            killed += 1
    # Whether scratch is older than the engine is known to two seconds.
    time.sleep(3)
    finish(case, path)
    check(case, path, expected)
    check_clean(path)
    note(
        "`kill -9` of a child on disk, at random moments",
        series=1,
        **{f"of_{case}": 1},
        kills=killed,
        rows=CASES[case].rows,
    )
    return killed


def chunks(child: Child, most: int = 1000) -> list[str]:
    """What a child says until it has filled so many chunks, or has ended."""
    assert child.process.stdout is not None
    lines: list[str] = []
    while sum(line.startswith("chunk ") for line in lines) < most and (line := child.process.stdout.readline()):
        lines.append(line.strip())
    return lines


def goes_on(path: Path, kills: int, filled: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed each time when it has filled some chunks more: all runs together fill each chunk once, but for the one
    that was under way."""
    monkeypatch.setenv("AAICLICK_TEST_CHUNK_ROWS", "100000")
    case = "chunks"
    expected, count = made(path, case), CASES[case].rows // 100_000
    before = 0
    for _ in range(kills):
        child = start(case, path)
        said = chunks(child, filled)
        child.process.send_signal(signal.SIGKILL)
        before += sum(line.startswith("chunk ") for line in [*said, *child.end().text.splitlines()])
        check(case, path, expected)
    child = start(case, path)
    said = [*chunks(child), *child.end().text.splitlines()]
    after = sum(line.startswith("chunk ") for line in said)
    assert before + after in range(
        count - kills, count + 1
    )  # the one before the kill may have been filled without being said
    assert f"{count - after} of {count} chunks are there already" in "\n".join(said)
    check(case, path, expected)
    # The run that was killed is seconds ago, and the engine was started anew since.
    finish(case, path)
    check_clean(path)
    note(
        "a killed copy goes on, on disk",
        kills=kills,
        chunks=count,
        filled_by_all_runs=before + after,
        rows=CASES[case].rows,
    )


@pytest.mark.slow
def test_a_killed_copy_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on(tmp_path / "data", 1, 5, monkeypatch)


@pytest.mark.proof
@pytest.mark.parametrize("filled", [1, 2, 3])
def test_a_killed_copy_goes_on_again_and_again(tmp_path: Path, filled: int, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on(tmp_path / "data", 3, filled, monkeypatch)


@pytest.mark.slow
def test_killed_in_a_rebuild(tmp_path: Path) -> None:
    assert killed_again_and_again("rebuild", tmp_path / "data", 2, 1) > 0


@pytest.fixture
def on_disk() -> Iterator[Path]:
    """Other temporary files may lie in memory."""
    with tempfile.TemporaryDirectory(prefix="aaiclick-kill9-", dir=DISK if os.access(DISK, os.W_OK) else None) as made:
        yield Path(made)


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(7))
@pytest.mark.parametrize("case", ["rebuild", "attach", "mutate"])
def test_killed_with_every_strategy(case: str, seed: int, on_disk: Path) -> None:
    assert killed_again_and_again(case, on_disk / "data", 5, seed) > 0
