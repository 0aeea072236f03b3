"""Events of a run: a bar at a terminal, plain lines elsewhere. Watching never stops the work: what cannot be printed is
not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress_bar import ProgressBar
from rich.text import Text

from aaiclick.cli.machine.lines import JsonLines
from aaiclick.cli.output import Output, fitting, quiet_pipe
from aaiclick.cli.progress.pace import WINDOW, Pace, unit_of
from aaiclick.cli.text.change_text import clauses, headline
from aaiclick.cli.text.numbers import count_text, rows_text, short_text
from aaiclick.events import INTERRUPTED, Event, Note, PlanReady, StepDone, StepStarted, Waiting
from aaiclick.events import Progress as RowsDone
from aaiclick.printable import seconds_text, shown

LINE_EVERY = 10.0
WAIT_LINE_EVERY = 30.0


def counted_words(event: RowsDone) -> str:
    """What is counted: ``copy``, and of which shard where each has its own."""
    return f"{event.phase} of shard {event.shard}" if event.shard else event.phase


def pace_text(event: RowsDone, pace: Pace) -> str:
    """``1,200,000 of 5,000,000 rows · 24 % · 300,000 rows/s · 13 s left``."""
    unit = unit_of(event.phase)
    parts = [f"{event.done:,} of {event.total:,} {unit if event.total != 1 else unit[:-1]}"]
    if event.total > 0:
        parts.append(f"{min(event.done, event.total) * 100 // event.total} %")
    if pace.speed:
        parts.append(f"{pace.speed:,.0f} {unit}/s")
        if event.done < event.total and pace.left is not None:
            parts.append(f"{seconds_text(pace.left)} left")
    return " · ".join(parts)


class Watcher:
    """Plain lines: one when a step is done, one every ten seconds of a copy, one when it has to wait."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._changes: dict[int, str] = {}
        self._pace: Pace | None = None
        self._phase = ("", "")
        self._last_line = 0.0
        self._waiting = ("", 0.0)

    def __call__(self, event: Event) -> None:
        """Take one event; never raises for a stream that is gone."""
        with contextlib.suppress(OSError), quiet_pipe():
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case PlanReady():
                if event.steps:
                    self._line(_ready(event))
            case StepStarted():
                self._changes[event.index] = event.change
                self._phase = ("", "")
                self._started(event)
            case RowsDone():
                if (event.object, counted_words(event)) != self._phase or self._pace is None:
                    self._phase, self._pace = (event.object, counted_words(event)), Pace(event)
                    self._last_line = event.seconds
                self._pace.add(event)
                self._progressed(event, self._pace)
            case StepDone():
                self._ended()
                change = _done(self._changes.pop(event.index, ""))
                self._line(done_line(event, change), "green")
                if len(parts := clauses(change)) > 1:
                    for part in parts:
                        self._line(f"    {part}", "dim")
            case Waiting():
                self._waited(event)
            case Note(text) if text == INTERRUPTED:
                pass  # the command says so itself, when it ends
            case Note():
                self._line(
                    f"{'warning' if event.level == 'warning' else 'note'}: {event.text}",
                    "yellow" if event.level == "warning" else "",
                )
            case _:
                pass  # figures for programs: they have lines of their own

    def close(self) -> None:
        """Take everything away that moves."""

    def _line(self, text: str, style: str = "") -> None:
        self._output.tell(text, style)

    def _started(self, event: StepStarted) -> None:
        """A step that only touches metadata is over before a line could be read."""
        if event.rows:
            self._line(f"[{event.index}/{event.total}] {started_line(event)}")

    def _progressed(self, event: RowsDone, pace: Pace) -> None:
        if event.seconds - self._last_line >= LINE_EVERY:
            self._last_line = event.seconds
            self._line(f"  {event.object}: {counted_words(event)} · {pace_text(event, pace)}")

    def _ended(self) -> None:
        pass

    def _waited(self, event: Waiting) -> None:
        what, since = self._waiting
        # Fewer seconds than last time: it is another wait for the same.
        if event.what != what or event.seconds < since or event.seconds - since >= WAIT_LINE_EVERY:
            self._waiting = (event.what, event.seconds)
            self._line(waiting_line(event))


class KnownBar(ProgressColumn):
    """A bar where the number of rows is known, and nothing where it is not: a bar that only swings tells nothing."""

    def __init__(self) -> None:
        self._bar = BarColumn(bar_width=24)
        super().__init__()

    def render(self, task: Task) -> ProgressBar | Text:
        return Text() if task.total is None else self._bar.render(task)


class LineWatcher(Watcher):
    """For a program: every event as it is."""

    def __init__(self, output: Output, lines: JsonLines) -> None:
        super().__init__(output)
        self._lines = lines

    def _take(self, event: Event) -> None:
        self._lines.event(event)


class SpeedColumn(ProgressColumn):
    """``300k rows/s``, as rich estimates it."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        if task.total is None or not task.speed:
            return Text()
        return Text(f"{short_text(task.speed)} {task.fields['unit']}/s", style="progress.data.speed")


class BarWatcher(Watcher):
    """At a terminal: what runs now is a line that moves, what is done scrolls away above it."""

    def __init__(self, output: Output, now: Callable[[], float] | None = None) -> None:
        super().__init__(output)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._title = ""
        self._now = now

    def close(self) -> None:
        """Remove the bar and give the cursor back."""
        if self._bar is not None:
            bar, self._bar, self._task = self._bar, None, None
            with quiet_pipe():
                bar.stop()

    def _started(self, event: StepStarted) -> None:
        self._title = f"[{event.index}/{event.total}] {event.object}"
        self._show(f"{self._title}: {headline(event.change)}")

    def _progressed(self, event: RowsDone, pace: Pace) -> None:
        title = self._title if self._title.endswith(f" {event.object}") else event.object
        unit = unit_of(event.phase)
        figures = f"{short_text(event.done)}/{short_text(event.total)} {unit}"
        self._show(f"{title}: {counted_words(event)}", figures, event.done, event.total, unit)

    def _waited(self, event: Waiting) -> None:
        self._show(waiting_line(event))

    def _ended(self) -> None:
        self.close()

    def _show(self, title: str, figures: str = "", done: int = 0, total: int = 0, unit: str = "") -> None:
        console = self._output.err
        title, figures = fitting(shown(title), console.encoding), fitting(figures, console.encoding)
        if self._bar is None:
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                KnownBar(),
                TextColumn("{task.fields[figures]}", markup=False),
                SpeedColumn(),
                TimeRemainingColumn(),
                console=console,
                transient=True,
                refresh_per_second=8,
                speed_estimate_period=WINDOW,
                get_time=self._now,
            )
            self._bar.start()
        bar = self._bar
        known = bar.tasks[0] if self._task is not None else None
        if known is not None and (known.description, known.total or 0) == (title, total) and done >= known.completed:
            bar.update(known.id, completed=done, figures=figures)
            return
        # Something else is counted now, from here on: rich keeps the rate of what it counted before.
        if known is not None:
            bar.remove_task(known.id)
        self._task = bar.add_task(title, total=total or None, completed=done, figures=figures, unit=unit)
        bar.advance(self._task, 0)


def watcher(output: Output) -> Watcher:
    """Objects where they are asked for; else the bar where stderr is a terminal that can move its cursor."""
    if output.lines is not None:
        return LineWatcher(output, output.lines)
    return (
        BarWatcher(output)
        if not output.plain and output.err.is_terminal and not output.err.is_dumb_terminal
        else Watcher(output)
    )


def started_line(event: StepStarted) -> str:
    """``operation_log: sort key ... · rebuild · 1,000 rows``."""
    return " · ".join(
        [f"{event.object}: {headline(event.change)}", event.strategy, *([rows_text(event.rows)] if event.rows else [])]
    )


def done_line(event: StepDone, change: str) -> str:
    """``✓ operation_log: sort key created_at -> (result_table, created_at) · rebuild · 1,000 rows · 0.4 s``."""
    what = f"{event.object}: {headline(change)}" if change else event.object
    return " · ".join(
        [f"✓ {what}", event.strategy, *([rows_text(event.rows)] if event.rows else []), seconds_text(event.seconds)]
    )


def _done(change: str) -> str:
    """``table is missing`` is no longer true when the step is done."""
    return "; ".join(
        f"{part.removesuffix(' is missing')} was missing" if part.endswith(" is missing") else part
        for part in clauses(change)
    )


def waiting_line(event: Waiting) -> str:
    """``waiting: host:4711 migrates database app (its lease ends in 18 s unless it is renewed) · 12 s``."""
    what = f"{event.what} ({event.ends})" if event.ends else event.what
    return f"waiting: {what} · {seconds_text(event.seconds)}" if event.seconds >= 1 else f"waiting: {what}"


def _ready(event: PlanReady) -> str:
    rows = f" · {rows_text(event.rows)} to copy" if event.rows else ""
    return f"{event.schema}: {count_text(event.steps, 'step', 'steps')}{rows}"
