"""What nobody declares of a view, and what therefore stays where it is made anew: its comment, as whom it reads, and
the comments of its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, cast

from aaiclick.catalog.forms import Catalog, ColumnForm, ViewForm
from aaiclick.catalog.render import column_form_sql
from aaiclick.plan.model import Step
from aaiclick.plan.operations import CreateWork
from aaiclick.specs.ddl import create_materialized_view_sql, create_view_sql
from aaiclick.specs.views import Dictionary, MaterializedView, View
from aaiclick.sql.clauses import comment_column, modify_query
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.quoting import qualified, quote_name

V = TypeVar("V", bound=View | MaterializedView)


def keeping(item: V, live: ViewForm) -> V:
    """The declaration, with what is not declared as the live view has it."""
    kept: dict[str, object] = {}
    if not item.declares("comment") and live.comment:
        kept["comment"] = live.comment
    # Of another kind nobody has said who the rows are written as.
    if not item.security and live.security and live.materialized == issubclass(type(item), MaterializedView):
        kept["security"] = live.security
    return cast("V", item.model_copy(update=kept)) if kept else item


def as_it_was(item: V, catalog: Catalog) -> V:
    """The declaration of a view that a killed run dropped to make it anew, with what nobody declares of it; any other
    as it is."""
    gone = catalog.gone.get(item.name) if catalog.get(item.name) is None else None
    return keeping(item, gone) if gone is not None else item


def as_they_were(
    items: Sequence[View | MaterializedView | Dictionary], catalog: Catalog
) -> Sequence[View | MaterializedView | Dictionary]:
    """The declarations, with what nobody declares of those views that a killed run dropped to make them anew."""
    if not catalog.gone:
        return items
    return [item if isinstance(item, Dictionary) else as_it_was(item, catalog) for item in items]


def with_columns(
    step: Step,
    items: Sequence[View | MaterializedView | Dictionary],
    shapes: Mapping[str, ViewForm],
    catalog: Catalog,
) -> Step:
    """The CREATE of a view that a killed run dropped, with the comments of its columns as well."""
    item, shape = next(item for item in items if item.name == step.object), shapes.get(step.object)
    if isinstance(item, Dictionary) or shape is None or item.name not in catalog.gone:
        return step
    sql = create_again(item, catalog.gone[item.name], shape, catalog.database)
    return replace(step, sql=[sql], work=CreateWork(sql))


def create_again(item: View | MaterializedView, live: ViewForm, wanted: ViewForm, database: str) -> str:
    """The CREATE of a view that is made anew in place of the live one. ``wanted``: what it becomes.

    All in one statement, with its list of columns where these have comments: nothing would tell a later run of what was
    to come behind a kill.
    """
    kept, columns = keeping(item, live), with_comments(wanted.columns, live.columns)
    listed = f"({', '.join(map(column_form_sql, columns))})" if any(column.comment for column in columns) else ""
    if isinstance(kept, View):
        return create_view_sql(kept, database, columns=listed)
    return create_materialized_view_sql(kept, database, columns=listed)


def query_again(database: str, name: str, query: str, columns: tuple[ColumnForm, ...]) -> str:
    """The ALTER that gives a view a query, and in the same statement its columns their comments again."""
    return alter_table(qualified(database, name), modify_query(query), *_comments(columns), parentheses=True)


def _comments(columns: tuple[ColumnForm, ...]) -> list[str]:
    # MODIFY QUERY keeps none. The new query may not yield one of the columns any more.
    return [comment_column(quote_name(each.name), each.comment, if_exists=True) for each in columns if each.comment]


def comments_again(database: str, name: str, columns: tuple[ColumnForm, ...]) -> tuple[str, ...]:
    """The ALTER that gives the columns of a plain view their comments again; () where they have none. For a view of
    which nobody knows beforehand which columns it will have."""
    commands = _comments(columns)
    return (alter_table(qualified(database, name), *commands),) if commands else ()


def with_comments(fresh: tuple[ColumnForm, ...], stored: tuple[ColumnForm, ...]) -> tuple[ColumnForm, ...]:
    """Columns that a query yields, with the comments of those that the view stores now."""
    comments = {column.name: column.comment for column in stored}
    return tuple(replace(column, comment=comments.get(column.name, column.comment)) for column in fresh)


def form_keeping(item: View | MaterializedView, wanted: ViewForm, live: ViewForm) -> ViewForm:
    """The form of a view that is made as declared in place of the live one."""
    kept = keeping(item, live)
    return replace(
        wanted,
        comment=kept.comment or "",
        security=kept.security or "",
        columns=with_comments(wanted.columns, live.columns),
    )
