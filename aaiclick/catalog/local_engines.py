"""What was released as replicated, as it is on one host where replicated tables are made of the local engine. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from aaiclick.catalog.forms import (
    Catalog,
    CollectionForm,
    DatabaseForm,
    DictionaryForm,
    FunctionForm,
    TableForm,
    ViewForm,
)
from aaiclick.catalog.normalize import inner_form
from aaiclick.catalog.render import engine_tail, local_engine

_REPLICATED = "Replicated"
ReleasedForm: TypeAlias = TableForm | ViewForm | DictionaryForm | FunctionForm | DatabaseForm | CollectionForm


def unreplicated(form: ReleasedForm, catalog: Catalog) -> ReleasedForm:
    """The form with the local engine in place of a replicated one; the same where the object is replicated in this
    database."""
    live = catalog.get(form.name)
    there = live.form if live is not None else None
    match form:
        case TableForm(engine=engine) if engine.startswith(_REPLICATED):
            return form if isinstance(there, TableForm) and there.engine.startswith(_REPLICATED) else local_engine(form)
        case ViewForm(inner=inner) if f"= {_REPLICATED}" in inner:
            if isinstance(there, ViewForm) and f"= {_REPLICATED}" in there.inner:
                return form
            return replace(form, inner=engine_tail(local_engine(inner_form(form))))
        case DatabaseForm(database_engine=engine) if engine.startswith(_REPLICATED):
            return form if catalog.database_engine == _REPLICATED else replace(form, database_engine="")
        case _:
            return form
