"""What the commands print: results to stdout, progress and errors to stderr, colours and tables at a terminal only."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO, TypeAlias, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aaiclick.cli.machine.lines import JsonLines
from aaiclick.errors import AaiclickError
from aaiclick.printable import shown, shown_lines, shown_sql

if TYPE_CHECKING:
    from rich.console import JustifyMethod

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
_PIPE_WIDTH = 100_000
_PLAIN = str.maketrans({"✓": "+", "✗": "x", "·": "-", "…": "...", "→": "->"})


class PatientConsole(Console):
    """A console whose reader may go away (``| head``): it falls silent, where rich would end the process in the middle
    of a run."""

    def on_broken_pipe(self) -> None:
        """Print nothing more."""
        self.quiet = True


class Output:
    """The two streams of one command; ``as_json`` leaves stdout to ``result``."""

    def __init__(self, as_json: bool, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self.as_json = as_json
        self.lines: JsonLines | None = None
        """Where stderr is for a program (``--progress json``), all that is said there goes here."""
        self.plain = False
        """No bar, also at a terminal."""
        self.complete: Callable[[str], str] = str
        """Puts the run's target behind each command that a line names."""
        self.out = console(stdout or sys.stdout)
        self.err = console(stderr or sys.stderr)

    def stream(self, kind: str) -> None:
        """How progress is shown: 'auto', 'plain' or 'json'."""
        self.plain = kind == "plain"
        if kind == "json":
            self.lines = JsonLines(self.err.file)

    def result(self, value: Mapping[str, object]) -> None:
        """The one JSON document of a run with ``--json``."""
        self.document(json.dumps(value, indent=2, ensure_ascii=False))

    def document(self, text: str) -> None:
        """Text that another program reads: exactly as it is, in UTF-8 where the stream's encoding does not have it."""
        text = text if text.endswith("\n") else text + "\n"
        with quiet_pipe(), _result():
            try:
                self.out.file.write(text)
            except UnicodeEncodeError:
                # Nothing of it was written: it is encoded as a whole. Other letters in its place would be another name.
                self.out.file.flush()
                cast("TextIO", self.out.file).buffer.write(text.encode("utf-8", "backslashreplace"))
            self.out.file.flush()

    def say(self, text: str, style: str = "") -> None:
        """One line of the result, also where a name in it has a newline."""
        self._line(self.complete(text), style)

    def _line(self, text: str, style: str) -> None:
        with quiet_pipe(), _result():
            write_plain(self.out, shown(text), style)

    def tell(self, text: str, style: str = "") -> None:
        """One line of progress, or an error."""
        text = self.complete(text)
        if self.lines is not None:
            self.lines.write("Said", {"text": text})
            return
        with contextlib.suppress(OSError), quiet_pipe():
            write_plain(self.err, shown(text), style)

    def trace(self, text: str) -> None:
        """Several lines for whoever looks for a fault."""
        if self.lines is not None:
            self.lines.write("Trace", {"text": text})
            return
        with contextlib.suppress(OSError), quiet_pipe():
            write_plain(self.err, text)

    def sql(self, text: str) -> None:
        """SQL that can be copied: never wrapped; its comments are dim at a terminal, and nothing is changed in a
        pipe."""
        text = shown_sql(text)
        if not self.out.is_terminal:
            self.document(text)
            return
        for line in text.splitlines():
            self._line(line, "dim" if line.lstrip().startswith("--") else "")

    def table(
        self,
        headings: Sequence[str],
        rows: Sequence[Sequence[str]],
        numeric: frozenset[str] = frozenset(),
        prefix: str = "",
    ) -> None:
        """At a terminal a table that fits its width; in a pipe aligned columns, each line behind ``prefix``."""
        with quiet_pipe(), _result():
            if self.out.is_terminal:
                self.out.print(_table(headings, rows, numeric, pipe=False, encoding=self.out.encoding))
                return
            with self.out.capture() as captured:
                self.out.print(_table(headings, rows, numeric, pipe=True, encoding=self.out.encoding))
            for line in captured.get().splitlines():
                write_plain(self.out, (prefix + line).rstrip())


def console(stream: TextIO) -> Console:
    """A console that colours at a terminal and nowhere else (``NO_COLOR`` is honoured by rich)."""
    terminal = stream.isatty()
    width = None if terminal else _PIPE_WIDTH
    return PatientConsole(
        file=stream,
        force_terminal=terminal,
        force_interactive=terminal,
        force_jupyter=False,
        width=width,
        highlight=False,
        markup=False,
        emoji=False,
    )


def write_plain(target: Console, text: str, style: str = "") -> None:
    """Print without wrapping, markup or control characters; symbols become ASCII where the stream cannot hold them."""
    target.print(Text(fitting(shown_lines(text), target.encoding), style=style), soft_wrap=True)


def fitting(text: str, encoding: str) -> str:
    """The text in characters that the stream's encoding has."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    return text


class UnwrittenError(AaiclickError, OSError):
    """The result cannot be written to where stdout leads."""

    next_command = ""


def cannot_write(error: OSError) -> UnwrittenError:
    """What to say of it."""
    return UnwrittenError(f"the result cannot be written to stdout: {error.strerror or error}")


@contextlib.contextmanager
def _result() -> Generator[None, None, None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise cannot_write(error) from error


@contextlib.contextmanager
def quiet_pipe() -> Generator[None, None, None]:
    """A reader that went away (``| head``) ends the printing, never the work."""
    try:
        yield
    except (BrokenPipeError, ValueError) as error:
        # ValueError: I/O operation on closed file
        if isinstance(error, ValueError) and "closed file" not in str(error):
            raise


def _table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], numeric: frozenset[str], pipe: bool, encoding: str
) -> Table:
    from rich import box

    made = Table(box=None if pipe else box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for heading in headings:
        justify: JustifyMethod = "right" if heading in numeric else "left"
        made.add_column(heading, justify=justify, overflow="fold", no_wrap=pipe or heading in numeric)
    for row in rows:
        made.add_row(*(Text(fitting(shown_lines(cell), encoding)) for cell in row))
    return made
