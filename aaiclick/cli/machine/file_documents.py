"""JSON answers of the commands that are about files: revision, check, ddl, config."""

from __future__ import annotations

from typing_extensions import TypedDict


class RevisionDocument(TypedDict):
    """What ``revision`` prints where it wrote what there was to write."""

    schema: str
    """Name of the schema."""
    version: int
    """The released version."""
    files: list[str]
    """The files that were written; none where everything was up to date."""
    changes: list[str]
    """What is different from the version before, in words."""


class UndecidedDocument(TypedDict):
    """What ``revision`` prints where a decision is needed (exit code 1)."""

    schema: str
    """Name of the schema."""
    version: int | None
    """The declared version."""
    undecided: list[str]
    """What has to be decided, each with how."""


class CheckDocument(TypedDict):
    """What ``check`` prints."""

    schema: str
    """Name of the schema."""
    version: int | None
    """The declared version."""
    released: int | None
    """The newest released version; null: none."""
    problems: list[str]
    """What does not agree, each with what to do."""


class StatementDocument(TypedDict):
    """The statement that creates one declared object."""

    object: str
    """Name of the object."""
    kind: str
    """'table', 'view', 'dictionary', ..."""
    sql: str
    """The statement, without a semicolon."""


class DdlDocument(TypedDict):
    """What ``ddl`` prints."""

    schema: str
    """Name of the schema."""
    version: int | None
    """The declared version."""
    statements: list[StatementDocument]
    """Each behind those that it refers to."""


SettingDocument = TypedDict(
    "SettingDocument",
    {"value": "str | None", "from": str, "problem": "str | None"},
)
"""One setting: what counts, where it is said, and what is wrong with it."""


HookSettingDocument = TypedDict("HookSettingDocument", {"command": "list[str]", "from": str})
"""A hook: its program with its arguments, and where it is said."""


class ConfigDocument(TypedDict):
    """What ``config`` prints."""

    file: str | None
    """The configuration file; null: there is none."""
    env: str | None
    """The environment that is chosen; null: none."""
    environments: list[str]
    """The environments of the file."""
    settings: dict[str, SettingDocument]
    """Each setting by its name."""
    hooks: dict[str, HookSettingDocument]
    """Each hook that would be run, by its event."""
    notes: list[str]
    """What else a reader should know."""
