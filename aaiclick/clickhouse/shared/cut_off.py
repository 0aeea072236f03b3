"""Settings in the profile of the user on another host that cut off what it answers: of what it does not say nobody
would know.

Nothing puts ``limit`` and ``offset`` back there: the server takes them out of what it sends to another host. A bound
for the rows of an answer can be sent along only where it is not the default. So they are named before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from aaiclick.error_codes import TOO_MANY_ROWS_OR_BYTES
from aaiclick.errors import PlanError, StatementError
from aaiclick.routine import Query, Routine, Rows
from aaiclick.sql.quoting import quote_string

_ROWS = 100_000
"""A bound above this cuts nothing off: parts are the most that a host is asked for."""
_BYTES = 100_000_000
# The server shows 0 for limit and offset while it carries a question out, but as changed. Many rows: of one nothing
# would be left where some are skipped.
_CUTTING = (
    "view(SELECT toString(serverUUID()) AS server FROM system.settings AS s, numbers(1000) AS many WHERE changed AND "
    f"(name IN ('limit', 'offset') OR (name = 'max_result_rows' AND toUInt64OrZero(value) BETWEEN 1 AND {_ROWS}) OR "
    f"(name = 'max_result_bytes' AND toUInt64OrZero(value) BETWEEN 1 AND {_BYTES})))"
)
_SAID = (
    "the profile of this user sets limit, offset or a bound for the rows of an answer on {}, which cuts off what is "
    "asked of several hosts. Nothing was changed. Take them out of the profile there, and run again"
)


def cutting(cluster: str) -> str:
    """What stands behind FROM in a question for hosts with such settings: ``server`` is the UUID of theirs, and
    ``_shard_num`` their place."""
    return f"clusterAllReplicas({quote_string(cluster)}, {_CUTTING})"


def ask_uncut(sql: str, bound: Mapping[str, str | int], settings: Mapping[str, str | int]) -> Routine[Rows]:
    """The answer to a question in which ``cutting`` stands. Raises PlanError where a host does not give it because of
    such a bound."""
    try:
        return (yield Query(sql, bound, settings))
    except StatementError as error:
        if error.code != TOO_MANY_ROWS_OR_BYTES:
            raise
        raise PlanError(f"{_SAID.format('another host')} (the server said: {error.message})") from error


def require_uncut(labels: Sequence[str], found: Iterable[tuple[int, str]], here: str) -> None:
    """Raise PlanError where hosts were found. ``labels``: what all of them are called, in the order of the cluster.
    ``here``: the UUID of the server that is connected to, which shows as changed what is sent to put its own profile
    right."""
    places = sorted({place for place, server in found if server != here})
    if places:
        hosts = ", ".join(labels[place - 1] for place in places)
        raise PlanError(_SAID.format(f"host{'s' if len(places) > 1 else ''} {hosts}"))
