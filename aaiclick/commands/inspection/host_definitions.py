"""Whether all hosts have the same objects.

Settings and comments of tables are each replica's own, and may differ on purpose: they are left out here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from aaiclick.clickhouse.every_host import Reach, Shown, Subject, allow, ask_every_host, busy
from aaiclick.clickhouse.shared.ask_all import answering_peers, servers
from aaiclick.clickhouse.topology import LOOK, Topology, named
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.errors import ApplyError, StatementError
from aaiclick.routine import Query, Routine, number, text
from aaiclick.sql.ddl import attach_again
from aaiclick.sql.hex_text import hexed, hexed_list, unhexed
from aaiclick.sql.quoting import quote_name, quote_string

# Path and replica name in the arguments may be written out, and are then each host's own.
_REPLICA = r"(ENGINE = Replicated\w*MergeTree)\('[^']*', '[^']*'"
_FIRST = r"\1("
_COMMENT = r" COMMENT '([^'\\]|\\.)*'"


def definitions_on_hosts(topology: Topology, subject: Subject) -> Routine[Shown]:
    """What hosts that answer show of these objects, without what each replica may have otherwise."""
    if subject.kind:
        return (yield from subject.look(topology))
    bare = f"replaceRegexpOne(create_table_query, {quote_string(_REPLICA)}, {quote_string(_FIRST)})"
    table = f"replaceRegexpAll(arrayElement(splitByString(' SETTINGS ', {bare}), 1), {quote_string(_COMMENT)}, '')"
    text = f"if(endsWith(engine, 'MergeTree'), {table}, {bare})"
    return (
        yield from ask_every_host(
            topology,
            f"SELECT toInt64(_shard_num), hex(name), toString(uuid), toString(cityHash64({text})) FROM "
            f"{topology.everywhere('system.tables')} WHERE database = unhex({{db:String}}) AND "
            "has(splitByChar(',', {names:String}), hex(name))",
            {"db": hexed(subject.database), "names": hexed_list(subject.names)},
        )
    )


def usual(shown: Shown, names: Collection[str]) -> tuple[str, ...]:
    """The definitions that most hosts show, '' for what they do not have."""
    seen = [shown.digests(place, names) for place in sorted(shown.hosts)]
    # Of two that are shown as often, that of the first host counts.
    return max(seen, key=seen.count, default=("",) * len(names))


def settled(reach: Reach, subject: Subject, seconds: float = 60.0, *, absent: bool = False) -> Routine[Shown]:
    """What the hosts show when they show the same, or when nothing is left to be carried out on any of them.
    ``absent``: an object that none of them has is the same, too."""
    wait = Wait(0.05, 1.0)
    while True:
        # Not on the first look: mostly all are alike, and then no queue has to be asked about.
        # Before the look: what the queue ends in between is seen by it. Asked behind it, an object that came meanwhile
        # would count as lacking.
        idle = wait.waited > 0 and not (yield from busy(reach, subject))
        now = yield from definitions_on_hosts(reach.topology, subject)
        away = reach.places - now.hosts.keys()
        seen = {now.digests(place, subject.names) for place in reach.places & now.hosts.keys()}
        same = len(seen) == 1 and (absent or "" not in next(iter(seen)))
        if same or away or idle or wait.waited >= seconds:
            return now
        wait = yield from rest(wait, f"all hosts to show {subject.words}" if wait.waited > 1 else "")


def until_alike(reach: Reach, subject: Subject, seconds: float = 60.0) -> Routine[None]:
    """Wait until every host has all of these objects, and each the same. Raises ApplyError with the hosts that do
    not."""
    now = yield from settled(reach, subject, seconds)
    away = reach.places - now.hosts.keys()
    if away:
        raise ApplyError(
            f"host {named(reach.topology, away)} does not answer, so nobody knows whether {subject.words} is there. "
            f"Nothing is recorded. Run again when it does, or go on without it: {allow(reach.topology, away)}"
        )
    names = sorted(subject.names)
    # What the host that is connected to shows is as declared: that was looked at before.
    here = reach.here or (yield from connected(reach.topology))
    right = now.digests(here, names) if here in now.hosts else usual(now, names)
    lacking: dict[int, list[str]] = {}
    other: dict[int, list[str]] = {}
    for place in sorted(reach.places):
        for name, shown, declared in zip(names, now.digests(place, names), right, strict=True):
            if shown != declared:
                (other if shown else lacking).setdefault(place, []).append(name)
    if not lacking and not other:
        return
    aside = yield from detached(reach.topology, subject)
    raise (yield from unlike(reach, lacking, other, aside))


def unlike(
    reach: Reach,
    lacking: Mapping[int, Collection[str]],
    other: Mapping[int, Collection[str]],
    aside: Mapping[int, frozenset[str]],
) -> Routine[ApplyError]:
    """The error that says what hosts lack or have otherwise, and through which of them a run puts it right."""
    said: list[str] = []
    for place in sorted({*lacking, *other}):
        host = f"host {reach.topology.at(place).label}"
        gone = [name for name in lacking.get(place, ()) if name not in aside.get(place, ())]
        said += [f"{host} lacks {', '.join(gone)}"] if gone else []
        said += [f"{host} has {name} detached: {attach_words(name)}" for name in sorted(aside.get(place, ()))]
        said += [f"{host} has another definition of {', '.join(other[place])}"] if place in other else []
    # A CREATE of a detached table is refused (57), so a run through that host would not help it.
    helped = [place for place in sorted({*lacking, *other}) if place not in aside]
    way = "Attach it there, and run again" if not helped else "A run through that host puts it right there"
    error = ApplyError(f"not every host has what is declared ({'; '.join(said)}). Nothing is recorded. {way}")
    if helped:
        error.through = (yield from answering_peers(reach.topology)).get(helped[0])
    return error


def connected(topology: Topology) -> Routine[int]:
    """The place of the host that is connected to; 0 where nobody can tell."""
    rows = yield Query("SELECT toString(serverUUID())")
    found = yield from servers(topology)
    same = [place for place, (uuid, _) in found.items() if uuid == text(rows[0][0])]
    # One server can stand in a cluster twice; the place that the server itself calls local counts.
    return min([place for place in same if topology.at(place).is_local] or same, default=0)


def detached(topology: Topology, subject: Subject) -> Routine[dict[int, frozenset[str]]]:
    """Which of these tables hosts have detached: a CREATE of their name is refused, and an ATTACH brings them back."""
    if subject.kind:
        return {}
    try:
        rows = yield Query(
            f"SELECT toInt64(_shard_num), hex(table) FROM {topology.everywhere('system.detached_tables')} WHERE "
            "database = unhex({db:String}) AND has(splitByChar(',', {names:String}), hex(table))",
            {"db": hexed(subject.database), "names": hexed_list(subject.names)},
            LOOK,
        )
    except StatementError:
        return {}  # older releases do not tell
    found: dict[int, set[str]] = {}
    for place, digits in rows:
        name = unhexed(text(digits))
        found.setdefault(number(place), set()).add(name)
    return {place: frozenset(names) for place, names in found.items()}


def attach_words(name: str) -> str:
    """What brings a detached table back."""
    return f"{attach_again(quote_name(name))} there brings it back"
