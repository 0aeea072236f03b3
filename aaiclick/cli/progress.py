"""Events of a run: a bar at a terminal, plain lines elsewhere. Watching never stops the work: what cannot be printed is
not."""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass, field

from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.progress_bar import ProgressBar
from rich.text import Text

from aaiclick.cli.change_text import clauses, headline
from aaiclick.cli.machine.lines import JsonLines
from aaiclick.cli.numbers import count_text, rows_text, seconds_text, short_text
from aaiclick.cli.output import Output, fitting, quiet_pipe
from aaiclick.events import INTERRUPTED, Event, Note, PlanReady, StepDone, StepStarted, Waiting
from aaiclick.events import Progress as RowsDone
from aaiclick.printable import shown

WINDOW = 30.0
LINE_EVERY = 10.0
WAIT_LINE_EVERY = 30.0


@dataclass(slots=True)
class Rate:
    """Rows per second over the last half minute of one phase; a resumed copy does not count what was there before."""

    samples: deque[tuple[float, int]] = field(default_factory=deque[tuple[float, int]])

    def add(self, seconds: float, done: int) -> None:
        """A sample; time or rows that run backwards begin anew."""
        if self.samples and (seconds < self.samples[-1][0] or done < self.samples[-1][1]):
            self.samples.clear()
        self.samples.append((seconds, done))
        while len(self.samples) > 2 and seconds - self.samples[1][0] >= WINDOW:
            self.samples.popleft()

    @property
    def per_second(self) -> float | None:
        """None before two samples lie apart."""
        if not self.samples:
            return None
        (start, before), (end, after) = self.samples[0], self.samples[-1]
        return (after - before) / (end - start) if end > start and after > before else None


def figures(event: RowsDone, rate: Rate) -> str:
    """``1,200,000 of 5,000,000 rows · 24 % · 300,000 rows/s · 13 s left``."""
    parts = [f"{event.done:,} of {rows_text(event.total)}"]
    if event.total > 0:
        parts.append(f"{min(event.done, event.total) * 100 // event.total} %")
    speed = rate.per_second
    if speed is not None:
        parts.append(f"{speed:,.0f} rows/s")
        if event.done < event.total:
            parts.append(f"{seconds_text((event.total - event.done) / speed)} left")
    return " · ".join(parts)


def short_figures(event: RowsDone, rate: Rate) -> str:
    """``1.2M/5.0M rows · 300.0k rows/s · 13 s left``: what fits beside a bar."""
    parts = [f"{short_text(event.done)}/{short_text(event.total)} rows"]
    speed = rate.per_second
    if speed is not None:
        parts.append(f"{short_text(speed)} rows/s")
        if event.done < event.total:
            parts.append(f"{seconds_text((event.total - event.done) / speed)} left")
    return " · ".join(parts)


class Watcher:
    """Plain lines: one when a step is done, one every ten seconds of a copy, one when it has to wait."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._changes: dict[int, str] = {}
        self._rate = Rate()
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
                if (event.object, event.phase) != self._phase:
                    self._phase, self._rate, self._last_line = (event.object, event.phase), Rate(), event.seconds
                self._rate.add(event.seconds, event.done)
                self._progressed(event)
            case StepDone():
                self._ended()
                change = self._changes.pop(event.index, "")
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

    def _progressed(self, event: RowsDone) -> None:
        if event.seconds - self._last_line >= LINE_EVERY:
            self._last_line = event.seconds
            self._line(f"  {event.object}: {event.phase} · {figures(event, self._rate)}")

    def _ended(self) -> None:
        pass

    def _waited(self, event: Waiting) -> None:
        what, since = self._waiting
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


class BarWatcher(Watcher):
    """At a terminal: what runs now is a line that moves, what is done scrolls away above it."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._title = ""

    def close(self) -> None:
        """Remove the bar and give the cursor back."""
        if self._bar is not None:
            bar, self._bar, self._task = self._bar, None, None
            with quiet_pipe():
                bar.stop()

    def _started(self, event: StepStarted) -> None:
        self._title = f"[{event.index}/{event.total}] {event.object}"
        self._show(f"{self._title}: {headline(event.change)}", "", 0, 0)

    def _progressed(self, event: RowsDone) -> None:
        title = self._title if self._title.endswith(f" {event.object}") else event.object
        self._show(f"{title}: {event.phase}", short_figures(event, self._rate), event.done, event.total)

    def _waited(self, event: Waiting) -> None:
        self._show(waiting_line(event), "", 0, 0)

    def _ended(self) -> None:
        self.close()

    def _show(self, title: str, figures: str, done: int, total: int) -> None:
        console = self._output.err
        title, figures = fitting(shown(title), console.encoding), fitting(figures, console.encoding)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=title, total=total or None, completed=done, figures=figures)
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            KnownBar(),
            TextColumn("{task.fields[figures]}", markup=False),
        )
        self._bar = Progress(*columns, console=console, transient=True, refresh_per_second=8)
        self._task = self._bar.add_task(title, total=total or None, completed=done, figures=figures)
        self._bar.start()


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


def waiting_line(event: Waiting) -> str:
    """``waiting: host:4711 migrates database app (its lease ends in 18 s unless it is renewed) · 12 s``."""
    what = f"{event.what} ({event.ends})" if event.ends else event.what
    return f"waiting: {what} · {seconds_text(event.seconds)}" if event.seconds >= 1 else f"waiting: {what}"


def _ready(event: PlanReady) -> str:
    rows = f" · {rows_text(event.rows)} to copy" if event.rows else ""
    return f"{event.schema}: {count_text(event.steps, 'step', 'steps')}{rows}"
