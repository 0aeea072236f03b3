"""Functions of the product whose result depends on their arguments alone: what they answered once they answer again.

Thousands of schedules read the same few definitions, comments and plans, and most of a schedule's time went there. No
routine is among them, nothing that asks the server, and nothing that draws: so a schedule is the same with it and
without.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import Any

import pytest

from aaiclick.catalog import fingerprint, render, secrets
from aaiclick.catalog.parse import create
from aaiclick.clickhouse import parts
from aaiclick.lease import lock
from aaiclick.plan import seal
from aaiclick.sql import hex_text, quoting
from aaiclick.versions import history

Function = Callable[..., Any]
MOST = 1 << 14
BY_VALUE: tuple[tuple[ModuleType, str], ...] = (
    (create, "split_create"),
    (fingerprint, "_portable"),
    (hex_text, "hexed"),
    (lock, "parse_holder"),
    (parts, "_part"),
    (quoting, "quote_name"),
    (quoting, "quote_string"),
    (seal, "plan_seal"),
)
BY_IDENTITY: tuple[tuple[ModuleType, str], ...] = (
    (history, "read_history"),
    (render, "form_sql"),
    (render, "statement"),
    (render, "has_hidden"),
    (secrets, "hidden_form"),
    (secrets, "hidden_texts"),
)
"""By the first argument, which is frozen and slow to hash, as the object that it is; the others by value."""


def by_identity(function: Function) -> Function:
    # The argument is kept beside the answer, so that no other one gets its id.
    known: dict[tuple[object, ...], tuple[object, object]] = {}

    def remembered(first: object, *others: object) -> object:
        key = (id(first), *others)
        found = known.get(key)
        if found is None:
            if len(known) >= MOST:
                known.clear()
            found = known[key] = (first, function(first, *others))
        return found[1]

    return remembered


_MADE: list[tuple[Function, Function]] = []


def _made() -> list[tuple[Function, Function]]:
    if not _MADE:
        for module, name in BY_VALUE:
            function: Function = getattr(module, name)
            _MADE.append((function, lru_cache(maxsize=MOST)(function)))
        for module, name in BY_IDENTITY:
            function = getattr(module, name)
            _MADE.append((function, by_identity(function)))
    return _MADE


def remember(patch: pytest.MonkeyPatch) -> None:
    """In every module that has one of them."""
    made = {id(function): remembered for function, remembered in _made()}
    for module in list(sys.modules.values()):
        if not module.__name__.startswith("aaiclick."):
            continue
        for name, value in list(vars(module).items()):
            if id(value) in made:
                patch.setattr(module, name, made[id(value)])
