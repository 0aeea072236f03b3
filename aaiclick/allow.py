"""What can be allowed by name, as functions: ``Policy.lossless().allow(drop_column("events", "props"))``.

Each gives an ``Allow``, which stands wherever a plan's own text (``"drop-column events.props"``) may stand. What they
allow is said in their texts, and in docs/policy.md, which is made from these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allow:
    """One thing that is allowed by name. ``str()`` gives the key, as plans and ``--allow`` have it."""

    key: str

    def __str__(self) -> str:
        return self.key


def drop_column(table: str, column: str) -> Allow:
    """Drop a column that is no longer declared, with its values."""
    return Allow(f"drop-column {table}.{column}")


def drop_table(table: str) -> Allow:
    """Drop a table that is no longer declared, with all its rows."""
    return Allow(f"drop-table {table}")


def drop_view(view: str) -> Allow:
    """Drop a view or materialized view that is no longer declared; a table of its own goes with it."""
    return Allow(f"drop-view {view}")


def drop_dictionary(dictionary: str) -> Allow:
    """Drop a dictionary that is no longer declared."""
    return Allow(f"drop-dictionary {dictionary}")


def drop_rows(table: str) -> Allow:
    """Leave out the rows that the ``where`` of a migration filters away while the table is rebuilt."""
    return Allow(f"drop-rows {table}")


def add_column(table: str, column: str) -> Allow:
    """Add a column by which merges remove or keep other rows (a SummingMergeTree that sums it)."""
    return Allow(f"add-column {table}.{column}")


def change_default(table: str, column: str) -> Allow:
    """Change the default, MATERIALIZED or ALIAS expression of a column where rows read another value from then on."""
    return Allow(f"change-default {table}.{column}")


def change_engine(table: str) -> Allow:
    """Change the engine to one that combines rows of the same sort key, or from one that has some still to combine."""
    return Allow(f"change-engine {table}")


def change_partition_key(table: str) -> Allow:
    """Change the partition key where the engine then combines other rows."""
    return Allow(f"change-partition-key {table}")


def change_sort_key(table: str) -> Allow:
    """Change the sort key where the engine then combines, or keeps, other rows."""
    return Allow(f"change-sort-key {table}")


def change_ttl(table: str, column: str | None = None) -> Allow:
    """Change the TTL of a table, or of a column, where rows or values expire that would have stayed."""
    return Allow(f"change-ttl {table}" if column is None else f"change-ttl {table}.{column}")


def leave_detached_parts(table: str) -> Allow:
    """Rebuild a table, change its columns, or roll it back, although detached parts of it stay as they are."""
    return Allow(f"leave-detached-parts {table}")


def leave_row_policy(table: str, policy: str) -> Allow:
    """Change columns that a row policy reads, although its readers then fail or see other rows."""
    return Allow(f"leave-row-policy {table}.{policy}")


def materialize(table: str, name: str) -> Allow:
    """Fill an index, projection or statistics, which is added for new rows only, for the rows that are there."""
    return Allow(f"materialize {table}.{name}")


def relabel_enum(table: str, column: str) -> Allow:
    """Give stored numbers of an Enum other labels."""
    return Allow(f"relabel-enum {table}.{column}")


def replace_table(table: str) -> Allow:
    """Create a Buffer or queue table anew, without what it holds at that moment."""
    return Allow(f"replace-table {table}")


def replace_view(view: str) -> Allow:
    """Make a materialized view anew where inserts in between are not seen, or the rows of its own table go."""
    return Allow(f"replace-view {view}")


def retype(table: str, column: str) -> Allow:
    """Change the type of a column where values cannot be shown to stay the same, or merges combine them otherwise."""
    return Allow(f"retype {table}.{column}")


def run_sql(migration: str) -> Allow:
    """Run the statements of a migration that drop, truncate or delete; by the name that the plan gives it."""
    return Allow(f"run-sql {migration}")


def rerun(migration: str, what: str | int, mark: str = "") -> Allow:
    """Do again what may have happened already: a statement of a migration, by its number, or the expressions of a
    table, by its name. The mark in the error says which time: the key holds for that one. Without it only the first
    time is meant."""
    return Allow(f"rerun {migration}:{what}{mark and f'#{mark}'}")


def skip(migration: str, what: str | int, mark: str = "") -> Allow:
    """Take for done what may not have happened: a statement of a migration, by its number, or the expressions of a
    table, by its name. The mark is that of ``rerun``."""
    return Allow(f"skip {migration}:{what}{mark and f'#{mark}'}")


def change_function(function: str) -> Allow:
    """Give a function of the server, which other databases may call, another body."""
    return Allow(f"change-function {function}")


def change_collection(collection: str) -> Allow:
    """Add keys to a named collection of the server, which other databases may use, or change which are overridable."""
    return Allow(f"change-collection {collection}")


def set_values(collection: str, key: str | None = None) -> Allow:
    """Set the values of a named collection, or of one of its keys, anew: what is declared, or in the environment now.
    It is done as often as it is asked for."""
    return Allow(f"set-values {collection}" if key is None else f"set-values {collection}.{key}")


def drop_collection(collection: str) -> Allow:
    """Drop a named collection that is no longer declared, with its values."""
    return Allow(f"drop-collection {collection}")


def drop_collection_key(collection: str, key: str) -> Allow:
    """Take a key that is not declared from a named collection of the server."""
    return Allow(f"drop-collection-key {collection}.{key}")


def fill_from_the_rest(table: str) -> Allow:
    """Fill a new measure of an aggregate from the rows that a TTL has left; or a new view with ``backfill`` from what a
    later version has left of its source."""
    return Allow(f"fill-from-the-rest {table}")


def rebuild_aggregate(table: str) -> Allow:
    """Empty the table of an aggregate and fill it again from the raw rows that are left."""
    return Allow(f"rebuild-aggregate {table}")


def start_empty(table: str) -> Allow:
    """Begin an aggregate without the rows that are there, because writers of the raw table cannot be kept out; or leave
    a view with ``backfill`` without rows of which nobody can tell whether its target has them."""
    return Allow(f"start-empty {table}")


def writers_stopped(table: str) -> Allow:
    """Vouch that nobody writes into the table, where the server or a stream cannot be kept out."""
    return Allow(f"writers-stopped {table}")


def wait_for_deletes(table: str) -> Allow:
    """Copy a table under deletes and updates until there is a moment without any, without limit."""
    return Allow(f"wait-for-deletes {table}")


def reapply_deletes(table: str) -> Allow:
    """Copy what deletes and updates changed meanwhile once more, the last of it while writers are refused."""
    return Allow(f"reapply-deletes {table}")


def keep_writers_out(table: str) -> Allow:
    """Refuse writers, deletes and updates from the first change on until the copy is done."""
    return Allow(f"keep-writers-out {table}")


def deletes(table: str) -> Allow:
    """Roll back although rows that were deleted or changed since come back as they were."""
    return Allow(f"deletes {table}")


def values(table: str) -> Allow:
    """Roll back although rows that came since hold values that the old columns cannot hold, or may not."""
    return Allow(f"values {table}")


def partial(schema: str) -> Allow:
    """Roll back although some objects of the schema stay as they are."""
    return Allow(f"partial {schema}")


def one_node() -> Allow:
    """Vouch that there is one node only, whatever the catalogue says of replicas."""
    return Allow("one-node")


def without_host(host: str) -> Allow:
    """Change a cluster while a host of it is away; it carries out what was sent when it comes back."""
    return Allow(f"without-host {host}")


GROUPS: tuple[tuple[str, tuple[Callable[..., Allow], ...]], ...] = (
    ("What is no longer declared", (drop_column, drop_table, drop_view, drop_dictionary)),
    (
        "Changes of a table or view",
        (
            add_column,
            change_default,
            change_engine,
            change_partition_key,
            change_sort_key,
            change_ttl,
            drop_rows,
            leave_detached_parts,
            leave_row_policy,
            materialize,
            relabel_enum,
            replace_table,
            replace_view,
            retype,
        ),
    ),
    ("Named collections", (change_collection, drop_collection, drop_collection_key, set_values)),
    ("Functions and aggregates", (change_function, fill_from_the_rest, rebuild_aggregate, start_empty)),
    ("Migrations", (run_sql, rerun, skip)),
    ("Writers during a rebuild", (keep_writers_out, reapply_deletes, wait_for_deletes, writers_stopped)),
    ("Rollback (`aaiclick rollback`)", (deletes, partial, values)),
    ("Replicas and clusters", (one_node, without_host)),
)
"""All of them, as docs/policy.md lists them."""


def word_of(function: Callable[..., Allow]) -> str:
    """The first word of the keys that a function gives."""
    return function.__name__.replace("_", "-")


WORDS = frozenset(word_of(function) for _, functions in GROUPS for function in functions)
"""The first words of all keys. A key with another one is a slip of the pen."""
