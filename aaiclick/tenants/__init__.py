"""One schema in many databases, such as one for each customer.

    from aaiclick.tenants import ensure_tenants

    ensure_tenants(url, SHOP, "tenant_*").raise_failed()

Each database has its own lease, records and version, as if ``ensure_schema`` were called for it alone. One that fails
leaves the others as they are. Whoever runs it again goes by what is done already, at one question for a hundred.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeAlias, TypeVar

from aaiclick.api.client import check_arguments, placed, policy_for, run_on_client, run_on_connection
from aaiclick.clients import open_connection
from aaiclick.commands.ensure import ensure
from aaiclick.commands.plan import plan
from aaiclick.commands.report import Report, Status
from aaiclick.commands.start.run import Run
from aaiclick.commands.validate import validate
from aaiclick.errors import AaiclickError, ConnectionFailed, TenantsFailedError, UsageError
from aaiclick.events import Event
from aaiclick.lease.owner import this_process
from aaiclick.plan.model import Plan
from aaiclick.plan.policy import Policy
from aaiclick.routine import Connection, OnEvent, Routine
from aaiclick.specs.schema import Schema
from aaiclick.tenants.databases import find_databases
from aaiclick.tenants.in_sync import Alike, InSync
from aaiclick.version import VERSION

__all__ = [
    "Tenant",
    "TenantGroup",
    "TenantPlans",
    "Tenants",
    "ensure_tenants",
    "find_tenants",
    "plan_tenants",
    "validate_tenants",
]

T = TypeVar("T")
Names: TypeAlias = "str | Sequence[str]"


@dataclass(frozen=True, slots=True)
class Tenant(Generic[T]):
    """What became of one database."""

    database: str
    """Its name."""
    answer: T | None
    """What the call for this database alone would have returned; None where it failed or was not tried."""
    error: AaiclickError | None
    """What it would have raised; None where it returned."""
    seconds: float
    """How long it took."""

    @property
    def tried(self) -> bool:
        """False where the run ended before: the server could not be reached any more."""
        return self.answer is not None or self.error is not None


@dataclass(frozen=True, slots=True)
class Tenants(Generic[T]):
    """What became of all of them, by name."""

    schema: str
    """Name of the schema."""
    tenants: tuple[Tenant[T], ...]
    """Each database once."""

    @property
    def failed(self) -> tuple[Tenant[T], ...]:
        """Those that raised, or were not tried."""
        return tuple(each for each in self.tenants if each.answer is None)

    def raise_failed(self) -> None:
        """Raise ``TenantsFailedError``, which names the databases, where one failed; nothing else."""
        if failed := self.failed:
            first = next((each.error for each in failed if each.error is not None), None)
            names = tuple(each.database for each in failed)
            raise TenantsFailedError(self.schema, names, len(self.tenants), str(first or "not tried")) from first


@dataclass(frozen=True, slots=True)
class TenantGroup:
    """Databases in which the same has to be done."""

    databases: tuple[str, ...]
    """Their names."""
    plan: Plan
    """That of the first of them. Rows, bytes and seconds are its own."""
    rows: int
    """Rows that are copied or rewritten in all of them."""
    bytes: int
    """The same, in bytes."""


@dataclass(frozen=True, slots=True)
class TenantPlans:
    """What would be done in many databases."""

    found: Tenants[Plan]
    """The plan of each, or why there is none."""
    groups: tuple[TenantGroup, ...]
    """Those with the same steps together, the largest group first, and last those in which nothing is to be done."""


def find_tenants(client: object, databases: Names) -> tuple[str, ...]:
    """The databases that names and patterns mean (``*``: any text, ``?``: one character), each once, by name.

    Raises ``UsageError`` where a name is not there or a pattern meets none, ``ConnectionFailed``.
    """
    return run_on_client(client, lambda _: find_databases(_listed(databases)), "find_tenants")


def ensure_tenants(
    client: object,
    schema: Schema,
    databases: Names,
    policy: Policy | None = None,
    on_event: OnEvent | None = None,
    on_tenant: Callable[[Tenant[Report]], object] | None = None,
    workers: int = 1,
    plans: Mapping[str, Plan] | None = None,
) -> Tenants[Report]:
    """Bring every one of these databases to the declared version: ``ensure_schema`` for each, on one connection.

    ``databases``: names and patterns, as for ``find_tenants``. ``on_tenant`` is told of each database when it has
    ended. ``workers``: so many at the same time, each on a connection of its own; more than one takes a URL. ``plans``:
    approved plans, by database; one that is among them is changed as its plan says, or not at all. A database that is
    refused, blocked or fails is told in the answer, and the others go on; where the server is gone the rest is
    not tried. Raises ``UsageError`` before anything is done, ``ConnectionFailed`` where nothing could be asked.
    """

    def one(connection: Connection, database: str) -> Report:
        chosen = policy_for(policy, connection.embedded)
        # Asked of a hundred at once. Whatever is not certain goes the long way, under a lease of its own.
        known = in_sync.report(connection, database, chosen)
        run = Run(declared, database, chosen, this_process(), connection.embedded, VERSION, approved.get(database))
        start = _ready(known) if known is not None else ensure(run)
        return run_on_connection(connection, lambda _: start, "ensure_tenants", told, schema)

    check_arguments("ensure_tenants", schema, policy)
    approved: Mapping[str, Plan] = plans if plans is not None else {}
    if approved:
        from aaiclick.commands.approval.approved import check_plan

        for each in approved.values():
            check_plan("ensure_tenants", each, schema.name)
    told, declared = _one_at_a_time(on_event), placed(schema)
    in_sync = InSync(declared)
    return _each(client, schema, databases, one, on_tenant, workers, "ensure_tenants", in_sync.expect)


def _ready(answer: T) -> Routine[T]:
    """What was looked at already."""
    yield from ()
    return answer


def validate_tenants(
    client: object,
    schema: Schema,
    databases: Names,
    on_tenant: Callable[[Tenant[Status]], object] | None = None,
    workers: int = 1,
) -> Tenants[Status]:
    """How every one of these databases stands to the code: ``validate_schema`` for each. Changes nothing. Arguments and
    errors as for ``ensure_tenants``."""

    def one(connection: Connection, database: str) -> Status:
        known = looks.status(connection, database)
        look = _ready(known) if known is not None else validate(declared, database)
        found = run_on_connection(connection, lambda _: look, "validate_tenants", None, schema)
        if known is None:
            looks.learn(found)
        return found

    check_arguments("validate_tenants", schema)
    declared = placed(schema)
    looks = Alike(declared)
    return _each(client, schema, databases, one, on_tenant, workers, "validate_tenants", looks.expect)


def plan_tenants(
    client: object,
    schema: Schema,
    databases: Names,
    quick: bool = False,
    on_tenant: Callable[[Tenant[Plan]], object] | None = None,
    workers: int = 1,
    allow: Sequence[str] = (),
) -> TenantPlans:
    """What ``ensure_tenants`` would do: databases with the same steps in one group, the largest first. Changes nothing.

    ``quick`` looks at no row, ``allow``: what will be allowed by name, as in ``plan_schema``. Raises what
    ``ensure_tenants`` raises.
    """

    def one(connection: Connection, database: str) -> Plan:
        routine = plan(placed(schema), database, 0 if quick else None, connection.embedded, keys, None)
        return run_on_connection(connection, lambda _: routine, "plan_tenants", None, schema)

    check_arguments("plan_tenants", schema)
    keys = Policy.check().allow(*allow).allowed
    found = _each(client, schema, databases, one, on_tenant, workers, "plan_tenants")
    groups: dict[tuple[object, ...], list[Plan]] = {}
    for each in found.tenants:
        if each.answer is not None:
            groups.setdefault(_kind(each.answer), []).append(each.answer)
    made = [_group(plans) for plans in groups.values()]
    made.sort(key=lambda group: (not group.plan.steps, -len(group.databases), group.databases))
    return TenantPlans(found, tuple(made))


def _kind(found: Plan) -> tuple[object, ...]:
    """What two plans have to share to be the same work."""
    steps = tuple(
        (step.id, step.change, step.strategy, step.blocked, tuple((each.kind, each.allow) for each in step.hazards))
        for step in found.steps
    )
    return found.from_version, steps


def _group(plans: Sequence[Plan]) -> TenantGroup:
    steps = [step for each in plans for step in each.steps]
    names = tuple(each.database for each in plans)
    return TenantGroup(names, plans[0], sum(step.rows for step in steps), sum(step.bytes for step in steps))


def _each(
    client: object,
    schema: Schema,
    databases: Names,
    one: Callable[[Connection, str], T],
    on_tenant: Callable[[Tenant[T]], object] | None,
    workers: int,
    caller: str,
    expected: Callable[[Sequence[str]], object] | None = None,
) -> Tenants[T]:
    _check_workers(client, workers, caller)
    names = _listed(databases)
    first = open_connection(client, caller=caller)
    try:
        # Once: a database that is made while others are worked on is left to the next run.
        found = run_on_connection(first, lambda _: find_databases(names), caller, None, schema)
        if expected is not None:
            expected(found)
        work = _Work(client, first, one, on_tenant, caller)
        if workers == 1 or len(found) < 2:
            done = [work.tried(name) for name in found]
        else:
            with ThreadPoolExecutor(min(workers, len(found)), "aaiclick-tenant") as pool:
                # Where this thread is interrupted, the others finish their database and begin no other.
                try:
                    done = list(pool.map(work.tried, found))
                except BaseException:
                    work.over = True
                    raise
                finally:
                    # Waits for the threads: a connection may only be closed when no statement runs on it.
                    pool.shutdown()
                    work.close()
    finally:
        first.close()
    return Tenants(schema.name, tuple(done))


class _Work(Generic[T]):
    """The same call for one database after another, on a connection for each thread."""

    def __init__(
        self,
        client: object,
        first: Connection,
        one: Callable[[Connection, str], T],
        on_tenant: Callable[[Tenant[T]], object] | None,
        caller: str,
    ) -> None:
        self._client, self._one, self._on_tenant, self._caller = client, one, on_tenant, caller
        self._main, self._first = threading.get_ident(), first
        self._local = threading.local()
        self._opened: list[Connection] = []
        self._lock = threading.Lock()
        self.over = False

    def tried(self, database: str) -> Tenant[T]:
        """What becomes of one database; nothing is begun once the server is gone."""
        if self.over:
            return Tenant(database, None, None, 0.0)
        begun = monotonic()
        made: Tenant[T]
        try:
            made = Tenant(database, self._one(self._connection(), database), None, monotonic() - begun)
        except AaiclickError as error:
            # Only a server that is gone ends the others: any other error is this database's own.
            if isinstance(error, ConnectionFailed):
                self.over = True
            made = Tenant(database, None, error, monotonic() - begun)
        if self._on_tenant is not None:
            # One thread at a time, so the caller need not allow for several.
            with self._lock:
                self._on_tenant(made)
        return made

    def close(self) -> None:
        """Close what was opened for other threads."""
        for each in self._opened:
            each.close()

    def _connection(self) -> Connection:
        if threading.get_ident() == self._main:
            return self._first
        known: Connection | None = getattr(self._local, "connection", None)
        if known is None:
            # A connection runs one statement at a time, so no two threads share one.
            known = open_connection(self._client, caller=self._caller)
            self._local.connection = known
            with self._lock:
                self._opened.append(known)
        return known


def _check_workers(client: object, workers: object, caller: str) -> None:
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise UsageError(f"{caller} was given workers={workers!r}: a whole number from 1 on is wanted")
    if workers > 1 and not isinstance(client, str):
        raise UsageError(f"{caller}: {workers} workers need a connection each: hand in a URL instead of a client")


def _listed(databases: Names) -> tuple[str, ...]:
    return (databases,) if isinstance(databases, str) else tuple(databases)


def _one_at_a_time(on_event: OnEvent | None) -> OnEvent | None:
    if on_event is None:
        return None
    lock = threading.Lock()

    def told(event: Event) -> object:
        with lock:
            return on_event(event)

    return told
