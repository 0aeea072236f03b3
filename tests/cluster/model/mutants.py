"""The routine with one precaution taken away. Each has to be found: what takes care of nothing is not needed, or not
looked at."""

from __future__ import annotations

from tests.cluster.model.state import Bounds

ONE, TWO, SPREAD = (0, 0), (0, 1), (0, 0, 1)
"""Hosts of one shard, of two shards with one host each, and of two shards of which one has two."""

MUTANTS: dict[str, tuple[Bounds, str]] = {
    "one at a time": (Bounds(ONE, inserts=0), "two runs at once, because nobody looks who has the lease"),
    "synced notes": (Bounds(ONE, inserts=0), "a host is asked for the note that has not come by its last line"),
    "guarded lines": (Bounds(ONE, belated=1), "a line of a run that is over is taken"),
    "guards": (Bounds(ONE, inserts=0, belated=1), "the constraint is taken off by a run that is over"),
    "writers once more": (
        Bounds(ONE, inserts=0, belated=1),
        "an undo lets writers in before guards are gone, and not behind that",
    ),
    "fence on all hosts": (Bounds(ONE), "the constraint is looked for on one host only"),
    "all shards closed": (Bounds(TWO), "the exchange begins when one shard is closed"),
    "drain": (Bounds(ONE), "INSERTs that run are not waited for"),
    "drain of all hosts": (Bounds(ONE), "those that run on other hosts are not waited for"),
    "rows of all hosts": (Bounds(ONE), "rows that another host took are not waited for"),
    "parts on all hosts": (Bounds(ONE), "a host is exchanged before it has the parts of the new table"),
    "note before the exchange": (Bounds(ONE, inserts=0), "that the exchange may have begun is noted when it is over"),
    "forward only": (Bounds(ONE, inserts=0), "an exchange that was begun is undone"),
    "looks at UUIDs": (Bounds(ONE, inserts=0), "EXCHANGE is sent to a host that has the new table already"),
    "constraint until all have it": (Bounds(ONE, inserts=0), "the new table takes rows before all hosts have it"),
    "old table aside": (
        Bounds(ONE, inserts=0, belated=1),
        "the old table keeps the name that a belated EXCHANGE knows",
    ),
    "a second look": (Bounds(ONE, inserts=0, belated=1), "what a belated EXCHANGE did before that is not looked for"),
    "same definitions": (Bounds(TWO, inserts=0, alters=True), "a copy begins where one host shows an ALTER alone"),
    "definition of the old table": (
        Bounds(ONE, inserts=0, alters=True),
        "it is not looked at again behind the exchange",
    ),
    "log of the old table": (
        Bounds(ONE, inserts=0, alters=True),
        "it is looked at before all hosts have carried out the ALTERs of its log",
    ),
}
"""By the name of the precaution: in which bounds it is found, and what is done without it."""
