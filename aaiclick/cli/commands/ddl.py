"""``aaiclick ddl``."""

from __future__ import annotations

from aaiclick.cli.failures import ExitCode
from aaiclick.cli.frame import Frame
from aaiclick.cli.options import Debug, Env, Given, Json, Names, Reference


def ddl(
    *,
    json: Json = False,
    database: Names = None,
    schema: Reference = None,
    env: Env = None,
    var: Given = None,
    debug: Debug = False,
) -> None:
    """Print the declared schema as SQL.

    CREATE statements in an order in which they can be run, with the secrets that are declared; values of named
    collections have to be put in. Needs no database.

    Exit code 0, or 2 where the schema cannot be imported.
    """
    frame = Frame("ddl", json, debug, None, database, schema, env, values=tuple(var or ()))
    frame.run(lambda: _ddl(frame))


def _ddl(frame: Frame) -> ExitCode:
    declared = frame.declared_or_oplog()
    from aaiclick.cli.text.create import create_statements
    from aaiclick.sql.quoting import quote_name
    from aaiclick.sql.secrets import without_secrets

    statements = create_statements(declared, frame.given_database)
    named = {item.name for item in declared.named_collections}
    secret = [item.object for item in statements if item.object not in named and without_secrets(item.sql) != item.sql]
    if named:
        listed = ", ".join(sorted(named))
        frame.output.tell(f"note: values of named collections are not printed, put them in: {listed}", "yellow")
    if secret:
        frame.output.tell(f"note: secrets are printed as they are declared: {', '.join(secret)}", "yellow")
    if frame.as_json:
        printed = [{"object": item.object, "kind": item.kind, "sql": item.sql} for item in statements if item.sql]
        frame.output.result({"schema": declared.name, "version": declared.version, "statements": printed})
        return ExitCode.DONE
    head = f"-- {declared.name} {declared.version_label}"
    texts = [
        f"{item.sql};" if item.sql else f"-- {item.kind} {item.object}: made at run time, never created here"
        for item in statements
    ]
    # Names inside a query are looked up in the current database.
    use = [f"USE {quote_name(frame.given_database)};"] if frame.given_database is not None else []
    frame.output.sql("\n\n".join([head, *use, *texts]))
    return ExitCode.DONE
