"""Which statements of migrations can be carried out on a cluster, and how. Pure.

A definition goes to all hosts, as those of a plan do, and is proved on each. What changes rows is sent once, by the
host that is connected to, and its replicas follow by the table's log: through the DDL queue it could be carried out
twice. On several shards that host has the rows of its own only.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from aaiclick.clickhouse.messages import shortened
from aaiclick.clickhouse.topology import Topology
from aaiclick.printable import count_text
from aaiclick.sql.statement_kinds import statement_kind, target_of

_PLAIN = re.compile(r"\bENGINE\s*=?\s*(?!Replicated|Shared)\w*MergeTree\b", re.IGNORECASE)


def statements_refusal(statements: Sequence[str], topology: Topology, replicated: Collection[str]) -> str:
    """Why the statements of a migration are not carried out on these hosts; '' where they are. ``replicated``: the
    tables that are declared as such."""
    for place, sql in enumerate(statements, 1):
        kind = statement_kind(sql)
        why = ""
        if not kind:
            why = (
                "it names a cluster itself, which is added where it belongs: leave ON CLUSTER out"
                if re.search(r"\bON\s+CLUSTER\b", sql, re.IGNORECASE)
                else "what it does on each host cannot be told"
            )
        # An INSERT SELECT there would read the rows of one shard, and write them to the same one.
        elif kind == "rows" and topology.shards > 1:
            why = "the host that sends it has the rows of its own shard only"
        elif kind == "rows" and target_of(sql, topology.database) not in replicated:
            why = "the table that it changes is not declared as a replicated one, and other hosts may not get its rows"
        elif kind == "definition" and topology.replicas > 1 and _PLAIN.search(sql):
            why = (
                f"the table is not replicated, and each of its {count_text(topology.replicas, 'replica')} would "
                "hold other rows"
            )
        if why:
            return f"statement {place} ({shortened(sql)}): {why}: do it by hand, on all hosts"
    return ""
