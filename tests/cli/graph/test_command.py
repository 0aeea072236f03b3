"""``aaiclick graph``."""

from __future__ import annotations

import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from aaiclick.cli.graph.picture import Node, Picture
from aaiclick.cli.graph.text import dot
from tests.cli.conftest import Ran, Script
from tests.cli.report import hostile

Run = Callable[..., Ran]
AT = ("--schema", "tests.cli.report.hostile:V2")


def test_mermaid(run: Run) -> None:
    ran = run("graph", *AT)
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "flowchart LR",
        '  n0["#60;script#62;alert#40;1#41;#60;#47;script#62;<br>table · MergeTree"]',
        '  n1["kept<br>table · MergeTree"]',
        '  n2[["seen#60;#47;title#62;#60;script#62;alert#40;5#41;#60;#47;script#62;<br>materialized view"]]',
        '  n3(["shown<br>view"])',
        '  n4[("lookup<br>dictionary · flat")]',
        f'  n5["{hostile.LONG}<br>table · MergeTree"]',
        '  n0 -->|"reads"| n2',
        '  n2 ==>|"feeds"| n1',
        '  n1 -->|"reads"| n3',
        '  n1 -->|"reads"| n4',
    ]
    assert "id  UInt64" in run("graph", *AT, "--columns").stdout


def test_dot(run: Run) -> None:
    ran = run("graph", *AT, "--format", "dot", "--columns")
    assert ran.stdout.startswith('digraph "hostile v2" {\n  rankdir=LR;\n')
    assert '  n1 [label="kept\\ltable · MergeTree\\lid  UInt64\\l", shape=box];' in ran.stdout
    assert '  n2 -> n1 [label="feeds", style=bold];' in ran.stdout
    graphviz = shutil.which("dot")
    if graphviz is not None:
        assert (
            b"<svg"
            in subprocess.run([graphviz, "-Tsvg"], input=ran.stdout.encode(), capture_output=True, check=True).stdout
        )


def test_dot_has_no_entities_in_names() -> None:
    """Graphviz reads ``&lt;`` in a label as one character: a name that holds it is shown as it is."""
    text = dot(Picture((Node("a&lt;b & c", "table", "MergeTree"),), ()), "t&t")
    assert text.startswith('digraph "t&t" {')
    assert 'label="a&amp;lt;b &amp; c\\ltable' in text


def test_svg_is_a_file_of_its_own(run: Run) -> None:
    text = run("graph", *AT, "--format", "svg").stdout
    tree = ET.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    assert [tree[0].tag, tree[0].text] == [f"{space}title", "hostile v2"]
    texts = [element.text for element in tree.iter(f"{space}text")]
    assert hostile.SCRIPT in texts
    assert "id  UInt64" not in texts
    assert "id  UInt64" in [
        each.text
        for each in ET.fromstring(run("graph", *AT, "--format", "svg", "--columns").stdout).iter(f"{space}text")
    ]
    assert {element.tag.removeprefix(space) for element in tree.iter()} == {
        "svg",
        "title",
        "desc",
        "style",
        "defs",
        "marker",
        "path",
        "rect",
        "g",
        "text",
    }
    assert text.count("http://www.w3.org") == 1  # the name of the language


def test_json_and_a_choice(run: Run) -> None:
    found = run("graph", *AT, "--json", "--only", "show*").document
    assert [node["name"] for node in found["nodes"]] == [hostile.SCRIPT, "kept", hostile.VIEW, "shown"]
    assert found["edges"][0] == {"source": hostile.SCRIPT, "target": hostile.VIEW, "way": "reads"}
    ran = run("graph", *AT, "--only", "nothing*")
    assert (ran.code, ran.stderr) == (2, "error: --only nothing*: nothing in the picture is called so\n")


def test_a_url_without_live_is_no_picture_of_something_else(run: Run) -> None:
    ran = run("graph", *AT, "--url", "chdb://memory")
    assert (ran.code, ran.stdout) == (2, "")
    assert ran.stderr == "error: --url goes with --live: without it the picture is of what is declared\n"


def test_the_live_database_is_asked_where_that_is_wanted(run: Run, script: Script) -> None:
    script.schema = hostile.V1.model_copy(update={"unsupported": {"odd": "nobody knows its engine"}})
    found = run("graph", "--live", "--json", "--database", "app").document
    assert [node["comment"] for node in found["nodes"] if node["name"] == "odd"] == ["nobody knows its engine"]
    assert script.asked[0]["database"] == "app"


@pytest.mark.slow
def test_a_declaration_in_sql_is_read_first(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tables = "CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id;\nCREATE VIEW v AS SELECT id FROM t;\n"
    (tmp_path / "tables.sql").write_text(tables)
    (tmp_path / "in_sql.py").write_text("from aaiclick import Schema\nS = Schema.from_sql('tables.sql', name='s')\n")
    found = run("graph", "--json", "--schema", "in_sql:S").document
    assert [node["kind"] for node in found["nodes"]] == ["table", "view"]
    assert found["edges"] == [{"source": "t", "target": "v", "way": "reads"}]
