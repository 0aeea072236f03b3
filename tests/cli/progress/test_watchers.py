"""Events as lines in a pipe and as a bar at a terminal."""

from __future__ import annotations

import io

import pytest

from aaiclick.cli.output import Output
from aaiclick.cli.progress.pace import Pace
from aaiclick.cli.progress.watchers import BarWatcher, Watcher, pace_text, watcher
from aaiclick.events import Event, Note, PlanReady, Progress, StepDone, StepStarted, Waiting
from tests.cli.scripted import COLOURS, ESCAPES, SORT_KEY, Terminal

STARTED = StepStarted(1, 2, "operation_log", SORT_KEY, "rebuild", 1000)
DONE = StepDone(1, 2, "operation_log", "rebuild", 1000, 0.42)
DONE_LINE = f"✓ operation_log: {SORT_KEY} · rebuild · 1,000 rows · 0.4 s"
SMALL = (
    StepStarted(2, 2, "task_logs", "table is missing", "create", 0),
    StepDone(2, 2, "task_logs", "create", 0, 0.01),
)


def lines(*events: Event) -> list[str]:
    err = io.StringIO()
    watch = watcher(Output(as_json=False, stdout=io.StringIO(), stderr=err))
    assert type(watch) is Watcher
    for event in events:
        watch(event)
    watch.close()
    assert "\x1b" not in err.getvalue()
    return err.getvalue().splitlines()


def test_a_run_in_a_pipe() -> None:
    assert lines(PlanReady("oplog", 2, 1000), STARTED, DONE, *SMALL) == [
        "oplog: 2 steps · 1,000 rows to copy",
        f"[1/2] operation_log: {SORT_KEY} · rebuild · 1,000 rows",
        DONE_LINE,
        "✓ task_logs: table was missing · create · 0.0 s",
    ]


def test_a_step_with_several_changes_lists_them() -> None:
    started = StepStarted(1, 1, "t", "column a is missing; sort key a -> (a, b)", "rebuild", 5)
    assert lines(started, StepDone(1, 1, "t", "rebuild", 5, 1.0)) == [
        "[1/1] t: 2 changes · rebuild · 5 rows",
        "✓ t: 2 changes · rebuild · 5 rows · 1.0 s",
        "    column a was missing",
        "    sort key a -> (a, b)",
    ]


def test_nothing_to_do_says_nothing_about_steps() -> None:
    assert lines(PlanReady("oplog", 0, 0)) == []


def test_a_long_copy_says_every_ten_seconds_how_far_it_is() -> None:
    samples = [Progress("t", "copy", second * 1000, 60_000, float(second)) for second in range(0, 61, 2)]
    assert lines(*samples) == [
        "  t: copy · 10,000 of 60,000 rows · 16 % · 1,000 rows/s · 50 s left",
        "  t: copy · 20,000 of 60,000 rows · 33 % · 1,000 rows/s · 40 s left",
        "  t: copy · 30,000 of 60,000 rows · 50 % · 1,000 rows/s · 30 s left",
        "  t: copy · 40,000 of 60,000 rows · 66 % · 1,000 rows/s · 20 s left",
        "  t: copy · 50,000 of 60,000 rows · 83 % · 1,000 rows/s · 10 s left",
        "  t: copy · 60,000 of 60,000 rows · 100 % · 1,000 rows/s",
    ]


def test_waiting_is_said_once_and_then_every_half_minute() -> None:
    events = [Waiting("host:1 migrates database app", float(second)) for second in range(0, 65, 5)]
    assert lines(*events, Waiting("inserts that still run", 0.0)) == [
        "waiting: host:1 migrates database app",
        "waiting: host:1 migrates database app · 30 s",
        "waiting: host:1 migrates database app · 1 minute",
        "waiting: inserts that still run",
    ]


def test_the_time_that_is_left_does_not_make_it_another_line() -> None:
    events = [
        Waiting(
            "host:1 migrates database app", float(second), f"its lease ends in {30 - second} s unless it is renewed"
        )
        for second in (0, 5, 10)
    ]
    assert lines(*events) == ["waiting: host:1 migrates database app (its lease ends in 30 s unless it is renewed)"]


def test_notes_and_warnings() -> None:
    assert lines(Note("a TTL was stopped"), Note("taking over", "warning")) == [
        "note: a TTL was stopped",
        "warning: taking over",
    ]


def test_a_resumed_copy_counts_its_own_rows_only() -> None:
    pace = Pace(Progress("t", "copy", 5_000_000, 6_000_000, 0.0))
    assert (pace.speed, pace.left) == (None, None)
    second = Progress("t", "copy", 5_200_000, 6_000_000, 2.0)
    pace.add(second)
    assert pace.speed == 100_000
    assert pace_text(second, pace) == "5,200,000 of 6,000,000 rows · 86 % · 100,000 rows/s · 8.0 s left"


def test_the_rate_begins_anew_where_time_or_rows_run_backwards() -> None:
    pace = Pace(Progress("t", "copy", 0, 100, 0.0))
    pace.add(Progress("t", "copy", 10, 100, 1.0))
    speeds = [pace.speed]
    for done, seconds in ((0, 0.0), (50, 1.0)):
        pace.add(Progress("t", "copy", done, 100, seconds))
        speeds.append(pace.speed)
    assert speeds == [10, None, 50]


def test_an_hour_between_two_chunks_does_not_take_the_time_that_is_left() -> None:
    pace = Pace(Progress("t", "copy", 0, 100, 0.0))
    for done in (10, 20):
        pace.add(Progress("t", "copy", done, 100, done * 59.0))
        assert pace.left == (100 - done) * 59


def test_mutations_count_parts() -> None:
    event = Progress("t", "mutation", 1, 4, 0.0)
    assert pace_text(event, Pace(event)) == "1 of 4 parts · 25 %"


def test_more_rows_than_expected_are_no_more_than_all() -> None:
    for done, total, words in (
        (120, 100, "120 of 100 rows · 100 %"),
        (0, 0, "0 of 0 rows"),
        (1, 1, "1 of 1 row · 100 %"),
    ):
        event = Progress("t", "copy", done, total, 1.0)
        assert pace_text(event, Pace(event)) == words


def at_terminal(*events: Event) -> str:
    err, now = Terminal(), [0.0]
    watch = BarWatcher(Output(as_json=False, stdout=io.StringIO(), stderr=err), lambda: now[0])
    assert type(watcher(Output(as_json=False, stdout=io.StringIO(), stderr=Terminal()))) is BarWatcher
    for event in events:
        if isinstance(event, Progress):
            now[0] = event.seconds
        watch(event)
        if watch._bar is not None:
            watch._bar.refresh()
    watch.close()
    return err.getvalue()


def test_a_run_at_a_terminal_has_a_bar_that_goes_and_lines_that_stay() -> None:
    shown = at_terminal(
        STARTED,
        Progress("operation_log", "copy", 0, 1000, 0.0),
        Progress("operation_log", "copy", 500, 1000, 1.0),
        DONE,
    )
    plain = ESCAPES.sub("", shown)
    assert "[1/2] operation_log: copy ━" in plain
    assert "500/1.00k rows 500 rows/s 0:00:01" in plain
    assert "━" not in plain.split("copy")[0]  # no bar before the number of rows is known
    assert plain.rstrip().endswith(DONE_LINE)
    # The cursor that the bar hid is back.
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    assert COLOURS.search(shown)


def test_no_color_keeps_the_bar_and_takes_the_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = at_terminal(STARTED, Progress("operation_log", "copy", 500, 1000, 1.0), DONE)
    assert "500/1.00k rows" in shown
    assert not COLOURS.search(shown)


def test_a_bar_fits_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    copy = [Progress("operation_log", "copy", done * 100_000, 50_000_000, done * 0.1) for done in range(3)]
    plain = ESCAPES.sub("", at_terminal(STARTED, *copy).replace("\x1b[2K", "\n"))
    assert [
        line
        for line in plain.splitlines()
        if "copy ━" in line and line.rstrip().endswith("200k/50.0M rows 1.00M rows/s 0:00:50")
    ]


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    err = Terminal()
    watch = watcher(Output(as_json=False, stdout=io.StringIO(), stderr=err))
    assert type(watch) is Watcher
    watch(STARTED)
    watch(DONE)
    assert err.getvalue().splitlines()[-1] == DONE_LINE


def test_names_are_no_markup_at_a_terminal() -> None:
    shown = ESCAPES.sub(
        "",
        at_terminal(StepStarted(1, 1, "[red]t[/red]", "x", "rebuild", 5), Progress("[red]t[/red]", "copy", 1, 5, 1.0)),
    )
    assert "[1/1] [red]t[/red]: copy" in shown


def test_a_terminal_that_is_gone_does_not_stop_the_run() -> None:
    err = Terminal()
    watch = watcher(Output(as_json=False, stdout=io.StringIO(), stderr=err))
    watch(STARTED)
    err.close()
    watch(Progress("operation_log", "copy", 500, 1000, 1.0))
    watch(DONE)
    watch.close()
