"""Canonical forms in a record, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from pydantic import TypeAdapter, ValidationError

from aaiclick.catalog.forms import Form
from aaiclick.catalog.secrets import hidden_form


@cache
def _forms() -> TypeAdapter[dict[str, Form]]:
    # Built on first use: a start with nothing to do has none.
    return TypeAdapter(dict[str, Form])


def dump_forms(forms: Mapping[str, Form]) -> str:
    """Canonical forms as JSON, for the record, without secrets."""
    hidden = {name: hidden_form(form) for name, form in sorted(forms.items())}
    return _forms().dump_json(hidden, exclude_defaults=True).decode()


def load_forms(recorded: str) -> dict[str, Form]:
    """What ``dump_forms`` wrote; empty where a later release wrote something else."""
    try:
        return _forms().validate_json(recorded) if recorded else {}
    except ValidationError:
        return {}
