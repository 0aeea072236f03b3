"""The reports of the command line: what stands in them, and that nothing in a name or comment becomes markup."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from aaiclick.cli.report.plan_page import PlanReport, plan_page
from aaiclick.commands.compared import ComparedPlan
from aaiclick.plan.gate import judge
from aaiclick.plan.policy import Policy
from aaiclick.specs import Schema
from tests.cli.conftest import Ran, Script
from tests.cli.report.conftest import Reports
from tests.cli.report.hostile import COMMENTS, SCRIPT
from tests.cli.scripted import drop, plan, rebuild, status


class Page(HTMLParser):
    """Elements and attributes, as a browser would see them."""

    VOID = frozenset({"meta", "input", "br"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page_of(file: Path) -> Page:
    return Page(file.read_text(encoding="utf-8"))


def test_names_and_comments_are_texts(reports: Reports) -> None:
    for file in reports.all:
        page = page_of(file)
        tags = {tag for tag, _ in page.elements}
        assert tags.isdisjoint({"script", "img", "iframe", "object", "embed", "link", "form", "b", "base"})
        assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
        assert not [name for _, attributes in page.elements for name in attributes if name == "style"]
        assert [text for text in page.texts if SCRIPT in text], file.name
    said = " ".join(page_of(reports.status).texts)
    assert COMMENTS[0] in said
    assert "alert(5)" in said
    planned = " ".join(page_of(reports.plan).texts)
    assert COMMENTS[2].replace("'", "\\'") in planned


def test_nothing_is_asked_for(reports: Reports) -> None:
    for file in reports.all:
        text = file.read_text(encoding="utf-8")
        page = Page(text)
        policy = next(attributes for _, attributes in page.elements if "http-equiv" in attributes)["content"] or ""
        assert re.match(r"default-src 'none'; style-src 'sha256-[\w+/]+='; ", policy)
        links = [
            value or ""
            for tag, attributes in page.elements
            for name, value in attributes.items()
            if name in ("href", "src", "srcset", "action", "data", "xlink:href") or (tag == "meta" and name == "url")
        ]
        assert links
        assert not [link for link in links if not link.startswith("#")]
        style = text.partition("<style>")[2].partition("</style>")[0]
        assert not re.search(r"@import|url\(|https?:", style)


def test_every_link_leads_somewhere_and_every_label_is_there(reports: Reports) -> None:
    for file in reports.all:
        elements = page_of(file).elements
        ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
        assert len(ids) == len(set(ids))
        led = {(attributes.get("href") or "#").removeprefix("#") for tag, attributes in elements if tag == "a"}
        assert led <= set(ids)
        named = {
            each for _, attributes in elements for each in (attributes.get("aria-labelledby") or "").split() if each
        }
        assert named <= set(ids)
        assert [tag for tag, _ in elements].count("h1") == 1
        assert next(attributes for tag, attributes in elements if tag == "a")["class"] == "skip"


def test_the_plan_shows_both_definitions_and_folds_the_sql(reports: Reports) -> None:
    text = reports.plan.read_text(encoding="utf-8")
    assert '<td class="gone">' in text
    assert "ORDER BY id" in text
    assert "ORDER BY `a&amp;b`" in text
    assert "1,000 rows" in text
    assert "holds-up-writers" in text
    assert re.search(r"<details><summary>SQL: \d statements</summary><pre>", text)
    assert "To carry it out: <code>aaiclick migrate" in text


def test_the_status_marks_what_differs_and_history_shows_the_run(reports: Reports) -> None:
    text = reports.status.read_text(encoding="utf-8")
    assert "code expects v2: behind" in text
    assert text.count('class="small marked">differs<') == 4  # two tables, in the boxes with and without columns
    told = reports.history.read_text(encoding="utf-8")
    assert "exit code 0" in told
    for lane in ("step", "copy", "chunks", "writers refused"):
        assert f"&lt;/script&gt;: {lane}</title>" in told
    assert "SELECT `id`" in told


def test_blocked_and_refused_steps_are_said_first() -> None:
    made = plan(rebuild(), rebuild(id="b", object="other", blocked="3 rows hold <NULL>"), drop(object="third"))
    policy = Policy.safe()
    verdict = judge(made, policy)
    compared = ComparedPlan(made, Schema("oplog", version=5, objects=[]), {}, {})
    outcomes = {"1": "refused", "b": "blocked", "2": "left alone"}
    text = plan_page(PlanReport(compared, verdict, policy.words, outcomes, "aaiclick migrate", "here", "now"))
    summary = text.partition('id="summary"')[2].partition("</section>")[0]
    assert "Blocked: <code>other</code>" in summary
    assert "3 rows hold &lt;NULL&gt;" in summary
    assert "Refused by policy safe" in summary
    assert "--allow &#x27;drop-column operation_log.args&#x27;" in text


def test_a_long_change_is_folded_behind_its_beginning() -> None:
    long = f"column a: default '{'x' * 2000}'"
    step = replace(rebuild(), change=f"{long}; sort key a -> b")
    policy = Policy.lossless()
    compared = ComparedPlan(plan(step), Schema("oplog", version=5, objects=[]), {}, {})
    page = Page(
        plan_page(
            PlanReport(
                compared,
                judge(compared.plan, policy),
                policy.words,
                {step.id: "runs"},
                "aaiclick migrate",
                "here",
                "now",
            )
        )
    )
    assert f"{long[:150]} ..." in page.texts
    assert long in page.texts
    assert "sort key a -> b" in page.texts


def test_a_report_goes_with_the_answer_and_never_over_another_file(
    run: Callable[..., Ran], script: Script, tmp_path: Path
) -> None:
    script.status = status()
    file = tmp_path / "status.html"
    assert run("status", "--json", "--html", str(file)).document["state"] == "behind"
    first = file.read_text(encoding="utf-8")
    assert "<title>oplog: behind</title>" in first
    assert run("status", "--html", str(file)).code == 1  # an older report is replaced
    file.write_text("mine", encoding="utf-8")
    ran = run("status", "--html", str(file))
    assert (ran.code, file.read_text(encoding="utf-8")) == (2, "mine")
    assert ran.stderr.startswith(f"error: {file} holds something else than a report")
    for wrong, said in ((tmp_path, "is a folder"), (tmp_path / "no" / "x.html", "there is no folder")):
        refused = run("plan", "--html", str(wrong))
        assert refused.code == 2
        assert said in refused.stderr
    assert len(script.asked) == 2  # the path is looked at before the database is


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("status", "--database", "t_*", "--html", "x.html"), "--html is about one database"),
        (("history", "--run", "x.jsonl"), "--run is for a report: give --html FILE, too"),
        (("history", "--html", "x.html", "--run", "x.jsonl"), "x.jsonl cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_reported(
    run: Callable[..., Ran],
    script: Script,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run(*arguments)
    assert ran.code == 2
    assert said in ran.stderr
    assert [*tmp_path.glob("*.html")] == []


def test_a_report_without_a_history(run: Callable[..., Ran], tmp_path: Path) -> None:
    file = tmp_path / "history.html"
    assert run("history", "--url", f"chdb://{tmp_path}/none", "--html", str(file)).code == 0
    assert "Nothing was recorded yet." in file.read_text(encoding="utf-8")
