"""A declaration with its SQL read, where no database is at hand."""

from __future__ import annotations

from aaiclick.api.located import locate
from aaiclick.catalog.from_sql.declarations import read_sql
from aaiclick.clients.temporary_engine import temporary_engine
from aaiclick.errors import SpecError
from aaiclick.routine import run
from aaiclick.specs.schema import Schema


def read_declaration(schema: Schema) -> Schema:
    """The schema with its SQL read by an embedded engine in another process; the very same schema where it has none.

    Raises ``SpecError`` where the engine does not take the SQL, ``ConnectionFailed`` where no engine can be started.
    """
    if not schema.declared_as_sql:
        return schema
    with temporary_engine() as engine:
        try:
            return run(read_sql(schema), engine)
        except SpecError as error:
            locate(error, schema)
            raise
