"""``--database 'tenant_*'``: one command for many databases."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from aaiclick.cli.approval import question
from aaiclick.cli.failures import ExitCode, Failure, describe
from aaiclick.cli.frame import Frame
from aaiclick.cli.machine.answers import HELPLESS, report_json, status_json
from aaiclick.cli.machine.metrics_file import MetricsFile
from aaiclick.cli.output import Output, fitting, quiet_pipe
from aaiclick.cli.tenants.agreement import Agreement, agreement, heading, left_over
from aaiclick.errors import AaiclickError, ConnectionFailed, UsageError
from aaiclick.printable import count_text, seconds_text, shown

if TYPE_CHECKING:
    from aaiclick.cli.hooks.hooks import Hooks
    from aaiclick.cli.machine.lines import TenantDone
    from aaiclick.cli.machine.tenant_documents import (
        TenantErrorDocument,
        TenantGroupDocument,
        TenantReportDocument,
        TenantsPlanDocument,
        TenantsReportDocument,
        TenantsStatusDocument,
        TenantStatusDocument,
    )
    from aaiclick.commands.report import Report, Status
    from aaiclick.plan.policy import Policy
    from aaiclick.specs.schema import Schema
    from aaiclick.tenants import Tenant, TenantGroup

T = TypeVar("T")
LINE_EVERY = 100
"""Databases between two lines of progress where no bar can move."""
_NUMERIC = frozenset({"steps", "rows", "time"})


def migrate_tenants(frame: Frame, hooks: Hooks, policy: Policy, jobs: int, ask: bool) -> ExitCode:
    """Bring every database that the pattern means to the declared version."""
    from aaiclick.tenants import Tenants, ensure_tenants

    schema, url, names = _meant(frame)
    frame.asking = ask and question.is_asked(frame, policy)
    agreed = _asked(frame, schema, policy, names, jobs) if frame.asking else Agreement()
    if agreed is None:
        frame.output.tell("nothing was changed", "yellow")
        return ExitCode.PENDING
    frame.asking = False
    rest = left_over(names, agreed)
    hooks.know(schema, frame.database, frame.target().place, len(names))
    hooks.before()
    begun = monotonic()
    with _watching(frame, len(names)) as watch:
        events = frame.output.lines.event if frame.output.lines is not None else None
        found: Tenants[Report] = Tenants(schema.name, ())
        if rest:
            found = ensure_tenants(url, schema, rest, policy, events, watch, jobs, agreed.plans)
    found = agreed.completed(found)
    failures = _failures(frame, found.tenants)
    states = {each.database: _state(each, failures) for each in found.tenants}
    if frame.as_json:
        document: TenantsReportDocument = {
            "schema": schema.name,
            "databases": len(states),
            "states": dict(Counter(states.values())),
            "tenants": [_tenant_json(each, states[each.database], failures) for each in found.tenants],
        }
        frame.output.result(document)
    else:
        _say_states(frame.output, schema, states)
        changed = [each for each in found.tenants if states[each.database] != "in sync"]
        if changed:
            rows = [_migrated_row(each, states[each.database]) for each in changed]
            frame.output.table(("database", "", "version", "steps", "rows", "time"), rows, _NUMERIC)
        _say_next(frame.output, failures)
    # An error (2) counts more than a refusal (1).
    code = max((failure.code for failure in failures.values()), default=ExitCode.DONE)
    if failures:
        hooks.failed_databases([*failures], next(each for each in failures.values() if each.code == code))
        return code
    return hooks.after(code, seconds=monotonic() - begun)


def plan_of_tenants(frame: Frame, policy: Policy, quick: bool, jobs: int) -> ExitCode:
    """What ``migrate_tenants`` would do, databases with the same steps together."""
    from aaiclick.tenants import plan_tenants

    schema, url, names = _meant(frame)
    with _watching(frame, len(names)) as watch:
        plans = plan_tenants(url, schema, names, quick, watch, jobs, tuple(sorted(policy.allowed)))
    pending = [group for group in plans.groups if not group.plan.in_sync or not group.plan.recorded]
    failures = _failures(frame, plans.found.tenants)
    if frame.as_json:
        document: TenantsPlanDocument = {
            "schema": schema.name,
            "databases": len(names),
            "groups": [_group_json(group) for group in plans.groups],
            "failed": [
                {"database": name, "error": error}
                for name, failure in failures.items()
                if (error := _error_json(failure)) is not None
            ],
        }
        frame.output.result(document)
    else:
        for group in plans.groups:
            _print_group(frame.output, group)
        if pending:
            # In a pipe all of the output is SQL.
            mark = "" if frame.output.out.is_terminal else "-- "
            frame.output.say(f"{mark}run: {frame.without_flags()}", "bold")
    done = ExitCode.PENDING if pending else ExitCode.DONE
    return max((*(failure.code for failure in failures.values()), done))


def status_of_tenants(frame: Frame, jobs: int, metrics_file: Path | None = None) -> ExitCode:
    """How every database that the pattern means stands to the code. ``metrics_file``: all of them in one file."""
    from aaiclick.tenants import validate_tenants

    # Before anything can fail: a look that failed stands in the file as well.
    metrics = MetricsFile(metrics_file, frame.declared_in_files().name, frame.database or "")
    try:
        schema, url, names = _meant(frame)
        with _watching(frame, len(names)) as watch:
            found = validate_tenants(url, schema, names, on_tenant=watch, workers=jobs)
    except Exception:
        metrics.failed()
        raise
    metrics.found({each.database: each.answer for each in found.tenants})
    states = {each.database: each.answer.state if each.answer is not None else "failed" for each in found.tenants}
    failures = _failures(frame, found.tenants)
    behind = any(each.answer is not None and not each.answer.in_sync for each in found.tenants)
    following = frame.migrate() if any(_helped(each.answer) for each in found.tenants) else None
    if frame.as_json:
        document: TenantsStatusDocument = {
            "schema": schema.name,
            "databases": len(states),
            "states": dict(Counter(states.values())),
            "tenants": [_status_json(frame, each, following, failures) for each in found.tenants],
        }
        frame.output.result(document)
    else:
        _say_states(frame.output, schema, states)
        rows = [_status_row(each, failures) for each in found.tenants if states[each.database] != "in sync"]
        if rows:
            frame.output.table(("database", "", "version", "differences"), rows)
        if following is not None:
            frame.output.say(f"run: {following}")
    done = ExitCode.PENDING if behind else ExitCode.DONE
    return max((*(failure.code for failure in failures.values()), done))


def _helped(status: Status | None) -> bool:
    return status is not None and not status.in_sync and status.state not in HELPLESS


def _asked(frame: Frame, schema: Schema, policy: Policy, names: Sequence[str], jobs: int) -> Agreement | None:
    from aaiclick.tenants import plan_tenants

    with _watching(frame, len(names)) as watch:
        # Under ``safe`` no row is read, and what would have to be looked at is not carried out.
        quick = policy.level == "safe"
        plans = plan_tenants(frame.target().url, schema, names, quick, watch, jobs, allow=tuple(sorted(policy.allowed)))
    return agreement(frame, plans, policy)


def _meant(frame: Frame) -> tuple[Schema, str, tuple[str, ...]]:
    """The schema, where it is opened, and the databases. Raises ``UsageError``."""
    from aaiclick.tenants import find_tenants

    schema, target = frame.declared_in_files(), frame.target()
    assert frame.database is not None
    if target.missing:
        raise UsageError(f"no database at {target.place} yet, so none matches {frame.database!r}")
    names = find_tenants(target.url, frame.database)
    if not frame.as_json or frame.output.lines is not None:
        frame.output.tell(f"{count_text(len(names), 'database matches', 'databases match')} {frame.database}")
    return schema, target.url, names


class _Watch:
    """A bar at a terminal, a line now and then elsewhere. What failed is said at once, the same
    sentence once."""

    def __init__(self, frame: Frame, total: int) -> None:
        output = frame.output
        self._advice = dataclasses.replace(frame.advice(), refused=None, plan=None)
        self._output, self._total, self._done = output, total, 0
        self._bar: Progress | None = None
        self._told: set[str] = set()
        if output.lines is None and not output.plain and output.err.is_terminal and not output.err.is_dumb_terminal:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns, console=output.err, transient=True, refresh_per_second=8)
            self._task = self._bar.add_task("databases", total=total)
            self._bar.start()

    def __call__(self, tenant: Tenant[T]) -> None:
        """Told of each database when it has ended."""
        self._done += 1
        if self._output.lines is not None:
            error = self._said(tenant.error) if tenant.error is not None else ""
            line: TenantDone = {"database": tenant.database, "seconds": tenant.seconds, "failure": error}
            self._output.lines.write("TenantDone", line)
            return
        if tenant.error is not None and (said := self._said(tenant.error)) not in self._told:
            self._told.add(said)
            self._output.tell(f"✗ {tenant.database}: {said}", "yellow")
        if self._bar is not None:
            name = fitting(shown(tenant.database), self._output.err.encoding)
            self._bar.update(self._task, completed=self._done, description=name)
        elif self._done % LINE_EVERY == 0 and self._done < self._total:
            self._output.tell(f"{self._done:,} of {count_text(self._total, 'database')}")

    def _said(self, error: AaiclickError) -> str:
        """One sentence; the command to run is said at the end, once."""
        failure = describe(error, self._advice)
        return failure.message.removesuffix(f"Run: {failure.next}").rstrip()

    def close(self) -> None:
        """Give the terminal back."""
        if self._bar is not None:
            bar, self._bar = self._bar, None
            with quiet_pipe():
                bar.stop()


@contextlib.contextmanager
def _watching(frame: Frame, total: int) -> Generator[_Watch, None, None]:
    watch = _Watch(frame, total)
    frame.on_close = watch.close
    try:
        yield watch
    finally:
        watch.close()


def _state(tenant: Tenant[Report], failures: Mapping[str, Failure]) -> str:
    if not tenant.tried:
        return "not tried"
    if tenant.answer is None:
        return "refused" if failures[tenant.database].code == ExitCode.PENDING else "failed"
    if not tenant.answer.in_sync:
        return "pending"
    return "migrated" if tenant.answer.steps else "in sync"


def _failures(frame: Frame, tenants: Sequence[Tenant[T]]) -> dict[str, Failure]:
    """What each error means; of a database that was not tried, the error that ended the run."""
    # One whose plan was agreed to and is another one by now is asked about anew.
    advice = dataclasses.replace(frame.advice(), refused=None, plan=frame.migrate)
    failures = {each.database: describe(each.error, advice) for each in tenants if each.error is not None}
    last = next((each.error for each in tenants if isinstance(each.error, ConnectionFailed)), None)
    if last is not None:
        untried = dataclasses.replace(describe(last, advice), message="not tried: the server was gone before")
        failures.update({each.database: untried for each in tenants if not each.tried})
    return failures


def _error_json(failure: Failure | None) -> TenantErrorDocument | None:
    if failure is None:
        return None
    return {"type": failure.type, "message": failure.message, "next": failure.next or None}


def _tenant_json(tenant: Tenant[Report], state: str, failures: Mapping[str, Failure]) -> TenantReportDocument:
    return {
        "database": tenant.database,
        "state": state,
        "seconds": tenant.seconds,
        "report": report_json(tenant.answer) if tenant.answer is not None else None,
        "error": _error_json(failures.get(tenant.database)),
    }


def _status_json(
    frame: Frame, tenant: Tenant[Status], following: str | None, failures: Mapping[str, Failure]
) -> TenantStatusDocument:
    status = tenant.answer
    said = following if _helped(status) else None
    return {
        "database": tenant.database,
        "status": status_json(status, frame.target().place, said) if status is not None else None,
        "error": _error_json(failures.get(tenant.database)),
    }


def _group_json(group: TenantGroup) -> TenantGroupDocument:
    plan: dict[str, object] = json.loads(group.plan.to_json())
    return {"databases": list(group.databases), "rows": group.rows, "bytes": group.bytes, "plan": plan}


def _print_group(output: Output, group: TenantGroup) -> None:
    """The plan of the first, as SQL; what else is said stands in comments."""
    output.say(f"-- {heading(group)}", "bold")
    if group.plan.steps:
        output.sql(str(group.plan))
    else:
        later = f"-- nothing has to be changed, and v{group.plan.to_version} is not recorded yet"
        output.say("-- nothing to do" if group.plan.recorded else later)
    output.say("")


def _migrated_row(tenant: Tenant[Report], state: str) -> tuple[str, ...]:
    report = tenant.answer
    took = seconds_text(tenant.seconds) if tenant.tried else ""
    if report is None:
        return tenant.database, state, "", "", "", took
    rows = sum(step.rows for step in report.steps)
    return tenant.database, state, _versions(report), f"{len(report.steps):,}", f"{rows:,}", took


def _versions(report: Report) -> str:
    before, after = _version(report.from_version), _version(report.to_version)
    return after if before == after else f"{before} -> {after}"


def _version(version: int | None) -> str:
    return {None: "-", 0: "empty"}.get(version, f"v{version}")


def _status_row(tenant: Tenant[Status], failures: Mapping[str, Failure]) -> tuple[str, ...]:
    status = tenant.answer
    if status is None:
        return tenant.database, "failed", "", failures[tenant.database].message
    more = f" (+{len(status.differences) - 1})" if len(status.differences) > 1 else ""
    said = f"{''.join(status.differences[:1])}{more}"
    return tenant.database, status.state, _version(status.live_version), said


def _say_states(output: Output, schema: Schema, states: Mapping[str, str]) -> None:
    """``✓ shop v5 in 1,000 databases: 997 in sync, 3 migrated``."""
    counts = Counter(states.values())
    good = set(counts) <= {"in sync", "migrated"}
    listed = ", ".join(f"{number:,} {state}" for state, number in counts.most_common())
    mark, style = ("✓", "green") if good else ("✗", "yellow")
    databases = count_text(len(states), "database", "databases")
    output.say(f"{mark} {schema.name} {schema.version_label} in {databases}: {listed}", style)


def _say_next(output: Output, failures: Mapping[str, Failure]) -> None:
    """Each command once, however many databases it is for."""
    for line in dict.fromkeys(failure.next for failure in failures.values() if failure.next):
        output.say(f"run: {line}")
