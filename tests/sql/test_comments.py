"""Comments and statements are those that the engine sees."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aaiclick.errors import StatementError
from aaiclick.routine import Connection, Query
from aaiclick.sql.comments import OpenCommentError, comments, without_comments
from aaiclick.sql.script import split_statements

JUNK = st.lists(
    st.sampled_from(
        [
            *" \n\t",
            "-- ;'\n",
            "--\n",
            "# `;\n",
            '#! ";\n',
            "// ;$$\n",
            "/* ; */",
            "/**/",
            "/* /* ; */ ' */",
            "/* -- */",
            "/*/ ; */",
            "-- /* \n",
            "\u00a0",
            "\r\n",
        ]
    ),
    max_size=4,
).map("".join)
VALUE = st.sampled_from(
    [
        "1",
        "'a;b'",
        "'it''s;'",
        r"'\';'",
        "'--;'",
        "'/*;'",
        "`a;` + 1 AS `a;`",
        '"b;" + 1 AS "b;"',
        "$$;$$",
        "$t$ ;' $$ $t$",
        "'# ;'",
        r"'\\'",
        "$_1$;$_1$",
        "1 AS a$b$",
        "1 AS c$$",
        "''",
        "'`;'",
        "'\n;\n'",
        "(1, ';')",
    ]
)
STATEMENT = st.lists(st.tuples(JUNK, VALUE, JUNK).map("".join), min_size=1, max_size=4).map(",".join)
SCRIPT = st.lists(
    st.tuples(JUNK, STATEMENT, JUNK).map(lambda parts: f"{parts[0]}SELECT {parts[1]}{parts[2]}"), max_size=4
).flatmap(lambda parts: st.sampled_from([";", ";;", "; ;"]).map(lambda end: end.join(parts)))


BLANK = " \t\r\n\u00a0;"


def by_engine(connection: Connection, script: str) -> list[str]:
    """The statements that the engine's own parser finds: it says where the first of several ends."""
    found: list[str] = []
    left = script.encode()
    while visible := without_comments(left.decode()).strip(BLANK):
        left = left.decode()[without_comments(left.decode()).index(visible) :].encode()
        try:
            connection.query(Query("SELECT formatQuerySingleLine(unhex({sql:String}))", {"sql": left.hex()}))
        except StatementError as error:
            several = re.search(r"Multi-statements are not allowed\): failed at position (\d+)", error.message)
            if several is None:
                raise
            end = int(several[1]) - 1
            found.append(left[:end].decode())
            left = left[end + 1 :]
            continue
        return [*found, left.decode()]
    return found


@settings(max_examples=25)
@given(SCRIPT)
def test_what_the_engine_takes_as_n_statements_is_n_statements(connection: Connection, script: str) -> None:
    taken = by_engine(connection, script)
    split = split_statements(script)
    assert len(split) == len(taken)
    for mine, engines in zip(split, taken, strict=True):
        assert mine.text in engines
        assert without_comments(engines).strip(BLANK) == without_comments(mine.text).strip(BLANK)


@pytest.mark.parametrize("sign", ["a$b$;$b$", "#x;", "/* */ */"])
def test_what_only_looks_like_a_comment_or_a_heredoc_hides_nothing(sign: str) -> None:
    assert comments(sign.replace("/* */", "")) == ()
    assert without_comments(sign).count(";") == sign.count(";")


def test_comments_become_spaces() -> None:
    assert without_comments("a -- b\nc /* d\ne */ f") == "a     \nc     \n     f"
    assert [comment.text for comment in comments("-- a: b \n# c\n/* d\ne */ // f\n'-- no'")] == [
        "a: b",
        "c",
        "d\ne",
        "f",
    ]


def test_a_comment_that_never_ends_names_its_place() -> None:
    with pytest.raises(OpenCommentError) as caught:
        comments("SELECT 1 /* /* */")
    assert caught.value.offset == 9
