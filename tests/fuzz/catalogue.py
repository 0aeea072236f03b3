"""What the catalogue says of two databases, read by the fuzzer itself."""

from __future__ import annotations

import re

from tests.fuzz.ground import Ground
from tests.fuzz.types import quoted, text

_BOOKKEEPING = {"_aaiclick_lease", "_aaiclick_journal"}
_TTL = re.compile(r" TTL (.*?)(?= SETTINGS |$)")
_SETTINGS = re.compile(r" SETTINGS (.*)$")
_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'")
_TAIL = re.compile(r" STATISTICS\([^)]*\)| SETTINGS \([^)]*\)| TTL .*?(?= SETTINGS |$)")


def described(ground: Ground, database: str, table: str) -> dict[str, str]:
    """Clauses of a table by name."""
    where = f"database = {text(database)} AND table = {text(table)}"
    engine, full, sort, primary, partition, sample, comment = ground.rows(
        "SELECT engine, engine_full, sorting_key, primary_key, partition_key, sampling_key, comment FROM system.tables"
        f" WHERE database = {text(database)} AND name = {text(table)}"
    )[0]
    found = {
        "engine": engine,
        "sort key": sort,
        "primary key": primary,
        "partition key": partition,
        "sampling key": sample,
        "comment": comment,
    }
    settings = _SETTINGS.search(full)
    found["settings"] = ", ".join(sorted(settings[1].split(", "))) if settings else ""
    ttl = _TTL.search(_SETTINGS.sub("", full))
    found["ttl"] = ttl[1] if ttl else ""
    found["arguments"] = full.partition(" ")[0]
    columns = ground.rows(
        "SELECT name, type, default_kind, default_expression, comment, compression_codec FROM system.columns WHERE "
        f"{where} ORDER BY position"
    )
    found.update({f"column {name}": " | ".join(_said(*rest)) for name, *rest in columns})
    (definition,) = ground.rows(
        f"SELECT create_table_query FROM system.tables WHERE database = {text(database)} AND name = {text(table)}"
    )[0]
    for name, *_ in columns:
        found[f"column {name}"] += f" | {_tail(definition, name)}"
    for name, kind, expr, granularity in ground.rows(
        f"SELECT name, type_full, expr, granularity FROM system.data_skipping_indices WHERE {where}"
    ):
        found[f"index {name}"] = f"{expr} {kind} {granularity}"
    for name, query in ground.rows(f"SELECT name, query FROM system.projections WHERE {where}"):
        found[f"projection {name}"] = query
    return found


def _said(type_text: str, kind: str, expression: str, *rest: str) -> tuple[str, ...]:
    """An EPHEMERAL column without a default gets that of its type, which is written as it was typed."""
    bare = kind == "EPHEMERAL" and expression.startswith("defaultValueOfTypeName(")
    return (type_text, kind, "" if bare else expression, *rest)


def _tail(definition: str, column: str) -> str:
    """Statistics, TTL and settings of a column, which stand behind everything else in its definition. Both are fields
    of an answer."""
    text_of, name = (re.sub(r"\\(.)", r"\1", field) for field in (definition, column))
    _, found, rest = text_of.partition(f"{quoted(name)} ")
    clauses = _TAIL.findall(_piece(_TEXT.sub("''", rest).replace("\\`", ""))) if found else []
    return " ".join(_in_order(clause) if clause.startswith(" SETTINGS (") else clause for clause in clauses)


def _in_order(settings: str) -> str:
    """Two settings in either order are the same."""
    return f" SETTINGS ({', '.join(sorted(settings.removeprefix(' SETTINGS (').removesuffix(')').split(', ')))})"


def _piece(rest: str) -> str:
    """Up to the comma or bracket that ends the column."""
    depth, inside = 0, False
    for place, letter in enumerate(rest):
        inside ^= letter == "`"
        if not inside:
            depth += (letter == "(") - (letter == ")")
            if depth < 0 or (letter == "," and not depth):
                return rest[:place]
    return rest


def form(ground: Ground, live: str, table: str, want: str) -> str:
    """How a live table differs from the one that was created directly, undeclared columns apart; '' where it does not."""
    here, there = described(ground, live, table), described(ground, want, table)
    order = [name for name in here if name in there and name.startswith("column ")]
    wanted = [name for name in there if name.startswith("column ")]
    found = [
        f"{name} is {here.get(name)!r}, should be {value!r}" for name, value in there.items() if here.get(name) != value
    ]
    found += [f"{name} is too much" for name in here if name not in there and not name.startswith("column ")]
    if not found and order != wanted:
        found.append(f"columns are in the order {order}, should be {wanted}")
    return f"{table}: {'; '.join(found)}" if found else ""


def left_behind(ground: Ground) -> list[str]:
    """Objects of a run that are still there."""
    databases = ground.rows("SELECT name FROM system.databases WHERE name LIKE '\\\\_aaiclick\\\\_%'")
    tables = ground.rows(
        f"SELECT name FROM system.tables WHERE database = {text(ground.live)} AND name LIKE '\\\\_aaiclick\\\\_%'"
    )
    return [*(f"database {name}" for (name,) in databases), *(f"table {name}" for (name,) in tables if not _kept(name))]


def _kept(name: str) -> bool:
    return name in _BOOKKEEPING
