"""The JSON Schema of everything that is written for other programs, made from the types that it is written by.

Nothing of it is imported when a command runs: ``python -m tests.cli.make_schemas`` writes docs/schemas/.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import cast, get_args

from pydantic import TypeAdapter
from typing_extensions import is_typeddict

from aaiclick.cli.graph import documents as g
from aaiclick.cli.hooks import facts as h
from aaiclick.cli.machine import documents as d
from aaiclick.cli.machine import file_documents as f
from aaiclick.cli.machine import tenant_documents as t
from aaiclick.cli.machine.lines import FORMAT, Ended, Failed, Said, TenantDone, Trace
from aaiclick.diff.hazards import Hazard
from aaiclick.events import Event
from aaiclick.plan.model import Plan, Step
from aaiclick.specs.schema import Schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DOCUMENTS: Mapping[str, object] = {
    "status": d.StatusDocument,
    "migrate": d.ReportDocument,
    "plan": Plan,
    "tenants-migrate": t.TenantsReportDocument,
    "tenants-plan": t.TenantsPlanDocument,
    "tenants-status": t.TenantsStatusDocument,
    "rollback": d.ReportDocument,
    "history": d.HistoryDocument,
    "adopt": d.AdoptedDocument | d.TakeOverDocument,
    "revision": f.RevisionDocument | f.UndecidedDocument,
    "check": f.CheckDocument,
    "reflect": Schema,
    "ddl": f.DdlDocument,
    "config": f.ConfigDocument,
    "prune": d.PrunedDocument,
    "graph": g.GraphDocument,
    "hook": h.HookDocument,
    "error": d.ErrorDocument,
}
"""Names of the published files, with what is printed: ``plan`` by ``plan`` and ``migrate --dry-run``, ``error`` by
every command; ``hook`` is what hooks read from their input."""
EVENTS: tuple[type, ...] = (*get_args(Event), Said, Trace, TenantDone, Failed, Ended)
"""Lines of ``--progress json``."""


def json_schemas() -> dict[str, dict[str, object]]:
    """Each schema by the name of its file."""
    _describe()
    found = {name: _schema(name, kind) for name, kind in DOCUMENTS.items()}
    return found | {"progress": _progress()}


def _describe() -> None:
    """The texts below the fields become descriptions. Plain classes are told that here, so that they need not know of
    pydantic."""
    said = cast(
        "Iterable[type[object]]",
        [each for module in (d, f, t, g, h) for each in vars(module).values() if isinstance(each, type)],
    )
    kinds: tuple[type[object], ...] = (*EVENTS, Hazard, Plan, Step, *said)
    for kind in kinds:
        if dataclasses.is_dataclass(kind) or is_typeddict(kind):
            type.__setattr__(kind, "__pydantic_config__", {"use_attribute_docstrings": True})


def _schema(name: str, kind: object) -> dict[str, object]:
    # What a reflected schema does not say is left out: only what has no default is always there.
    made = TypeAdapter(cast("type[object]", kind)).json_schema(mode="validation" if kind is Schema else "serialization")
    for part in (made, *made.get("$defs", {}).values()):
        _inherit(part)
        _name_engine(part)
        if part.get("additionalProperties") is False:
            del part["additionalProperties"]  # a later release may add a field
    return {"$schema": DIALECT, "$id": f"{name}.json", **made}


def _inherit(made: dict[str, dict[str, dict[str, object]]]) -> None:
    """The texts of fields that a document has from another one."""
    kind: object = getattr(d, str(made.get("title")), None)
    for base in getattr(kind, "__orig_bases__", ()):
        if isinstance(base, type) and is_typeddict(base):
            for name, field in TypeAdapter(base).json_schema(mode="serialization")["properties"].items():
                if "description" in field:
                    made["properties"][name].setdefault("description", field["description"])


def _name_engine(made: dict[str, dict[str, object] | list[str] | str]) -> None:
    """Engines of the MergeTree family say which one they are when they are written (``_with_engine``)."""
    fields, required = made.get("properties"), made.setdefault("required", [])
    if isinstance(fields, dict) and isinstance(required, list) and "replicated" in fields:
        made["properties"] = {"engine": {"const": made["title"], "description": "Name of the engine."}, **fields}
        required.insert(0, "engine")


def _progress() -> dict[str, object]:
    """One line of the stream: what every line has, and the fields of one of the events."""
    definitions: dict[str, object] = {}
    for kind in EVENTS:
        made = TypeAdapter(kind).json_schema(mode="serialization")
        head = {
            "format": {"const": FORMAT, "description": "Version of the stream."},
            "at": {"type": "string", "format": "date-time", "description": "When, UTC."},
            "event": {"const": kind.__name__, "description": "What happened."},
        }
        made["properties"] = {**head, **made["properties"]}
        made["required"] = [*head, *made.get("required", [])]
        definitions[kind.__name__] = made
    choice = [{"$ref": f"#/$defs/{kind.__name__}"} for kind in EVENTS]
    return {
        "$schema": DIALECT,
        "$id": "progress.json",
        "title": "A line of --progress json",
        "oneOf": choice,
        "$defs": definitions,
    }
