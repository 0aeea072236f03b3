"""A row of ``schema_version``: one transition of a schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

State: TypeAlias = Literal["applied", "adopted", "rolled back", "failed"]

Space: TypeAlias = Literal["", "function", "named collection", "database"]
"""What may have the same name and is another object: '' tables, views and dictionaries, which share their names."""


@dataclass(frozen=True, slots=True)
class Record:
    """One transition of one schema."""

    schema: str
    """Its name."""
    version: int | None
    """After the transition; None: developed without versions. A failed one changes no version: this is what was aimed
    at."""
    state: State
    """How it came about."""
    spec: str
    """Fingerprint of the declaration."""
    objects: str
    """Digest of the live objects after it."""
    forms: str
    """Canonical form of each object, JSON."""
    plan: str
    """What was carried out, JSON; '' where nothing was."""
    who: str
    """``user@host pid``."""
    seconds: float
    """How long it took."""
    library: str
    """Version of aaiclick."""
    migrations: str = ""
    """Checksums of the migrations, JSON."""
    oldest_code: int | None = None
    """The oldest version of the code that can run on the result; None: only that of ``version``."""
    from_version: int | None = None
    """Before the transition; None: none was recorded."""
    server: str = ""
    """Version of the server; filled in by it."""
    seq: int = 0
    """Counts the transitions of the database; filled in by the server."""
    at: int = 0
    """When it ended, Unix milliseconds; filled in by the server."""
    generation: int = 0
    """``seq`` of the last record that opened one, as ``read_latest`` finds it (0: none did). A rollback does, and so
    does ``aaiclick adopt``: what was converted before it is converted again by whoever goes forward again."""


@dataclass(frozen=True, slots=True)
class Claim:
    """An object that a schema has recorded: its name is one of those of ``space``."""

    schema: str
    """Name of the schema."""
    version: int | None
    """The schema's last recorded version; None: developed without versions."""
    name: str
    """Name of the object."""
    space: Space
    """What kind of name that is."""
    first: int
    """``seq`` of the first record that holds it."""
    present: bool
    """Whether the schema's last record holds it."""


def opens_generation(record: Record) -> bool:
    """What ``_OPENS`` says in SQL."""
    return record.state == "rolled back" or (record.state == "adopted" and '"adopted"' in record.plan)


def is_forced(record: Record) -> bool:
    """Whether an adoption was recorded against what the tables said."""
    return _told(record).get("forced") is True


def against(record: Record) -> tuple[str, ...]:
    """What an adoption was recorded against."""
    listed = _told(record).get("differences")
    return tuple(str(word) for word in cast("list[object]", listed)) if isinstance(listed, list) else ()


def ledger_of_record(record: Record) -> dict[str, str]:
    """The ledger of another tool that an adoption took the database over from: ``tool``, ``table`` and ``version``;
    empty where there was none."""
    found = _told(record).get("ledger")
    return (
        {str(key): str(value) for key, value in cast("dict[str, object]", found).items()}
        if isinstance(found, dict)
        else {}
    )


def _told(record: Record) -> dict[str, object]:
    try:
        told: object = json.loads(record.plan) if record.state == "adopted" and record.plan else {}
    except ValueError:
        return {}
    return cast("dict[str, object]", told) if isinstance(told, dict) else {}
