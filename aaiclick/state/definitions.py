"""What the definition of a table was at a moment, so that an ALTER which comes later shows.

An operator's ALTER during a copy would be lost in silence: the new table was planned for the definition of before. So
the two are compared, clause by clause, without what a run of this library sets itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.parse.expanded_aliases import aliases_of, without_aliases
from aaiclick.catalog.render import column_form_sql, index_form_sql, local_engine, settings_sql
from aaiclick.clickhouse.features import FENCE, NUMBERS
from aaiclick.clickhouse.merges import MERGES_STOPPED
from aaiclick.clickhouse.names import FENCE_CONSTRAINT, GUARD
from aaiclick.sql.clauses import modify_comment, modify_setting, reset_setting

# Whoever changes one of these by hand meanwhile cannot be told from the run itself.
_OURS = frozenset({FENCE, NUMBERS, *(name for name, _ in MERGES_STOPPED)})


def definition_of(created: str, database: str) -> str:
    """A checksum for each kind of clause of a CREATE text, but for what a run of this library sets while it copies the
    table; '' where the text cannot be split into clauses."""
    form = split_create(created, database)
    return _checksums(form) if isinstance(form, TableForm) else ""


def unlike_kinds(created: str, other: str, database: str) -> tuple[str, ...]:
    """The kinds of clauses in which the CREATE texts of two hosts differ, but for what each replica may have otherwise:
    settings, comment, and how path and replica name are written; none where it cannot be told."""
    one, two = (split_create(each, database) for each in (created, other))
    if not (isinstance(one, TableForm) and isinstance(two, TableForm)):
        return ()
    here, there = (_checksums(replace(local_engine(form), settings=(), comment="")) for form in (one, two))
    return kinds_altered(here, there)


def given_back(created: str, other: str, form: TableForm, database: str) -> tuple[str, ...]:
    """The commands of an ALTER after which a table that is made as ``form`` has the settings and the comment of the
    CREATE text ``created`` again, in which that differs from the one of another host; none where it cannot be told."""
    own, usual = (split_create(each, database) for each in (created, other))
    if not (isinstance(own, TableForm) and isinstance(usual, TableForm)):
        return ()
    given = {*usual.settings, *form.settings}
    mine = [pair for pair in sorted(own.settings) if pair[0] not in _OURS]
    kept = dict(own.settings)
    return (
        *(modify_setting(name, value) for name, value in mine if (name, value) not in given),
        *(reset_setting(name) for name, _ in usual.settings if name not in kept and name not in _OURS),
        *([modify_comment(own.comment)] if own.comment != usual.comment else []),
    )


def _checksums(form: TableForm) -> str:
    return " ".join(f"{kind}={said}" for kind, said in _clauses(form).items())


def _clauses(form: TableForm) -> dict[str, str]:
    # 25.8 shows what stands behind an ALIAS in an index until the first ALTER, which may be ours.
    aliases = aliases_of(form)
    clauses = {
        "columns": [column_form_sql(column) for column in form.columns],
        "indexes": [
            index_form_sql(replace(index, expression=without_aliases(index.expression, aliases)))
            for index in form.indexes
        ],
        "projections": [repr((each.name, each.body)) for each in form.projections],
        "constraints": [
            repr((each.name, each.kind, each.expression))
            for each in form.constraints
            if not each.name.startswith((GUARD, FENCE_CONSTRAINT))
        ],
        "keys": [form.engine, form.arguments, form.partition_by, form.primary_key, form.order_by, form.sample_by],
        "TTL": [form.ttl],
        "settings": [settings_sql((pair,)) for pair in sorted(form.settings) if pair[0] not in _OURS],
        "comment": [form.comment],
    }
    return {
        kind: hashlib.sha256(repr(texts).encode(errors="surrogatepass")).hexdigest()[:8]
        for kind, texts in clauses.items()
    }


def kinds_altered(before: str, now: str, towards: TableForm | None = None) -> tuple[str, ...]:
    """The kinds of clauses in which two answers of ``definition_of`` differ; none where it cannot be told. ``towards``:
    without those in which our own ALTERs have brought the table nearer to this form."""
    then, later = (dict(each.split("=") for each in text.split()) for text in (before, now))
    wanted = _clauses(towards) if towards is not None else then
    # A release that knows another kind compares what both know.
    return tuple(
        kind for kind, said in then.items() if later.get(kind, said) != said and wanted.get(kind, said) == said
    )
