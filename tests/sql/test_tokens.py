"""The tokenizer, alone and against the engine's own quoting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.render import column_form_sql, form_sql, target_parts, target_text
from aaiclick.routine import Connection, Query
from aaiclick.sql.quoting import quote_name, quote_string
from aaiclick.sql.tokens import TokenError, Tokens, identifier, signature, split_top, unquote

TEXTS = st.text(
    alphabet=st.one_of(
        st.sampled_from("`'\"\\ .,()$\n\t\r\0\b\f-/*{}#é漢😀aBx0_"), st.characters(exclude_categories=["Cs"])
    ),
    max_size=20,
)
NAMES = TEXTS.filter(lambda name: name.strip() != "")


@given(TEXTS)
def test_a_quoted_string_is_one_token_and_reads_back(text: str) -> None:
    tokens = Tokens(quote_string(text))
    assert [token.kind for token in tokens.items] == ["string"]
    assert unquote(tokens.items[0].text) == text


@given(NAMES, NAMES)
def test_quoted_names_are_identifiers(database: str, table: str) -> None:
    tokens = Tokens(f"{quote_name(database)}.{quote_name(table)}")
    assert identifier(tokens, 0) == ((database, table), 3)


@given(NAMES, NAMES)
def test_a_target_reads_back(database: str, table: str) -> None:
    assert target_parts(target_text(None, table)) == (None, table)
    assert target_parts(target_text(database, table)) == (database, table)


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_commas_inside_quotes_and_brackets_do_not_split(texts: list[str]) -> None:
    pieces = [f"f({quote_string(text)}, [1, {{a: 2}}])" for text in texts]
    assert split_top(", ".join(pieces)) == pieces


@given(NAMES, NAMES, TEXTS, TEXTS)
def test_a_form_with_any_names_and_comments_splits_into_itself(
    table: str, column: str, comment: str, other: str
) -> None:
    form = TableForm(
        table,
        "Memory",
        (ColumnForm(column, "UInt8", comment=comment), ColumnForm(f"{column}2", "String")),
        comment=other,
    )
    assert split_create(form_sql(form, "some db", table), "some db") == form


@given(
    st.lists(
        st.sampled_from(
            ["a", "1", "'x'", "`y z`", "f(1, 2)", "+", ",", "(b)", "[c]", "$$d$$", "1.5e3", "0x1F", "->", "::"]
        ),
        max_size=12,
    )
)
def test_tokens_cover_the_text(parts: list[str]) -> None:
    text = " ".join(parts)
    assert "".join(token.text for token in Tokens(text).items) == text.replace(" ", "").replace("`yz`", "`y z`")


def test_the_engine_reads_the_same_names_and_comments(connection: Connection) -> None:
    """A column with every awkward character, made from our text, comes back as it was."""
    names = [
        "a b",
        "a`b",
        "a\\b",
        "a\nb",
        "a\tb",
        "a'b",
        'a"b',
        "a.b",
        "é",
        "漢字",
        "1a",
        "SELECT",
        "a--b",
        "a/*b",
        "$a$",
        "a;b",
    ]
    columns = ", ".join(column_form_sql(ColumnForm(name, "UInt8", comment=name)) for name in names)
    text = connection.query(
        Query(f"SELECT formatQuerySingleLine({quote_string(f'CREATE TABLE t ({columns}) ENGINE = Memory')})")
    )[0][0]
    form = split_create(str(text), "")
    assert isinstance(form, TableForm)
    assert [(column.name, column.comment) for column in form.columns] == [(name, name) for name in names]


@pytest.mark.parametrize(
    ("token", "plain"),
    [
        (r"'it\'s'", "it's"),
        ("'it''s'", "it's"),
        (r"'\x41\n\t\\'", "A\n\t\\"),
        (r"'a\dq'", r"a\dq"),
        ("`a``b`", "a`b"),
        ('"a""b"', 'a"b'),
        ("""'a""b``c'""", 'a""b``c'),
        ("""`a''b`""", "a''b"),
        ("$tag$a'b$tag$", "a'b"),
        ("word", "word"),
        ("''", ""),
        ("\u2018a''b\\n\u2019", "a''b\\n"),
        ("\u201ca``b\u201d", "a``b"),
    ],
)
def test_unquote(token: str, plain: str) -> None:
    assert unquote(token) == plain


def test_what_word_processors_write(connection: Connection) -> None:
    """The server reads their minus sign, quotes and blanks, so an expression that was pasted may hold them."""
    text = "SELECT\u00a03 \u2212 \u201ca\u201d\u200b, \u2018x y\u2019 # said (\nFROM (SELECT 1 AS a)"
    assert list(connection.query(Query(text))[0]) == [2, "x y"]
    kinds = [token.kind for token in Tokens(text).items]
    assert kinds == [
        "word",
        "number",
        "op",
        "name",
        "op",
        "string",
        "word",
        "open",
        *["word", "number", "word", "word"],
        "close",
    ]


@pytest.mark.parametrize("text", ["'open", "`open", "(", "(]", ")", "a #b", "a § 1", "f(1"])
def test_what_is_no_sql_is_an_error(text: str) -> None:
    with pytest.raises(TokenError):
        Tokens(text)


def test_comments_are_space() -> None:
    assert signature("SELECT 1 -- one, '\n /* two ) */ + // it's\n 2") == signature("SELECT 1 + 2")


def test_a_signature_ignores_needless_quotes() -> None:
    assert signature("`a`.`b` = 'x'") == signature("a.\"b\" = 'x'")
    assert signature("a = 'b'") != signature("a = b")
