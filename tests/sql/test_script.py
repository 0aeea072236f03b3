"""Semicolons that end a statement, and those that do not."""

from __future__ import annotations

import pytest

from aaiclick.sql.script import ScriptError, normal_text, split_statements


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("", []),
        (" ;; \n;", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1;SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';'; SELECT 'a\\';b'", ["SELECT ';'", "SELECT 'a\\';b'"]),
        ("SELECT 'it''s;'; x", ["SELECT 'it''s;'", "x"]),
        ('SELECT `a;b`, "c;d"; x', ['SELECT `a;b`, "c;d"', "x"]),
        ("-- a; b\nSELECT 1 -- c; d\n; /* e; */ SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT 1 /* a; \n b */ + 2; x", ["SELECT 1 /* a; \n b */ + 2", "x"]),
        ("SELECT $$a;b$$; SELECT $tag$ $$;' $tag$", ["SELECT $$a;b$$", "SELECT $tag$ $$;' $tag$"]),
        ("INSERT INTO t VALUES (1, ';'), (2, '--');\n\nx", ["INSERT INTO t VALUES (1, ';'), (2, '--')", "x"]),
        ("SELECT '/*'; SELECT '*/'", ["SELECT '/*'", "SELECT '*/'"]),
        ("SELECT 'ü;€'; x", ["SELECT 'ü;€'", "x"]),
        ("SELECT map('a', [1, 2]).keys; SELECT {x:UInt8}", ["SELECT map('a', [1, 2]).keys", "SELECT {x:UInt8}"]),
        ("a\r\n;\r\nb", ["a", "b"]),
    ],
)
def test_statements_are_cut(script: str, expected: list[str]) -> None:
    assert [statement.text for statement in split_statements(script)] == expected


def test_every_statement_knows_its_line() -> None:
    assert [
        statement.line for statement in split_statements("\n-- one\nSELECT 1;\n\n/* two\n*/ SELECT\n2; SELECT 3")
    ] == [3, 6, 7]


@pytest.mark.parametrize(
    ("script", "line", "words"),
    [
        ("SELECT 1;\nSELECT 'open;\nSELECT 2", 2, "a string begins here"),
        ("\n\nSELECT `open", 3, "a quoted name begins here"),
        ("SELECT 1;\n/* open; \n SELECT 2;", 2, "a comment begins here"),
        ("SELECT 1;\nSELECT (1, [2);", 2, "closes nothing"),
        ("SELECT 1;\n\nSELECT (1;", 3, "never closed"),
        ("SELECT (1,\n2,\n(3)\n;", 1, "never closed"),
        ("SELECT (\n'(' /* ( */, [2,\n(3)\n;", 2, "never closed"),
        ("SELECT 1);", 1, "closes nothing"),
    ],
)
def test_what_cannot_be_cut_names_its_line(script: str, line: int, words: str) -> None:
    with pytest.raises(ScriptError, match=words) as caught:
        split_statements(script)
    assert caught.value.line == line


def test_spaces_and_comments_do_not_count_but_quotes_do() -> None:
    assert normal_text("SELECT  a -- x\n , 'b'") == normal_text("SELECT a,/* y */'b'")
    assert normal_text("SELECT a, 'b'") != normal_text("SELECT a, b")
    assert normal_text("SELECT 'a  b'") != normal_text("SELECT 'a b'")
