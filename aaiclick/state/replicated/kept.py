"""What is said of an old table that all hosts keep: a note, as its comment would be each replica's own."""

from __future__ import annotations

from aaiclick.clickhouse.statements import ask
from aaiclick.routine import Routine, number
from aaiclick.state.comments import drop_commented, replace_comment
from aaiclick.state.kept_tables import COMMENT, KeptComment
from aaiclick.state.replicated.mark import ReplicatedMark

ALL_BLOCKS = 2**62
"""Above every number of a block."""


def note_kept(database: str, name: str, mark: ReplicatedMark, reason: str) -> Routine[None]:
    """Say how long the old table of a copy stays, and what it was. What is said counts once a table has the name.
    ``reason``: why it stays until somebody decides; '' for nothing."""
    rows = yield from ask("SELECT toUnixTimestamp64Milli(now64(3))")
    moment = number(rows[0][0])
    expires = 0 if reason else moment // 1000 + mark.keep_old_seconds
    kept = KeptComment(
        mark.table,
        mark.sources[0],
        mark.shadow,
        moment // 1000,
        expires,
        mark.saved,
        reason,
        # What came late is a reason, and then nobody can tell.
        copied=ALL_BLOCKS,
        base=-1 if mark.counts and not reason else None,
        numbered=mark.numbered,
        back=mark.back_to is not None,
        back_to=mark.back_to,
        moment=moment,
        bases=mark.bases if mark.counts and not reason else (),
        replicated=True,
        detached=mark.detached,
    )
    # A note is there for all hosts at once; a comment would be changed on each of them by itself.
    yield from replace_comment(database, name, COMMENT.dump(kept))


def forget_kept(database: str, name: str) -> Routine[None]:
    """It is gone."""
    yield from drop_commented(database, name)
