"""``aaiclick plan``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aaiclick.cli import calls
from aaiclick.cli.failures import ExitCode
from aaiclick.cli.frame import Frame
from aaiclick.cli.options import Allow, Chosen, Database, Debug, Env, Given, HtmlFile, Json, KeepOld, Reference, Url
from aaiclick.errors import UsageError

if TYPE_CHECKING:
    from aaiclick.commands.compared import ComparedPlan
    from aaiclick.plan.policy import Policy

Out = Annotated[
    str | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="Write the plan to this file, for aaiclick migrate --plan. A file that holds something else stays.",
    ),
]
Markdown = Annotated[
    bool, typer.Option("--markdown", help="Print it as Markdown, for the description of a pull request.")
]
Quick = Annotated[
    bool,
    typer.Option(
        "--quick", help="Look at no row. Steps then say what was not looked at; such a one may become another."
    ),
]


def plan(
    *,
    out: Out = None,
    markdown: Markdown = False,
    html: HtmlFile = None,
    quick: Quick = False,
    json: Json = False,
    url: Url = None,
    database: Database = None,
    schema: Reference = None,
    env: Env = None,
    var: Given = None,
    allow: Allow = None,
    policy: Chosen = None,
    keep_old: KeepOld = None,
    debug: Debug = False,
) -> None:
    """Say what would be done, for somebody to approve.

    Changes nothing. aaiclick migrate --plan FILE carries the plan out where it is still the same.

    Exit code 0: here is the plan, whether or not there is anything to do. 2: error. 130: interrupted.
    """
    keys = tuple(allow or ())
    frame = Frame(
        "plan",
        json,
        debug,
        url,
        database,
        schema,
        env,
        policy.value if policy is not None else None,
        keep_old,
        extra=(
            ("--out", out),
            ("--html", str(html) if html is not None else None),
            ("--policy", policy.value if policy is not None else None),
            ("--keep-old", keep_old),
            *(("--allow", key) for key in keys),
        ),
        flags=(*(("--markdown",) if markdown else ()), *(("--quick",) if quick else ())),
        approved=out,
        values=tuple(var or ()),
    )
    files = _Files(Path(out) if out is not None else None, html)
    frame.run(lambda: _plan(frame, frame.chosen_policy(keys), files, markdown, quick))


@dataclasses.dataclass(frozen=True, slots=True)
class _Files:
    """What is written beside the answer: the plan itself, and a report; None where it is not asked for."""

    out: Path | None
    html: Path | None


def _plan(frame: Frame, chosen: Policy, files: _Files, markdown: bool, quick: bool) -> ExitCode:
    from aaiclick.cli.approval.files import require_writable, write_plan
    from aaiclick.cli.approval.markdown import plan_markdown
    from aaiclick.cli.commands.dry_run import closing_keys, outcome, print_plan
    from aaiclick.cli.report.files import require_report_path
    from aaiclick.plan.gate import judge

    if markdown and frame.as_json:
        raise UsageError("--markdown and --json are two answers: give one of them")
    out = files.out
    # Before anything is planned, which may take minutes: a file that cannot be written is known at once.
    if out is not None:
        require_writable(out)
    if files.html is not None:
        require_report_path(files.html)
    declared, target = frame.declared(), frame.target()
    # What a database that is not there yet needs is planned in memory: nothing is left behind.
    url = "chdb://memory" if target.missing else target.url
    compared = calls.compare(url, declared, frame.database, chosen, quick) if files.html is not None else None
    made = compared.plan if compared is not None else calls.plan(url, declared, frame.database, chosen, quick)
    calls.require_named(declared, made)
    if out is not None:
        write_plan(out, made)
    if files.html is not None and compared is not None:
        _write_report(frame, chosen, files.html, compared)
    if frame.as_json:
        frame.output.document(made.to_json())
        return ExitCode.DONE
    if target.missing:
        note = f"no database at {target.place} yet: it will be made"
        made = dataclasses.replace(made, notes=(note, *made.notes))
    verdict = judge(made, chosen)
    if markdown:
        outcomes = {step.id: outcome(step, verdict) for step in made.steps}
        command = frame.migrate(closing_keys(verdict))
        frame.output.document(plan_markdown(made, verdict, chosen, outcomes, command))
    else:
        given = frame.migrate()  # with every key that the approved plan was made with
        print_plan(frame, made, chosen, frame.migrate if out is None else lambda: given)
    if out is not None:
        frame.output.tell(f"wrote {out}", "green")
    if files.html is not None:
        frame.output.tell(f"wrote {files.html}", "green")
    return ExitCode.DONE


def _write_report(frame: Frame, chosen: Policy, path: Path, compared: ComparedPlan) -> None:
    from aaiclick.cli.commands.dry_run import closing_keys, outcome
    from aaiclick.cli.report.files import now_text, write_report
    from aaiclick.cli.report.plan_page import PlanReport, plan_page
    from aaiclick.plan.gate import judge

    verdict = judge(compared.plan, chosen)
    outcomes = {step.id: outcome(step, verdict) for step in compared.plan.steps}
    command = frame.migrate(closing_keys(verdict))
    place = frame.target().place
    write_report(path, plan_page(PlanReport(compared, verdict, chosen.words, outcomes, command, place, now_text())))
