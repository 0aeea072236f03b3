"""Streams: pipes get plain text, terminals colour, and nothing from a database is obeyed by a terminal."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aaiclick.cli.output import Output, UnwrittenError
from aaiclick.printable import shown, shown_lines
from tests.cli.scripted import COLOURS, ESCAPES, Terminal


def piped(encoding: str = "utf-8") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)


def text_of(stream: io.TextIOWrapper) -> str:
    raw = stream.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode(stream.encoding)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_behind_stdout_is_one_sentence_and_an_exit_code() -> None:
    # Written at once, and only when the buffer is emptied at the end.
    for arguments in (["dashboard"], ["--version"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [sys.executable, "-m", "aaiclick", *arguments],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert done.stderr == "error: the result cannot be written to stdout: No space left on device\n"
        assert done.returncode == 2
    output = Output(as_json=False, stdout=Full(), stderr=Full())
    for write in (output.document, output.say, output.sql):
        with pytest.raises(UnwrittenError, match="No space left on device"):
            write("x")
    output.tell("what is only told of ends nothing")


@pytest.mark.parametrize("stream", ["0<&- 1>&- 2>&-", "0<&-", "1>&-", "2>&-", "2>/dev/full"])
def test_a_stream_that_is_closed_or_full_stops_no_command(stream: str, tmp_path: Path) -> None:
    if stream.endswith("full") and not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    for command in ("migrate", "prune"):
        done = subprocess.run(
            ["sh", "-c", f'"{sys.executable}" -m aaiclick {command} --url chdb://{tmp_path}/data {stream}'],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        assert (done.returncode, "Error" in done.stdout + done.stderr) == (0, False), done
        assert len(list((tmp_path / "data" / "metadata").iterdir())) > 0


class Full(io.StringIO):
    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_pipe_gets_whole_lines_without_escape_codes() -> None:
    out, err = piped(), piped()
    output = Output(as_json=False, stdout=out, stderr=err)
    long = "x" * 500 + " [bold]no markup[/bold] :smile:"
    output.say(long, "green")
    output.tell("✗ progress", "red")
    assert text_of(out) == long + "\n"
    assert text_of(err) == "✗ progress\n"


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE", "CLICOLOR_FORCE"])
def test_a_pipe_stays_plain_whatever_the_environment_wants(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "1")
    out = piped()
    Output(as_json=False, stdout=out, stderr=out).say("text", "red")
    assert text_of(out) == "text\n"


def test_a_terminal_gets_colour_unless_no_color_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    Output(as_json=False, stdout=out, stderr=out).say("text", "red")
    assert COLOURS.search(out.getvalue())
    monkeypatch.setenv("NO_COLOR", "1")
    bare = Terminal()
    Output(as_json=False, stdout=bare, stderr=bare).say("text", "red")
    assert bare.getvalue() == "text\n"


def test_control_characters_are_shown_not_obeyed() -> None:
    assert shown("a\x1b[31mb\x07c\x9bd\u202ee\tf\ng é✓") == "a\\x1b[31mb\\x07c\\x9bd\\u202ee\\tf\\ng é✓"
    assert shown_lines("a\x1b[31mb\x07c\x9bd\u202ee\tf\ng é✓") == "a\\x1b[31mb\\x07c\\x9bd\\u202ee\tf\ng é✓"
    out = Terminal()
    Output(as_json=False, stdout=out, stderr=out).say("evil \x1b]0;title\x07 name")
    assert "\x1b]" not in out.getvalue()
    assert "\\x1b]0;title\\x07" in out.getvalue()


def test_a_stream_without_unicode_gets_ascii() -> None:
    out = piped("ascii")
    Output(as_json=False, stdout=out, stderr=out).say("✓ a · b é")
    assert text_of(out) == "+ a - b \\xe9\n"


def test_a_document_is_exact_also_where_the_stream_has_no_unicode() -> None:
    """SQL, pictures and JSON are read by programs: with other letters a name would be another one."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    out = Output(as_json=False, stdout=stream)
    out.sql("-- before")
    out.document("CREATE TABLE `имя` · 1")
    out.document("plain")
    assert raw.getvalue().decode("utf-8") == "-- before\nCREATE TABLE `имя` · 1\nplain\n"


def test_tables_fit_a_terminal_and_are_whole_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    rows = [("operation_log", "sort key created_at -> (result_table, created_at)", "1,000")]
    out, terminal = piped(), Terminal()
    Output(as_json=False, stdout=out, stderr=out).table(
        ("object", "change", "rows"), rows, frozenset({"rows"}), prefix="-- "
    )
    Output(as_json=False, stdout=terminal, stderr=terminal).table(
        ("object", "change", "rows"), rows, frozenset({"rows"})
    )
    assert text_of(out).splitlines() == [
        "-- object         change                                              rows",
        "-- operation_log  sort key created_at -> (result_table, created_at)  1,000",
    ]
    assert max(len(line) for line in ESCAPES.sub("", terminal.getvalue()).splitlines()) <= 40
    assert "operation_log" in terminal.getvalue()


def test_sql_is_left_alone_in_a_pipe_and_not_wrapped_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    sql = "-- a comment\nSELECT 'a\tb'" + ", 1" * 50
    out, terminal = piped(), Terminal()
    Output(as_json=False, stdout=out, stderr=out).sql(sql)
    Output(as_json=False, stdout=terminal, stderr=terminal).sql(sql)
    assert text_of(out) == sql + "\n"
    assert ESCAPES.sub("", terminal.getvalue()).splitlines()[1].endswith(", 1" * 50)


def test_json_is_written_as_it_is() -> None:
    out = piped()
    Output(as_json=True, stdout=out, stderr=out).result({"a": ["é", None, 1.5, {"b": True}]})
    assert json.loads(text_of(out)) == {"a": ["é", None, 1.5, {"b": True}]}


def test_a_reader_that_went_away_stops_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        os.write(writing, b"x")
    with io.TextIOWrapper(os.fdopen(writing, "wb", buffering=0), write_through=True) as stream:
        output = Output(as_json=False, stdout=stream, stderr=stream)
        output.document("result")
        output.say("result")
        output.tell("progress")
        output.sql("SELECT 1")
        output.table(("a",), [("b",)])
    output.tell("the stream is closed by now")
