"""What the server's codes mean."""

from __future__ import annotations

from clickhouse_connect.driver.client import Client

from aaiclick.errors import ApplyError, SpecError, StatementError
from aaiclick.explanations import EXPLANATIONS, explanation_of
from tests.cli.codes_page import PAGE, written


def test_the_names_are_those_of_the_server(aaiclick_client: Client) -> None:
    listed = ", ".join(map(str, EXPLANATIONS))
    rows = aaiclick_client.query(f"SELECT arrayJoin([{listed}]) AS code, errorCodeToName(code)").result_rows
    assert {code: found.name for code, found in EXPLANATIONS.items()} == {int(code): str(name) for code, name in rows}


def test_sentences_have_no_links_and_end_once() -> None:
    for found in EXPLANATIONS.values():
        for text in (found.means, found.to_do):
            assert text
            assert "://" not in text
            assert not text.endswith(".")


def test_the_code_behind_an_error_counts() -> None:
    refused = StatementError("Code: 241. DB::Exception: too much", 241)
    failed = ApplyError("step t:rebuild: too much")
    failed.__cause__ = refused
    assert explanation_of(failed) == explanation_of(refused)
    assert explanation_of(refused).startswith("241 MEMORY_LIMIT_EXCEEDED: the statement needed more memory than")
    assert explanation_of(StatementError("x", 4242)) == explanation_of(ApplyError("x")) == ""


def test_the_page_has_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert written(text) == text


def test_a_wrong_declaration_is_explained_by_the_name_of_its_code() -> None:
    refused = SpecError("table t", "Unknown data type family: Uint64. Maybe you meant: ['UInt64']. (UNKNOWN_TYPE)")
    assert explanation_of(refused).startswith("50 UNKNOWN_TYPE: this server has no type of that name")
    assert explanation_of(SpecError("table t", "declared twice (UNKNOWN)")) == ""
