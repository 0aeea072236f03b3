"""How many rows tables have on each host, and what that says about shards. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from aaiclick.clickhouse.topology import Topology
from aaiclick.printable import rows_text

ShardSizes: TypeAlias = Mapping[int, tuple[int, int]]
"""Rows and bytes on disk of a table, by the number of the shard."""
OWN_ROWS = frozenset(
    {
        *("Log", "StripeLog", "TinyLog", "Memory", "Set", "Join"),
        *("EmbeddedRocksDB", "File", "SQLite", "TimeSeries"),
        *("DeltaLakeLocal", "IcebergLocal", "PaimonLocal"),
    }
)
"""Engines beside the MergeTree family that keep rows on the host itself, so that each host has others. Not among them
are those that pass rows on or keep them in another place (Buffer, Distributed, Kafka, KeeperMap, MySQL, Null, S3)."""
COUNTED = frozenset({"Log", "StripeLog", "TinyLog", "Memory", "Set", "Join"})
"""Those of them whose rows the server counts."""
_ALL = 0.9
"""A replica with fewer of the rows than this has not fetched the others yet: some are always under way."""
UNDER_WAY = 60
"""Seconds for which rows may be under way to a replica that is asked about all of them. Those that came so lately are
like those that are inserted behind the question, which no answer can know of. Older ones are not: a condition that no
row of the others breaks may be broken by them, and not each has a guard that would find them."""


@dataclass(frozen=True, slots=True)
class HostSizes:
    """The rows of a table on each host that answered."""

    hosts: Mapping[int, tuple[int, int]]
    """Rows and bytes, by the place of the host."""
    replicated: bool = True
    """False where each host has rows of its own."""
    late: int | None = 0
    """For how many seconds the oldest rows that the host which is connected to lacks have been under way to it; None
    where it cannot tell."""
    delays: Mapping[int, int] = field(default_factory=dict[int, int])
    """On several shards: for how many seconds the oldest rows have been under way to a host, by its place. One that
    cannot tell is left out."""

    def shards(self, topology: Topology) -> ShardSizes:
        """Of each shard. Of replicas the one counts that has most; hosts with rows of their own are added up."""
        found: dict[int, tuple[int, int]] = {}
        for place, (rows, size) in sorted(self.hosts.items()):
            shard = topology.at(place).shard
            before = found.get(shard, (0, 0))
            # Replicas have the same rows, up to what is under way: added up, each row would count twice.
            found[shard] = max(before, (rows, size)) if self.replicated else (before[0] + rows, before[1] + size)
        return found

    def largest(self, topology: Topology) -> float:
        """Which part of the table the host has that has most of it; 1 where nothing is counted."""
        whole = sum(size for _, size in self.shards(topology).values())
        return max(size for _, size in self.hosts.values()) / whole if whole else 1.0

    def owners(self, topology: Topology) -> Mapping[int, tuple[int, ...]]:
        """For each shard the places of the hosts that have rows."""
        found: dict[int, tuple[int, ...]] = {host.shard: () for host in topology.hosts}
        for place, (rows, _) in sorted(self.hosts.items()):
            if rows:
                found[topology.at(place).shard] += (place,)
        return found

    def lacking(self, topology: Topology) -> str:
        """What the host that is connected to has not, in words; '' where it has all rows of the table, but for those
        that are under way. On several shards the same of every host that may be asked for its shard."""
        local = topology.local
        if topology.shards > 1:
            return self._behind(topology)
        counts = [rows for rows, _ in self.hosts.values()]
        here = self._here(topology)
        if not self.replicated:
            others = [place for place, (rows, _) in sorted(self.hosts.items()) if rows and place != local]
            where = ", ".join(topology.at(place).label for place in others)
            return f"the rows of {'hosts' if len(others) > 1 else 'host'} {where} are not looked at" if others else ""
        most = max(counts, default=0)
        # It may have more than the others by what it takes in itself, or by merges that they have made already.
        if here >= most or (self.may_lack(topology) and self.late is not None and self.late <= UNDER_WAY):
            return ""
        return _has_fewer(topology.at(local).label if local else "that is connected to", here, most, self.late)

    def _behind(self, topology: Topology) -> str:
        for place, here, most in self._asked(topology):
            delay = self.delays.get(place)
            if here < most and not (here >= most * _ALL and delay is not None and delay <= UNDER_WAY):
                return _has_fewer(topology.at(place).label, here, most, delay)
        return ""

    def nearly(self, topology: Topology) -> tuple[int, ...]:
        """On several shards: the hosts that may be asked for their shard and have nearly all of its rows."""
        return tuple(place for place, here, most in self._asked(topology) if most * _ALL <= here < most)

    def _asked(self, topology: Topology) -> Iterator[tuple[int, int, int]]:
        """The hosts that may be asked for their shard, with the rows of each and of the one that has most of them."""
        # Hosts with rows of their own lack none of any other one.
        for shard in sorted({host.shard for host in topology.hosts}) if self.replicated else ():
            there = {place: rows for place, (rows, _) in self.hosts.items() if topology.at(place).shard == shard}
            for place, here in sorted(there.items()):
                # Of its own shard the host that is connected to answers, of others whichever is the first that does.
                if topology.local not in there or place == topology.local:
                    yield place, here, max(there.values())

    def may_lack(self, topology: Topology) -> bool:
        """Whether the host that is connected to has nearly all rows, so that it depends on how long it lacks the
        others."""
        counts = [rows for rows, _ in self.hosts.values()]
        here, most = self._here(topology), max(counts, default=0)
        return self.replicated and most * _ALL <= here < most

    def _here(self, topology: Topology) -> int:
        local = topology.local
        # Where nobody says which one is connected to, it may be the one with the fewest.
        return self.hosts.get(local, (0, 0))[0] if local else min((rows for rows, _ in self.hosts.values()), default=0)


def _has_fewer(label: str, here: int, most: int, seconds: int | None) -> str:
    since = f", and others have been under way to it for {seconds} s" if seconds else ""
    return f"host {label} has {here:,} of {rows_text(most)}{since}: run again when it has fetched the others"
