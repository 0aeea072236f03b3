"""Turns the engines of live tables into declarations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aaiclick.catalog.forms import Settings, TableForm
from aaiclick.catalog.normalize import DEFAULT_REPLICAS, as_declared, key_elements, replica_literals
from aaiclick.errors import UnsupportedObjectError
from aaiclick.specs.columns import SettingValue
from aaiclick.specs.engines import (
    AggregatingMergeTree,
    AnyEngine,
    CoalescingMergeTree,
    CollapsingMergeTree,
    Engine,
    GraphiteMergeTree,
    MergeTree,
    ReplacingMergeTree,
    SummingMergeTree,
    VersionedCollapsingMergeTree,
)
from aaiclick.sql.quoting import quote_string
from aaiclick.sql.tokens import Tokens, unquote

if TYPE_CHECKING:
    from aaiclick.specs.engine_fields import EngineFields, KeyFields

_INTEGER = re.compile(r"-?[0-9]+\Z")
_FLOAT = re.compile(r"-?[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?\Z")


def reflect_engine(form: TableForm) -> AnyEngine:
    """The engine of a form in normal form. Raises ``UnsupportedObjectError`` where its arguments or settings cannot be
    declared."""
    settings = setting_values(form.name, form.settings)
    if not form.merge_tree:
        if form.sample_by or form.ttl:
            raise UnsupportedObjectError(
                form.name, f"the sampling key and the TTL of a {form.engine} table cannot be declared"
            )
        fields: EngineFields = {"settings": settings}
        if form.partition_by:
            fields["partition_by"] = _key(form.partition_by)
        if form.primary_key:
            fields["primary_key"] = _key(form.primary_key)
        if form.order_by:
            fields["order_by"] = _key(form.order_by)
        return Engine(form.engine, form.arguments, **fields)
    replicated, family, arguments = _replication(form)
    keys: KeyFields = {
        "order_by": _key(form.order_by),
        "partition_by": _key(form.partition_by) or None,
        "primary_key": _key(form.primary_key) or None,
        "sample_by": form.sample_by or None,
        "ttl": form.ttl or None,
        "settings": settings,
    }
    if replicated is not None:
        keys["replicated"] = replicated
    return _family(form.name, family, arguments, keys)


def _family(table: str, family: str, arguments: list[str], keys: KeyFields) -> MergeTree:
    match family, len(arguments):
        case "MergeTree", 0:
            return MergeTree(**keys)
        case "AggregatingMergeTree", 0:
            return AggregatingMergeTree(**keys)
        case "ReplacingMergeTree", 0 | 1 | 2:
            names = [*(_name(table, argument) for argument in arguments), None, None]
            return ReplacingMergeTree(version=names[0], is_deleted=names[1], **keys)
        case "SummingMergeTree", 0 | 1:
            return SummingMergeTree(columns=_names(table, arguments), **keys)
        case "CoalescingMergeTree", 0 | 1:
            return CoalescingMergeTree(columns=_names(table, arguments), **keys)
        case "CollapsingMergeTree", 1:
            return CollapsingMergeTree(sign=_name(table, arguments[0]), **keys)
        case "VersionedCollapsingMergeTree", 2:
            return VersionedCollapsingMergeTree(
                sign=_name(table, arguments[0]), version=_name(table, arguments[1]), **keys
            )
        case "GraphiteMergeTree", 1 if arguments[0].startswith("'"):
            return GraphiteMergeTree(config=unquote(arguments[0]), **keys)
        case _:
            raise UnsupportedObjectError(table, f"the engine {family}({', '.join(arguments)}) cannot be declared")


def setting_values(owner: str, settings: Settings) -> dict[str, SettingValue]:
    """Settings as Python values. Raises ``UnsupportedObjectError`` for a value that cannot be declared."""
    values: dict[str, SettingValue] = {}
    for name, literal in settings:
        if _INTEGER.match(literal):
            values[name] = int(literal)
        elif _FLOAT.match(literal):
            values[name] = float(literal)
        elif literal.lower() in ("true", "false"):
            values[name] = literal.lower() == "true"
        elif literal.startswith("'") and len(Tokens(literal)) == 1:
            values[name] = unquote(literal)
        elif literal.startswith("disk(") and literal.endswith(")"):
            values[name] = literal
        else:
            raise UnsupportedObjectError(owner, f"the setting {name} = {literal} cannot be declared")
    return values


def _replication(form: TableForm) -> tuple[str | None, str, list[str]]:
    """Arguments of the Replicated variant (None: it is not replicated), name of the local engine, and its own
    arguments.

    A Shared engine is what ClickHouse Cloud makes of a plain one, so it counts as not replicated.
    """
    tokens = Tokens(form.arguments)
    arguments = [tokens.slice(*piece) for piece in tokens.split(0, len(tokens))]
    for prefix in ("Replicated", "Shared"):
        if form.engine.startswith(prefix):
            # Path and replica are string literals; what follows them are arguments of the engine itself.
            paths = 2 if len(arguments) > 1 and all(argument.startswith("'") for argument in arguments[:2]) else 0
            literals = as_declared(replica_literals(form.arguments)[0])
            written = "" if literals == DEFAULT_REPLICAS else ", ".join(map(quote_string, literals))
            replicated = written if prefix == "Replicated" else None
            return replicated, form.engine[len(prefix) :], arguments[paths:]
    return None, form.engine, arguments


def _key(text: str) -> list[str]:
    """A key part by part; a part that is just a column is its plain name."""
    return [_plain(element) for element in key_elements(text)]


def _plain(element: str) -> str:
    tokens = Tokens(element)
    return unquote(element) if len(tokens) == 1 and tokens.is_kind(0, "name") else element


def _names(table: str, arguments: list[str]) -> list[str]:
    return [_name(table, element) for argument in arguments for element in key_elements(argument)]


def _name(table: str, element: str) -> str:
    tokens = Tokens(element)
    if len(tokens) != 1 or not tokens.is_kind(0, "word", "name"):
        raise UnsupportedObjectError(table, f"the engine's argument {element} is no column's name")
    return unquote(element)
