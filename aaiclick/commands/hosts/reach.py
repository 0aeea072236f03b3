"""Whether every host of a cluster can carry out what a plan sends to all of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from aaiclick.apply.everywhere import pin
from aaiclick.apply.replicated.conditions import check_replicas, require_sources
from aaiclick.apply.run import ApplyOptions
from aaiclick.clickhouse.every_host import PENDING, STUCK, Reach, Subject, troubles
from aaiclick.clickhouse.shared.ask_all import answering_peers
from aaiclick.commands.inspection.host_definitions import attach_words, detached, settled, until_alike, usual
from aaiclick.commands.inspection.inspect import Inspection
from aaiclick.commands.inspection.planning import PlannedMigration
from aaiclick.commands.inspection.subjects import subjects_of
from aaiclick.diff.hazards import WITHOUT_HOST
from aaiclick.errors import ApplyError, HazardNotAllowedError
from aaiclick.plan.model import Step
from aaiclick.plan.operations import AttachWork, BackfillWork, RebuildWork
from aaiclick.routine import Routine
from aaiclick.state.owned import Owned


def within_reach(planned: PlannedMigration, allowed: Collection[str], options: ApplyOptions) -> Routine[ApplyOptions]:
    """The options with the hosts that the steps of a plan are sent to, looked at before anything is sent.

    Raises ``HazardNotAllowedError`` where one of them cannot carry them out now and nobody allowed to go on without it,
    ``ApplyError`` where the connection leads to more than one server, or where a table cannot be copied on all hosts.
    """
    found = planned.inspection
    topology = found.topology
    # A connection that leads to several servers in turn would ask one and change another: that is refused.
    reach = yield from pin(Reach(topology))
    tables = {step.object for step in planned.plan.steps} | found.catalog.objects.keys()
    copies = sorted({step.object for step in _copies(planned)})
    # The same look serves the copies, in front of which no entry of the queue may stand.
    stuck = PENDING if copies else STUCK
    wrong = yield from troubles(topology, found.catalog.database, tables, stuck)
    keys = {place: f"{WITHOUT_HOST} {topology.at(place).label}" for place in wrong}
    refused = {place: words for place, words in sorted(wrong.items()) if keys[place] not in allowed}
    if wrong and copies:
        why = "; ".join(f"host {topology.at(place).label} {words}" for place, words in sorted(wrong.items()))
        raise ApplyError(
            f"{', '.join(copies)}: {why}, and a copy or a fill needs every replica. Nothing was changed. Run again "
            "when it is well: aaiclick migrate"
        )
    if refused:
        said = tuple(f"host {topology.at(place).label} {words}" for place, words in refused.items())
        raise HazardNotAllowedError(
            found.schema.name,
            (*said, "nothing was changed, and a host that comes back carries out what was sent meanwhile"),
            tuple(keys[place] for place in refused),
        )
    # All of them were allowed by name: else this run has ended above.
    reach = replace(reach, without=frozenset(wrong))
    yield from _require_alike(planned, reach)
    options = replace(options, reach=reach)
    for step in _copies(planned):
        # Before the first step is carried out: a copy that is refused later would leave the others done. What gets its
        # name from an earlier step is looked at then.
        work = step.work
        if isinstance(work, BackfillWork):
            if all(name in found.catalog.objects for name in work.sources):
                yield from require_sources(work, found.catalog.database, options)
        elif isinstance(work, RebuildWork | AttachWork) and work.table in found.catalog.objects:
            looked = yield from check_replicas(work, found.catalog.database, options)
            # Nothing that is planned comes before the first step: what was seen for it is so when it begins.
            if step is planned.plan.steps[0]:
                options = replace(options, looked=looked)
    return options


def _copies(planned: PlannedMigration) -> tuple[Step, ...]:
    """The steps for which every host has to be there."""
    return tuple(
        step
        for step in planned.plan.steps
        if isinstance(step.work, RebuildWork | AttachWork | BackfillWork) and not (step.optional or step.blocked)
    )


def _require_alike(planned: PlannedMigration, reach: Reach) -> Routine[None]:
    """Wait until hosts that have a step's object have the same one: a plan is made from what one of them shows.

    Raises ``ApplyError`` where some lack it that others have. Where it is the connected one, it is made there like the
    others' as long as no other version is to be made.
    """
    found, topology = planned.inspection, reach.topology
    steps = {step.object: step for step in planned.plan.steps if not step.optional}
    outside = {item.name for item in found.schema.server_objects}
    names = tuple(sorted(name for name in steps if name not in outside))
    if not names:
        return
    # What no host has yet is created by a step.
    now = yield from settled(reach, Subject(found.catalog.database, names), absent=True)
    most = usual(now, names)
    wrong: list[str] = []
    lacking: set[int] = set()
    by_hand: list[str] = []
    aside: dict[int, frozenset[str]] | None = None
    for place in sorted(reach.places & now.hosts.keys()):
        label = topology.at(place).label
        for name, digest, other in zip(names, now.digests(place, names), most, strict=True):
            there = any(now.hosts[each].get(name) for each in now.hosts)
            step = steps[name]
            if not digest and there:
                if aside is None:
                    aside = yield from detached(topology, Subject(found.catalog.database, names))
                if name in aside.get(place, ()):
                    wrong.append(f"host {label} has {name} detached ({attach_words(name)})")
                elif not (place == reach.here and found.same_version and step.strategy == "create"):
                    wrong.append(f"host {label} lacks {name}, which others have")
                    live = found.catalog.get(name)
                    if live is not None and live.engine.endswith("MergeTree") and not live.replicas:
                        by_hand.append(name)  # it is each host's own: no version of the schema is made on a cluster so
                    else:
                        lacking.add(place)
            # A copy looks at every replica by itself; an ALTER of two definitions would end in two definitions.
            elif digest and other and digest != other and step.strategy in ("alter", "mutate"):
                wrong.append(f"host {label} has another {name} than the others")
    if wrong:
        version = f"v{found.live.number}" if found.live.number else "the version before"
        ways = [f"a start of {version} through the host that lacks something makes it there"] if lacking else []
        ways += [f"make {', '.join(by_hand)} there, as the others have it (SHOW CREATE TABLE)"] if by_hand else []
        error = ApplyError(
            f"hosts do not have the same before anything is changed: {'; '.join(wrong)}. No object was changed. Make "
            f"them equal first{': ' if ways else ''}{'; '.join(ways)}"
        )
        if lacking:
            error.through = (yield from answering_peers(topology)).get(min(lacking))
            error.version = found.live.number if found.live.number != found.schema.version else None
        raise error


def require_nothing_begun(owned: Owned) -> None:
    """Raises ``ApplyError`` where a copy or a fill was begun by a run that took the cluster for one node: it is on one
    host, and is not gone on with on all of them."""
    marks = (*owned.marks(), *owned.backfill_marks())
    if marks:
        names = ", ".join(mark if isinstance(mark, str) else mark.name for mark in marks)
        raise ApplyError(
            f"a copy or fill of rows was begun on one host and is not finished ({names}), and that is not gone on with "
            "on clusters. Nothing was changed. Finish it, or give it up, with the release that began it"
        )


def require_everywhere(found: Inspection, reach: Reach | None, allowed: Collection[str]) -> Routine[None]:
    """Wait until every host shows what is to be recorded: the same objects, none of them missing.

    Raises ``ApplyError`` with the host that lacks one, shows another one, or is away.
    """
    topology, schema = found.topology, found.schema
    without = {place for place, host in enumerate(topology.hosts, 1) if f"{WITHOUT_HOST} {host.label}" in allowed}
    reach = replace(reach or Reach(topology), without=frozenset(without) | (reach.without if reach else frozenset()))
    for subject in subjects_of(schema, found.catalog.database):
        yield from until_alike(reach, subject)
