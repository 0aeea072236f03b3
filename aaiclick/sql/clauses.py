"""Commands of an ALTER TABLE, one function for each.

Names come as they stand in SQL, from ``quote_name`` or ``qualified``. Texts come plain and are quoted here: comments,
ids of partitions, names of parts.
"""

from __future__ import annotations

from collections.abc import Iterable

from aaiclick.sql.comments import without_end
from aaiclick.sql.quoting import quote_string

REMOVE_TTL = "REMOVE TTL"
REMOVE_SAMPLE_BY = "REMOVE SAMPLE BY"
APPLY_PATCHES = "APPLY PATCHES"
"""What lightweight updates wrote beside the parts becomes part of them."""

_MASK = "APPLY DELETED MASK"


def add_column(definition: str) -> str:
    """A new column. ``definition``: its name and everything behind it, also where it stands."""
    return f"ADD COLUMN {definition}"


def modify_column(name: str, change: str) -> str:
    """Another type, default, codec, TTL or place of a column."""
    return f"MODIFY COLUMN {name} {change}"


def remove_from_column(name: str, what: str) -> str:
    """A column without its DEFAULT, CODEC, TTL ..."""
    return modify_column(name, f"REMOVE {what}")


def modify_column_setting(name: str, settings: str) -> str:
    """Settings of a column, as ``a = 1, b = 2``."""
    return modify_column(name, f"MODIFY SETTING {settings}")


def reset_column_setting(name: str, settings: str) -> str:
    """Settings of a column, by name, that it has no more."""
    return modify_column(name, f"RESET SETTING {settings}")


def rename_column(old: str, new: str) -> str:
    """Another name for a column."""
    return f"RENAME COLUMN {old} TO {new}"


def drop_column(name: str) -> str:
    """A column goes."""
    return f"DROP COLUMN {name}"


def comment_column(name: str, comment: str, *, if_exists: bool = False) -> str:
    """COMMENT COLUMN. The text comes plain."""
    return f"COMMENT COLUMN {'IF EXISTS ' if if_exists else ''}{name} {quote_string(comment)}"


def materialize(kind: str, name: str) -> str:
    """What a column, index, projection or statistics of that ``kind`` holds is written for the rows that are there."""
    return f"MATERIALIZE {kind} {name}"


def delete_where(condition: str) -> str:
    """A mutation that deletes rows."""
    return f"DELETE WHERE {condition}"


def fill_projection(name: str) -> tuple[str, str]:
    """The commands of two ALTERs that write a projection for the rows that are there, without those that a lightweight
    DELETE has hidden: from wide parts the server would take these too. Parts without such rows stay as they are.

    25.8 cannot do both at once in compact parts (10, ``Not found column _row_exists``), so such rows go first. The
    second has the command once more, for what is deleted between the two.
    """
    return _MASK, f"{_MASK}, {materialize('PROJECTION', name)}"


def commands_of(text: str) -> tuple[str, ...]:
    """The two commands of the second ALTER of ``fill_projection``; any other text is one."""
    rest = text.removeprefix(f"{_MASK}, ")
    return (text,) if rest == text else (_MASK, rest)


def add_index(name: str, body: str) -> str:
    """A new skip index."""
    return f"ADD INDEX {name} {body}"


def drop_index(name: str) -> str:
    """A skip index goes."""
    return f"DROP INDEX {name}"


def add_projection(name: str, body: str) -> str:
    """A new projection."""
    return f"ADD PROJECTION {name} {body}"


def modify_projection(name: str, body: str) -> str:
    """A projection with other settings."""
    return f"MODIFY PROJECTION {name} {body}"


def drop_projection(name: str) -> str:
    """A projection goes."""
    return f"DROP PROJECTION {name}"


def add_constraint(name: str, body: str, *, if_not_exists: bool = False) -> str:
    """A new constraint. ``body``: CHECK or ASSUME and its condition."""
    return f"ADD CONSTRAINT {'IF NOT EXISTS ' if if_not_exists else ''}{name} {body}"


def drop_constraint(name: str, *, if_exists: bool = False) -> str:
    """A constraint goes."""
    return f"DROP CONSTRAINT {'IF EXISTS ' if if_exists else ''}{name}"


def add_statistics(name: str, kinds: str) -> str:
    """Statistics of a column that has none."""
    return f"ADD STATISTICS {name} TYPE {kinds}"


def modify_statistics(name: str, kinds: str) -> str:
    """Other statistics of a column."""
    return f"MODIFY STATISTICS {name} TYPE {kinds}"


def drop_statistics(name: str) -> str:
    """A column without statistics."""
    return f"DROP STATISTICS {name}"


def modify_order_by(key: str) -> str:
    """Another sort key."""
    return f"MODIFY ORDER BY {key}"


def modify_sample_by(key: str) -> str:
    """Another sampling key."""
    return f"MODIFY SAMPLE BY {key}"


def modify_ttl(ttl: str) -> str:
    """Another TTL of the table."""
    return f"MODIFY TTL {ttl}"


def modify_setting(name: str, value: str | int) -> str:
    """A setting of the table."""
    return modify_settings(((name, value),))


def modify_settings(settings: Iterable[tuple[str, str | int]]) -> str:
    """Several settings of the table."""
    return f"MODIFY SETTING {', '.join(f'{name} = {value}' for name, value in settings)}"


def reset_setting(*names: str) -> str:
    """Settings that the table has no more: the server's own hold."""
    return f"RESET SETTING {', '.join(names)}"


def modify_comment(comment: str) -> str:
    """The comment of the table."""
    return f"MODIFY COMMENT {quote_string(comment)}"


def modify_security(security: str) -> str:
    """As whom a view reads."""
    return f"MODIFY {security}"


def modify_query(query: str) -> str:
    """Another query of a materialized view."""
    # Other commands, or a closing parenthesis, may stand behind it.
    return f"MODIFY QUERY {without_end(query)}"


def modify_refresh(schedule: str) -> str:
    """Another schedule of a refreshable materialized view."""
    return f"MODIFY REFRESH {schedule}"


def attach_partition_from(partition: str, source: str) -> str:
    """The parts of one partition of another table, by hard link: they stay there as well."""
    return f"ATTACH PARTITION ID {quote_string(partition)} FROM {source}"


def attach_all_partitions_from(source: str) -> str:
    """The parts of every partition of another table; not known to older servers."""
    return f"ATTACH PARTITION ALL FROM {source}"


def move_partition(partition: str, target: str) -> str:
    """The parts of one partition go to another table."""
    return f"MOVE PARTITION ID {quote_string(partition)} TO TABLE {target}"


def drop_part(name: str) -> str:
    """One part goes, with its rows."""
    return f"DROP PART {quote_string(name)}"
