"""What a command was called with, and what follows for it: configuration, database, policy and schema."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from aaiclick.cli import calls
from aaiclick.cli.configuration.settings import ENVIRONMENT, FLAG, Settings, load
from aaiclick.cli.configuration.unconfigured import NOWHERE, require_oplog
from aaiclick.cli.database import DatabaseTarget, local_url, resolve
from aaiclick.cli.output import Output
from aaiclick.cli.schema_reference import DEFAULT, load_schema
from aaiclick.cli.streams import silence_engine
from aaiclick.errors import AaiclickError, UsageError

if TYPE_CHECKING:
    from aaiclick.plan.policy import Policy
    from aaiclick.specs.schema import Schema

_OF_MANY = ("migrate", "status")
"""Commands that take a pattern of databases."""


@dataclass(slots=True)
class Invocation:
    """A command with the options that it was called with."""

    command: str
    """Name of the command."""
    as_json: bool
    """The answer is a JSON document (``--json``)."""
    debug: bool
    """Tracebacks and log records are shown (``--debug``)."""
    url: str | None = None
    """``--url``; None: as configured."""
    given_database: str | None = None
    """``--database``; None: as configured."""
    schema: str | None = None
    """``--schema``, as module:attribute; None: as configured."""
    env: str | None = None
    """``--env``; None: as the environment says."""
    policy: str | None = None
    """``--policy``; None: as configured."""
    keep_old: str | None = None
    """``--keep-old``; None: as configured."""
    progress: str = "auto"
    """``--progress``."""
    extra: tuple[tuple[str, str | None], ...] = ()
    """The command's own options with their values, for the line that calls it again."""
    flags: tuple[str, ...] = ()
    """Its own flags, for the same."""
    values: tuple[str, ...] = ()
    """Each ``--var``, as NAME=VALUE."""
    approved: str | None = None
    """The file of the approved plan (``--plan``), or of the one that is to be approved (``--out``)."""
    output: Output = field(init=False)
    """Where the answer and the messages go."""
    _target: DatabaseTarget | None = field(init=False, default=None)
    """The database that was asked for, once it is known."""
    _settings: Settings | None = field(init=False, default=None)
    """What is configured, once it was looked for."""

    @property
    def settings(self) -> Settings:
        """What is in force, and where it comes from. Raises ``UsageError``."""
        if self._settings is None:
            given = {
                "schema": self.schema,
                "url": self.url,
                "database": self.given_database,
                "policy": self.policy,
                "keep-old": self.keep_old,
            }
            self._settings = load(given, self.env, os.environ, working_directory(), self.values)
        return self._settings

    @property
    def database(self) -> str | None:
        """The database to work in; None: the one of the URL, or the connection's own. Raises ``UsageError``."""
        found = self.settings.database()
        return found.text if found is not None else None

    def default_url(self) -> str:
        """The database where nothing says another. Raises ``UsageError``."""
        return local_url(os.environ, Path.home())

    def target(self) -> DatabaseTarget:
        """The database that was asked for. Raises ``UsageError``."""
        if self._target is None:
            self._require_one()
            url = self.settings.url()
            self._target = resolve(url.text if url is not None else None, os.environ, Path.home())
            if note := self.settings.overruled():
                self.output.tell(f"note: {note}", "yellow")
            if self._target.embedded and not self.debug:
                silence_engine()
        return self._target

    def _require_one(self) -> None:
        found = self.settings.database()
        if found is not None and self.command not in _OF_MANY and ("*" in found.text or "?" in found.text):
            raise UsageError(
                f"{found.origin} {found.text!r}: a pattern is only for {' and '.join(_OF_MANY)}. Name one database, "
                f"and run {self.command} for each"
            )

    def chosen_policy(self, allow: Sequence[str]) -> Policy:
        """What this run may do. Raises ``UsageError``."""
        try:
            return calls.policy(self.settings.value("policy"), allow, self.settings.value("keep-old"))
        except UsageError as error:
            told = self.settings.as_written("keep-old", self.settings.as_written("policy", str(error)))
            raise UsageError(told) from None

    def kept_for(self) -> timedelta:
        """How long old tables are kept. Raises ``UsageError``."""
        try:
            return calls.kept_for(self.settings.value("keep-old"))
        except UsageError as error:
            raise UsageError(self.settings.as_written("keep-old", str(error))) from None

    def declared(self, to: int | None = None) -> Schema:
        """The schema that was asked for; ``to``: as that version was released. Where nothing says it, the oplog: in a
        database that is empty, or the oplog's. Raises ``UsageError``."""
        schema = self._declared()
        return schema if to is None or to == schema.version else calls.until(schema, to)

    def _declared(self) -> Schema:
        schema = self._configured()
        if schema is None:
            schema = self._given(load_schema(DEFAULT), strict=False)
            target = self.target()
            if not target.missing:
                require_oplog(target.url, schema, self.database, self.command)
        return schema

    def declared_in_files(self) -> Schema:
        """The schema that was asked for, where no database says whether it may be the oplog. Raises ``UsageError``."""
        schema = self._configured()
        if schema is None:
            raise UsageError(f"nothing says which schema is meant: {NOWHERE}")
        return schema

    def declared_or_oplog(self, *, telling: bool = True) -> Schema:
        """The schema that was asked for, else the oplog; ``telling``: and a note that it is that. Raises
        ``UsageError``."""
        schema = self._configured()
        if schema is None:
            schema = self._given(load_schema(DEFAULT), strict=False)
            if telling:
                said = f"note: this is the {schema.name} of aaiclick itself. For another schema {NOWHERE}"
                self.output.tell(said, "yellow")
        return schema

    def _configured(self) -> Schema | None:
        said = self.settings.value("schema")
        if said is None:
            return None
        file = self.settings.file
        if said.level < ENVIRONMENT or file is None:
            found = load_schema(said.text, said.origin, (Path.cwd(), *((file.folder,) if file is not None else ())))
            return self._given(found, strict=False)
        return self._given(load_schema(said.text, f"schema in {said.origin}", (file.folder,)), strict=True)

    def _given(self, schema: Schema, strict: bool) -> Schema:
        """The schema with the values that the configuration has for its variables. ``strict``: the configuration is
        about this schema, so a value for what it does not have is an error."""
        known = {variable.name: variable for variable in schema.variables}
        values: dict[str, int | str] = {}
        for name, value in self.settings.values().items():
            if name in known:
                try:
                    values[name] = known[name].read(value.text, value.origin)
                except AaiclickError as error:
                    raise UsageError(self.settings.as_written(f"variables.{name}", str(error))) from None
            elif strict or value.level == FLAG:
                there = f"it has {', '.join(known)}" if known else "it has none"
                place = f"--var {name}" if value.level == FLAG else f"variables.{name} in {value.origin}"
                raise UsageError(f"{place}: {schema.name} has no such variable ({there})")
        return (schema.given(**values) if values else schema).resolved(os.environ)


def working_directory() -> Path:
    """The directory of this process. Raises ``UsageError`` where it was removed meanwhile."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise UsageError("the working directory is gone: change to one that is there") from None
