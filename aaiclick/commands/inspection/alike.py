"""Whether all hosts have the same objects.

Settings and comments of tables are each replica's own, and may differ on purpose: they are left out here.
"""

from __future__ import annotations

from collections.abc import Collection

from aaiclick.clickhouse.every_host import Reach, Shown, Subject, allow, busy, show
from aaiclick.clickhouse.topology import Topology, named
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.errors import ApplyError
from aaiclick.routine import Routine
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import quote_string

_REPLICA = r"(ENGINE = Replicated\w*MergeTree)\('[^']*', '[^']*'"
_FIRST = r"\1("
_COMMENT = r" COMMENT '([^'\\]|\\.)*'"


def definitions(topology: Topology, subject: Subject) -> Routine[Shown]:
    """What hosts that answer show of these objects, without what each replica may have otherwise."""
    if subject.kind:
        return (yield from subject.look(topology))
    bare = f"replaceRegexpOne(create_table_query, {quote_string(_REPLICA)}, {quote_string(_FIRST)})"
    table = f"replaceRegexpAll(arrayElement(splitByString(' SETTINGS ', {bare}), 1), {quote_string(_COMMENT)}, '')"
    text = f"if(endsWith(engine, 'MergeTree'), {table}, {bare})"
    return (
        yield from show(
            topology,
            f"SELECT toInt64(_shard_num), hex(name), toString(uuid), toString(cityHash64({text})) FROM "
            f"{topology.everywhere('system.tables')} WHERE database = unhex({{db:String}}) AND "
            "has(splitByChar(',', {names:String}), hex(name))",
            {"db": hexed(subject.database), "names": ",".join(hexed(name) for name in sorted(subject.names))},
        )
    )


def usual(shown: Shown, names: Collection[str]) -> tuple[str, ...]:
    """The definitions that most hosts show, '' for what they do not have."""
    seen = [shown.digests(place, names) for place in sorted(shown.hosts)]
    return max(seen, key=seen.count, default=("",) * len(names))


def settled(reach: Reach, subject: Subject, seconds: float = 60.0, *, absent: bool = False) -> Routine[Shown]:
    """What the hosts show when they show the same, or when nothing is left to be carried out on any of them.
    ``absent``: an object that none of them has is the same, too."""
    wait = Wait(0.05, 1.0)
    while True:
        idle = wait.waited > 0 and not (yield from busy(reach, subject))
        now = yield from definitions(reach.topology, subject)
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
    most = usual(now, names)
    lacking: list[str] = []
    other: list[str] = []
    for place in sorted(reach.places):
        for name, here, there in zip(names, now.digests(place, names), most, strict=True):
            if not here:
                lacking.append(f"host {reach.topology.at(place).label} lacks {name}")
            elif here != there:
                other.append(f"{name} on host {reach.topology.at(place).label}")
    if lacking:
        raise ApplyError(
            f"not every host has what is declared ({'; '.join(lacking)}). Nothing is recorded. A start through that "
            "host makes it there"
        )
    if other:
        raise ApplyError(
            f"{', '.join(other)}: another definition than on the other hosts, and nothing is left to be carried out. "
            "Nothing is recorded; aaiclick status shows what differs"
        )
