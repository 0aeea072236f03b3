"""Makes different spellings of the same definition equal, where the engine keeps them apart. Everything else is
compared as it stands.

- A key ``k``, ``(k)`` and ``tuple(k)``; ``(a, b)`` and ``tuple(a, b)``; ``tuple()`` is no key.
- A primary key that equals the sort key is left out.
- ``n.x`` and `` `n.x` `` in a key or an index, where a column has that name.
- Parentheses around the whole of an index expression, constraint, default or TTL.
- An EPHEMERAL without a value: the first ALTER makes the engine write the default of its type.
- The order of settings; ``true`` and 1; a number in quotes or with a point.
- ``table_readonly``, which this library sets and takes away; it is no part of a definition.
- Path and replica of a Replicated engine, where they are what servers have by default, are left out.

An empty COMMENT is absent in the form already.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from functools import lru_cache

from aaiclick.catalog.forms import (
    CollectionForm,
    ColumnForm,
    ConstraintForm,
    DatabaseForm,
    DictionaryForm,
    Form,
    FunctionForm,
    IndexForm,
    Settings,
    TableForm,
    UnsupportedForm,
    ViewForm,
)
from aaiclick.catalog.parse.engine import read_engine, table_form
from aaiclick.catalog.render import engine_tail
from aaiclick.sql.cursor import Cursor
from aaiclick.sql.quoting import quote_name, quote_string
from aaiclick.sql.tokens import Tokens, grouped, identifier, split_top, unquote

FENCE_SETTINGS = frozenset({"table_readonly"})
_INTEGER = re.compile(r"-?[0-9]+\Z")
_FLOAT = re.compile(r"-?[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?\Z")
_NUMBER = re.compile(r"(U?Int\d+|B?Float\d+|Bool|Decimal)\b")
_SIMPLE_LAYOUT = re.compile(r"(SPARSE_HASHED|HASHED_ARRAY|HASHED|RANGE_HASHED|SSD_CACHE|CACHE|DIRECT)\b")
_MACRO = re.compile(r"(\{\w+\})")
DEFAULT_REPLICAS = ("/clickhouse/tables/{uuid}/{shard}", "{replica}")
"""Path and replica of a replicated table, as servers have them by default."""
_COPIED = re.compile(r"_aai_(?:[0-9a-z]+|<run>)\Z")
_SWITCH = {"true": "1", "false": "0"}


def normal(form: TableForm) -> TableForm:
    """The form that all equal definitions have. It is still a definition that the engine accepts."""
    dotted = frozenset(column.name for column in form.columns if "." in column.name)
    order_by = normal_key(_whole_names(form.order_by, dotted))
    primary_key = normal_key(_whole_names(form.primary_key, dotted))
    return dataclasses.replace(
        form,
        # The server keeps the parentheses of SummingMergeTree((k)) as they were written.
        arguments=_arguments(form),
        columns=tuple(normal_column(column) for column in form.columns),
        indexes=tuple(normal_index(index, dotted) for index in form.indexes),
        constraints=tuple(ConstraintForm(entry.name, entry.kind, bare(entry.expression)) for entry in form.constraints),
        partition_by=normal_key(_whole_names(form.partition_by, dotted)),
        # MODIFY ORDER BY makes the old primary key explicit. Where it equals the sort key it has no effect.
        primary_key="" if primary_key == order_by else primary_key,
        order_by=order_by,
        sample_by=bare(form.sample_by),
        ttl=normal_list(form.ttl),
        # The server keeps settings in the order and spelling in which they were given.
        settings=normal_settings(form.settings),
        # Its keys are in the fields above, so both ways to write one table are equal.
        old_syntax="",
    )


def normal_form(form: Form) -> Form:
    """``normal`` for any object. An unsupported one equals only itself."""
    match form:
        case TableForm():
            return normal(form)
        case ViewForm():
            columns = tuple(normal_column(column) for column in form.columns)
            return dataclasses.replace(
                form, columns=columns, inner=engine_tail(normal(inner_form(form))) if form.inner else ""
            )
        case DictionaryForm():
            return dataclasses.replace(form, clauses=tuple(sorted(_with_layout_of_key(form))))
        case FunctionForm() | DatabaseForm() | CollectionForm() | UnsupportedForm():
            return form


def _with_layout_of_key(form: DictionaryForm) -> Iterator[tuple[str, str]]:
    """The clauses, with the layout that the server makes of a simple one where the key is not a single number."""
    types = {column.name: column.type for column in form.columns}
    keys = [types.get(unquote(key), "") for key in key_elements(dict(form.clauses).get("PRIMARY KEY", ""))]
    complex_key = len(keys) > 1 or not all(map(_NUMBER.match, keys))
    for word, text in form.clauses:
        simple = word == "LAYOUT" and _SIMPLE_LAYOUT.match(text) is not None
        yield word, f"COMPLEX_KEY_{text}" if simple and complex_key else text


def inner_form(view: ViewForm) -> TableForm:
    """The inner table of a materialized view: its engine, keys and settings, with the view's columns."""
    return dataclasses.replace(table_form(view.name, read_engine(Cursor(Tokens(view.inner)))), columns=view.columns)


def normal_column(column: ColumnForm) -> ColumnForm:
    """A column without needless parentheses, and with its settings sorted."""
    expression, ttl, settings = bare(column.expression), bare(column.ttl), normal_settings(column.settings)
    # The server writes this where EPHEMERAL was declared without an expression.
    if column.kind == "EPHEMERAL" and expression == f"defaultValueOfTypeName({quote_string(column.type)})":
        expression = ""
    if (expression, ttl, settings) == (column.expression, column.ttl, column.settings):
        return column
    return dataclasses.replace(column, expression=expression, ttl=ttl, settings=settings)


def normal_index(index: IndexForm, dotted: frozenset[str] = frozenset()) -> IndexForm:
    """An index without needless parentheses. ``dotted``: columns with a dot in their names."""
    return dataclasses.replace(
        index, expression=normal_key(_whole_names(index.expression, dotted)), granularity=index.granularity or "1"
    )


def without_direction(element: str) -> str:
    """The expression of an element of a sort key: ``k`` for ``k DESC``."""
    return element.removesuffix(" DESC").removesuffix(" ASC")


@lru_cache(maxsize=8192)
def key_elements(text: str) -> tuple[str, ...]:
    """The expressions of a key one by one; none for ``tuple()``."""
    tokens = Tokens(text)
    start, end = 0, len(tokens)
    while True:
        called = tokens.is_word(start, "TUPLE") and tokens.match.get(start + 1) == end - 1
        if called or (
            tokens.is_op(start, "(") and tokens.match.get(start) == end - 1 and not _query(tokens, start + 1)
        ):
            start, end = start + 1 + called, end - 1
            pieces = tokens.split(start, end)
            # ((k)) is one key in several pairs of parentheses; a tuple ends the search.
            if len(pieces) == 1 and not called:
                continue
            return tuple(bare(tokens.slice(*piece)) for piece in pieces)
        return (tokens.slice(start, end),) if end > start else ()


def normal_key(text: str) -> str:
    """A key as ``a``, as ``(a, b)``, or '' for none."""
    elements = key_elements(text)
    return f"({', '.join(elements)})" if len(elements) > 1 else "".join(elements)


def bare(text: str) -> str:
    """An expression without parentheses around the whole of it. A tuple and a subquery keep theirs."""
    while text.startswith("("):
        tokens = Tokens(text)
        if not grouped(tokens) or len(tokens.split(1, len(tokens) - 1)) != 1 or _query(tokens, 1):
            return text
        text = tokens.slice(1, len(tokens) - 1)
    return text


def normal_list(text: str) -> str:
    """``bare`` for each element of a list."""
    if "(" not in text:
        return text
    tokens = Tokens(text)
    return ", ".join(bare(tokens.slice(*piece)) for piece in tokens.split(0, len(tokens)))


def normal_settings(settings: Settings) -> Settings:
    """Settings sorted by name, with their values in one spelling."""
    return tuple(sorted((name, normal_value(value)) for name, value in settings if name not in FENCE_SETTINGS))


def normal_value(value: str) -> str:
    """``true`` is 1, ``'10'`` is 10, ``1000.`` is 1000; anything else as it stands."""
    plain = unquote(value)
    if plain.lower() in _SWITCH:
        return _SWITCH[plain.lower()]
    if _INTEGER.match(plain):
        return str(int(plain))
    if _FLOAT.match(plain):
        number = float(plain)
        return str(int(number)) if number.is_integer() else repr(number)
    return _disk(value) if value.startswith("disk(") else value


def replica_literals(arguments: str) -> tuple[tuple[str, ...], str]:
    """Path and replica in the arguments of a Replicated engine, unquoted, and the arguments that are the engine's own.
    None of the two where they are left to the server."""
    pieces = split_top(arguments) if arguments else []
    if len(pieces) < 2 or not all(piece.startswith("'") for piece in pieces[:2]):
        return (), ", ".join(pieces)
    return tuple(unquote(piece) for piece in pieces[:2]), ", ".join(pieces[2:])


def as_declared(literals: tuple[str, ...]) -> tuple[str, ...]:
    """Path and replica without what a copy has put behind the path."""
    return tuple(_COPIED.sub("", literal) for literal in literals)


def arguments_beside(form: TableForm, run: str) -> str:
    """The arguments of a Replicated engine for a new table beside the one that has these: the default path, and one
    with ``{uuid}``, is another one for each table; any other gets an end of its own."""
    arguments = normal(form).arguments
    literals, own = replica_literals(arguments)
    if not literals or "{uuid}" in literals[0]:
        return arguments
    path, replica = as_declared(literals)
    return ", ".join(part for part in (quote_string(f"{path}_aai_{run}"), quote_string(replica), own) if part)


def same_replicas(declared: tuple[str, ...], live: tuple[str, ...]) -> bool:
    """Whether a live path and replica are those that are declared: what is not declared is the server's, and macros may
    be expanded."""
    if not declared:
        return True
    live = as_declared(live)
    if len(declared) != len(live):
        return False
    return all(_expands(wanted, found) for wanted, found in zip(declared, live, strict=True))


def arguments_as_live(declared: TableForm, live: TableForm) -> str:
    """The arguments of the engine, with path and replica as the live table has them where that is what is declared."""
    if declared.engine != live.engine or not declared.engine.startswith("Replicated"):
        return declared.arguments
    (wanted, own), (found, _) = replica_literals(declared.arguments), replica_literals(live.arguments)
    if not same_replicas(wanted, found):
        return declared.arguments
    return ", ".join(part for part in (*(quote_string(literal) for literal in found), own) if part)


def inner_as_live(view: ViewForm, live: ViewForm) -> ViewForm:
    """The same for the table that a materialized view owns."""
    if not view.inner or not live.inner:
        return view
    own = inner_form(view)
    arguments = arguments_as_live(own, inner_form(live))
    return dataclasses.replace(view, inner=engine_tail(dataclasses.replace(own, arguments=arguments)))


def _expands(wanted: str, found: str) -> bool:
    # Every second piece is a macro: it stands there as it is, or with its value, which is one piece of the path.
    pattern = "".join(
        f"(?:{re.escape(piece)}|[^/]+)" if place % 2 else re.escape(piece)
        for place, piece in enumerate(_MACRO.split(wanted))
    )
    return re.fullmatch(pattern, found) is not None


_NAMED = {
    "Buffer": range(2),
    "Distributed": range(3),
    "Executable": range(1, 2),
    "ExecutablePool": range(1, 2),
    "File": range(1),
    "Merge": range(1),
    "URL": range(1, 3),
}
"""Arguments that may be written as names. The server keeps them as strings."""


def _named(engine: str, arguments: str) -> str:
    if engine not in _NAMED or not arguments:
        return arguments
    pieces = list(split_top(arguments))
    for place in _NAMED[engine]:
        tokens = Tokens(pieces[place]) if place < len(pieces) else Tokens("")
        if len(tokens) == 1 and tokens.items[0].kind in ("word", "name"):
            pieces[place] = quote_string(unquote(tokens.items[0].text))
    return ", ".join(pieces)


def _arguments(form: TableForm) -> str:
    """``SummingMergeTree((k))`` is ``SummingMergeTree(k)``, ``ReplicatedMergeTree(<default path>, <default name>)`` is
    ``ReplicatedMergeTree``."""
    if form.engine.startswith("Replicated") and form.merge_tree:
        literals, own = replica_literals(form.arguments)
        arguments = own if literals == DEFAULT_REPLICAS else form.arguments
        form = dataclasses.replace(form, arguments=arguments)
    if not form.engine.endswith(("SummingMergeTree", "CoalescingMergeTree")) or "(" not in form.arguments:
        return _named(form.engine, form.arguments)
    return ", ".join(normal_key(piece) if piece.startswith("(") else piece for piece in split_top(form.arguments))


def _disk(text: str) -> str:
    """A disk described in place, spaced as the engine does."""
    spaced = {"=": " = ", ",": ", "}
    return "".join(
        spaced.get(token.text, token.text) if token.kind == "op" else token.text for token in Tokens(text).items
    )


def _whole_names(text: str, dotted: frozenset[str]) -> str:
    """``n.x`` as one quoted name where a column is called so."""
    if not dotted or "." not in text:
        return text
    tokens = Tokens(text)
    pieces, copied, position = list[str](), 0, 0
    while position < len(tokens):
        parts, behind = identifier(tokens, position)
        joined = ".".join(parts)
        if len(parts) > 1 and joined in dotted:
            pieces += [text[copied : tokens.items[position].start], quote_name(joined)]
            copied = tokens.items[behind - 1].end
        position = max(behind, position + 1)
    return "".join([*pieces, text[copied:]])


def _query(tokens: Tokens, position: int) -> bool:
    """Whether a query stands in the parenthesis that is opened before the position. A column that is called ``with`` is
    printed without quotes, by some releases one that is called ``select``, too: nothing of a query stands behind it."""
    if tokens.is_op(position + 1, ",") or tokens.is_op(position + 1, ")"):
        return False
    if not tokens.is_word(position, "WITH"):
        return tokens.is_word(position, "SELECT")
    end = tokens.match.get(position - 1, len(tokens))
    while position < end and not tokens.is_word(position, "SELECT"):
        position = tokens.match.get(position, position) + 1
    return position < end
