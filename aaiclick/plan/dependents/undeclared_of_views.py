"""What nobody declares of a view, and what therefore stays where it is made anew: its comment, as whom it reads, and
the comments of its columns."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar, cast

from aaiclick.catalog.forms import ColumnForm, ViewForm
from aaiclick.catalog.render import column_form_sql
from aaiclick.specs.ddl import create_materialized_view_sql, create_view_sql
from aaiclick.specs.views import MaterializedView, View
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
    # The new query may not yield one of them any more.
    return [comment_column(quote_name(each.name), each.comment, if_exists=True) for each in columns if each.comment]


def comments_again(database: str, name: str, columns: tuple[ColumnForm, ...]) -> tuple[str, ...]:
    """The ALTER that gives the columns of a view their comments again; () where they have none.

    Neither ``CREATE`` without a list of columns nor ``MODIFY QUERY`` keeps them, and none can be declared.
    """
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
