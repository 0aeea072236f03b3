"""What the server's error codes mean to somebody who migrates, and what to do. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from aaiclick.errors import SpecError, StatementError

_NAMED = re.compile(r"\(([A-Z][A-Z0-9_]+)\)\.?$")
"""Code of the server at the end of its message, by name."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code of the server: its name there, what it means, and what to do."""

    name: str
    means: str
    to_do: str


EXPLANATIONS: Mapping[int, Explanation] = {
    6: Explanation(
        "CANNOT_PARSE_TEXT",
        "a text does not read as the type that is wanted",
        "Correct those rows, or use a function that ends in OrNull or OrZero",
    ),
    10: Explanation(
        "NOT_FOUND_COLUMN_IN_BLOCK",
        "a statement reads a column that is not there any more",
        "Look for a view or an expression that names it",
    ),
    15: Explanation(
        "DUPLICATE_COLUMN",
        "a column of that name is there already, or is declared twice",
        "Look at the table: somebody may have added it",
    ),
    16: Explanation(
        "NO_SUCH_COLUMN_IN_TABLE",
        "the table has no column of that name",
        "Look for a name that was misspelt or renamed",
    ),
    36: Explanation(
        "BAD_ARGUMENTS",
        "the server does not accept an argument of a function, an engine or a clause",
        "Correct what the message names",
    ),
    42: Explanation(
        "NUMBER_OF_ARGUMENTS_DOESNT_MATCH",
        "a function, an engine or a type takes another number of arguments",
        "Correct what the message names",
    ),
    43: Explanation(
        "ILLEGAL_TYPE_OF_ARGUMENT",
        "a function does not take values of that type",
        "Convert them in the expression: CAST(x, 'Type')",
    ),
    44: Explanation(
        "ILLEGAL_COLUMN",
        "a column or its type cannot be used in that place",
        "Correct what the message names; an INSERT may not name MATERIALIZED and ALIAS columns",
    ),
    46: Explanation(
        "UNKNOWN_FUNCTION",
        "this server has no function of that name",
        "Correct the name, create the function, or use a newer server",
    ),
    47: Explanation(
        "UNKNOWN_IDENTIFIER",
        "an expression or a query names a column that is not there",
        "Look for a name that was misspelt, renamed or dropped, also in views",
    ),
    48: Explanation(
        "NOT_IMPLEMENTED",
        "this server cannot do that with this engine or type",
        "Do it in another way, or use a newer server",
    ),
    50: Explanation(
        "UNKNOWN_TYPE",
        "this server has no type of that name; case counts in most of them (UInt64)",
        "Correct the name, or use a newer server",
    ),
    53: Explanation("TYPE_MISMATCH", "a value has another type than the place wants", "Convert it: CAST(x, 'Type')"),
    56: Explanation(
        "UNKNOWN_STORAGE",
        "this server has no table engine of that name",
        "Correct the name, or use a build of the server that has it",
    ),
    57: Explanation(
        "TABLE_ALREADY_EXISTS",
        "something of that name is there already",
        "Run again: what is there is compared. If it is somebody else's, rename one of them",
    ),
    60: Explanation(
        "UNKNOWN_TABLE",
        "there is no table of that name, or it was dropped or renamed meanwhile",
        "Look who did that, and run again",
    ),
    62: Explanation(
        "SYNTAX_ERROR",
        "the server does not understand the statement",
        "Correct the SQL where the message points to; an older server may not know it",
    ),
    63: Explanation(
        "UNKNOWN_AGGREGATE_FUNCTION",
        "this server has no aggregate function of that name",
        "Correct the name, or use a newer server",
    ),
    69: Explanation(
        "ARGUMENT_OUT_OF_BOUND",
        "a number is outside of what is possible there",
        "Correct what the message names",
    ),
    70: Explanation(
        "CANNOT_CONVERT_TYPE",
        "a value cannot be converted into that type",
        "Say in a migration what is to become of it: Rebuild(columns=...)",
    ),
    72: Explanation(
        "CANNOT_PARSE_NUMBER",
        "a text is no number",
        "Correct those rows, or use a function that ends in OrNull or OrZero",
    ),
    80: Explanation(
        "INCORRECT_QUERY",
        "parts of a definition do not go together, or one of them is not known",
        "Correct what the message names",
    ),
    81: Explanation(
        "UNKNOWN_DATABASE",
        "there is no database of that name",
        "Create it (aaiclick migrate --create-database), or give another --database",
    ),
    115: Explanation(
        "UNKNOWN_SETTING",
        "this server does not know a setting, or not any more",
        "Take it out of the declaration or of the connection; releases differ in their settings",
    ),
    159: Explanation(
        "TIMEOUT_EXCEEDED",
        (
            "a statement took longer than it may; on a cluster, a host has not answered in time, and the statement "
            "may go on there"
        ),
        "Raise the limit (max_execution_time, distributed_ddl_task_timeout) of the user, and run again",
    ),
    164: Explanation(
        "READONLY",
        "the user, or the server, may only read",
        "Use a user who may write, or a server that is not read-only",
    ),
    202: Explanation(
        "TOO_MANY_SIMULTANEOUS_QUERIES",
        "the server is at its limit of statements at once",
        "Run again when it has less to do, or raise max_concurrent_queries",
    ),
    210: Explanation(
        "NETWORK_ERROR",
        "a connection broke, or another host could not be reached",
        "Look at the network and at that host, and run again: it looks at what happened",
    ),
    215: Explanation(
        "NOT_AN_AGGREGATE",
        "a query groups rows, and names a column that is neither grouped by nor aggregated",
        "Add it to GROUP BY, or aggregate it: any(x)",
    ),
    225: Explanation(
        "NO_ZOOKEEPER",
        "the server has no ClickHouse Keeper or ZooKeeper, or cannot reach it",
        "Configure one, or declare tables that are not replicated: Schema(replicate='where-possible')",
    ),
    241: Explanation(
        "MEMORY_LIMIT_EXCEEDED",
        "the statement needed more memory than the query, the user or the server may use",
        (
            "Run again when the server has less to do, or raise max_memory_usage; a copy tries smaller blocks by "
            "itself first"
        ),
    ),
    242: Explanation(
        "TABLE_IS_READ_ONLY",
        "a replicated table takes no writes, because it has lost its session with Keeper",
        "Look at Keeper and at system.replicas on that host, and run again when is_readonly is 0",
    ),
    243: Explanation(
        "NOT_ENOUGH_SPACE",
        "there is no room left on a disk of the server",
        "Make room, and run again: it goes on",
    ),
    252: Explanation(
        "TOO_MANY_PARTS",
        "a table has so many parts that the server takes no more until they are merged",
        "Wait for merges, insert less often, and run again",
    ),
    253: Explanation(
        "REPLICA_ALREADY_EXISTS",
        "Keeper has that replica already, maybe of a table that was dropped a moment ago",
        "Wait until it is gone (DROP TABLE ... SYNC), or give another path",
    ),
    319: Explanation(
        "UNKNOWN_STATUS_OF_INSERT",
        "Keeper was lost in the middle of an INSERT: it may have happened",
        "Run again: it looks at what happened",
    ),
    341: Explanation(
        "UNFINISHED",
        "the server stopped waiting for a mutation or for other replicas; the work itself may go on, or fail",
        "Look at system.mutations (latest_fail_reason), and run again",
    ),
    344: Explanation(
        "SUPPORT_IS_DISABLED",
        "a feature has to be switched on first, or is not part of this build",
        "Set what the message names for the user, or do without it",
    ),
    349: Explanation(
        "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
        "a NULL is to go into a column without Nullable",
        "Say what it becomes: ifNull(x, ...), or declare the column Nullable",
    ),
    359: Explanation(
        "TABLE_SIZE_EXCEEDS_MAX_DROP_SIZE_LIMIT",
        "the table is larger than what may be dropped without asking",
        "Raise max_table_size_to_drop, if that table is really meant",
    ),
    386: Explanation(
        "NO_COMMON_TYPE",
        "values of types that do not go together are to be one",
        "Convert one of them: CAST(x, 'Type')",
    ),
    394: Explanation(
        "QUERY_WAS_CANCELLED",
        "somebody has cancelled the statement (KILL QUERY), or the server shuts down",
        "Run again: it goes on",
    ),
    395: Explanation(
        "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO",
        "throwIf has found what it looks for",
        "Its text says what: correct those rows",
    ),
    397: Explanation(
        "QUERY_IS_NOT_SUPPORTED_IN_MATERIALIZED_VIEW",
        "a materialized view cannot have that query",
        "Leave out what the message names, such as UNION",
    ),
    439: Explanation(
        "CANNOT_SCHEDULE_TASK",
        "the server has no thread left for it",
        "Run again when it has less to do",
    ),
    452: Explanation(
        "SETTING_CONSTRAINT_VIOLATION",
        "the user may not set that setting, or not to that value",
        "Take it out of the connection, or change the constraints of the user's profile",
    ),
    455: Explanation(
        "SUSPICIOUS_TYPE_FOR_LOW_CARDINALITY",
        "LowCardinality of that type mostly costs more than it saves, so the server refuses it",
        "Leave LowCardinality out, or set allow_suspicious_low_cardinality_types for the user",
    ),
    469: Explanation(
        "VIOLATED_CONSTRAINT",
        (
            "a row does not meet a CHECK constraint; while a table is migrated, one of aaiclick's own keeps writers "
            "out for a moment"
        ),
        "Correct the rows; a writer tries again when the migration is over",
    ),
    473: Explanation(
        "DEADLOCK_AVOIDED",
        "the server could not lock a table in time, because a statement holds it for long",
        "Look for it in system.processes, and run again",
    ),
    478: Explanation(
        "UNKNOWN_POLICY",
        "this server has no storage policy of that name",
        "Configure it there, or give another one (a variable of the schema)",
    ),
    479: Explanation("UNKNOWN_DISK", "this server has no disk of that name", "Configure it there, or name another one"),
    497: Explanation(
        "ACCESS_DENIED",
        "the user does not have the right that the statement needs",
        "Grant what the message names, or use a user who may",
    ),
    516: Explanation(
        "AUTHENTICATION_FAILED",
        "user or password are wrong, or that user may not come from here",
        "Correct them in the URL or its variables",
    ),
    517: Explanation(
        "CANNOT_ASSIGN_ALTER",
        "another ALTER of that replicated table is at work",
        "Run again in a moment",
    ),
    524: Explanation(
        "ALTER_OF_COLUMN_IS_FORBIDDEN",
        "a column cannot be changed in that way, mostly because a key, an index or a view needs it",
        "Declare what it is to be, and let the plan find the way: it copies the table where ALTER is refused",
    ),
    549: Explanation(
        "DATA_TYPE_CANNOT_BE_USED_IN_KEY",
        "a type cannot be in a sort key or a partition key",
        "Take another column or an expression of it",
    ),
    630: Explanation(
        "HAVE_DEPENDENT_OBJECTS",
        "something else needs the object that is to be dropped",
        "Drop or change first what the message names",
    ),
    669: Explanation(
        "NAMED_COLLECTION_DOESNT_EXIST",
        "the server has no named collection that a definition refers to, or does not show it to this user",
        "Declare it (NamedCollection), or make it there (CREATE NAMED COLLECTION, or the configuration), and run again",
    ),
    774: Explanation(
        "TABLE_IS_PERMANENTLY_READ_ONLY",
        "the table takes no writes (table_readonly); while it is migrated, that is so for a moment",
        "A writer tries again; if no migration is at work: ALTER TABLE ... RESET SETTING table_readonly",
    ),
    999: Explanation(
        "KEEPER_EXCEPTION",
        "ClickHouse Keeper or ZooKeeper has not carried out a request",
        "Look at its state and at the network, and run again: it looks at what happened",
    ),
}


def explanation_of(error: BaseException) -> str:
    """A line on the server's code behind an error, without links: ``497 ACCESS_DENIED: ...``; '' where there is none,
    or nothing is known about it. A wrong declaration has the server's words, which end with the name of the code."""
    seen = 0
    current: BaseException | None = error
    # Causes may go round in a circle.
    while current is not None and seen < 10:
        if isinstance(current, StatementError) and (found := EXPLANATIONS.get(current.code)) is not None:
            return _line(current.code, found)
        current, seen = current.__cause__, seen + 1
    if isinstance(error, SpecError) and (named := _NAMED.search(str(error))) is not None:
        return next((_line(code, found) for code, found in EXPLANATIONS.items() if found.name == named[1]), "")
    return ""


def _line(code: int, found: Explanation) -> str:
    return f"{code} {found.name}: {found.means}. {found.to_do}"
