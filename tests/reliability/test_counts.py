"""The table of ``make proof``: what ran, what failed, what did not run; and where it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.counts import BEGIN, END, VARIABLE, main, note, note_outcome, note_whole, put_into
from tests.reliability.parts import OTHERS, PARTS, part_of

ROOT = Path(__file__).parents[2]
KILL9 = "`kill -9` of a child on disk, at random moments"


@pytest.fixture
def counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "counts"
    monkeypatch.setenv(VARIABLE, str(path))
    return path


def test_counts_are_added_up_and_failures_are_shown(counts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kills in (3, 1204):
        note(KILL9, series=1, kills=kills)
    note_outcome(KILL9, "tests/reliability/test_kill9.py::a", True)
    for seconds in (0.25, 1.26, 0.5):
        note("writers through an attach", rows=10, longest_wait_of_a_writer=seconds)
    note_outcome("writers through an attach", "tests/reliability/test_writers.py::b", True)
    note_outcome("hostile names over HTTP", "tests/reliability/test_hostile.py::c", True)
    note_outcome("hostile names over HTTP", "tests/reliability/test_hostile.py::d", False)
    note("something new", sweeps=2)
    note_whole(3, 10.1)
    note_whole(1, 2.3)
    main([str(counts)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["| proof | how often | result |", "|---|---|---|"]
    assert f"| {KILL9} | 2 series, 1,207 kills | no row lost or doubled, the next start went to the end |" in lines
    assert (
        "| writers through an attach | 30 rows | every acknowledged row once; wait of a writer at most 1.3 s |" in lines
    )
    assert "| hostile names over HTTP | 2 tests | **failed**: `tests/reliability/test_hostile.py::d` |" in lines
    assert "| something new | 2 sweeps | passed |" in lines
    assert lines[-1] == "| all of it | 4 tests in 12 minutes | **1 failed** |"
    assert [line for line in lines if line.endswith("| **not run** |")]
    assert len(lines) == 2 + len(PARTS) + 2


def test_the_table_is_put_into_a_page(counts: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}OUTDATED\n{END}after\n")
    note_outcome(KILL9, "x", True)
    for _ in range(2):
        main([str(counts), "--write", str(page)])
        assert page.read_text().startswith(f"before\n{BEGIN}| proof |")
        assert page.read_text().endswith(f"|\n{END}after\n")
        assert "OUTDATED" not in page.read_text()
    with pytest.raises(ValueError, match="in the page"):
        put_into("nothing here", "table")


def test_the_page_has_room_for_it() -> None:
    assert put_into((ROOT / "docs" / "reliability.md").read_text(encoding="utf-8"), "A TABLE\n").count("A TABLE\n") == 1


def test_every_test_has_its_part() -> None:
    for part in PARTS:
        for start in part.tests:
            assert (ROOT / start.partition("::")[0]).exists() or list(
                (ROOT / start).parent.glob(f"{Path(start).name}*")
            ), start
            assert part_of(f"{start}x") is part
    assert part_of(
        "tests/reliability/test_crash_sweep.py::test_killed_everywhere_where_the_old_table_is_kept[a]"
    ).title.startswith("rebuild and attach killed")
    assert part_of("tests/new/test_new.py::test") is OTHERS
