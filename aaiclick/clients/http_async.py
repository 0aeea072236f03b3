"""A server over HTTP, through clickhouse-connect's ``AsyncClient``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from aaiclick.clients.answers import decode_rows, format_of
from aaiclick.clients.connect import (
    ConnectAsyncClient,
    Settings,
    SettingsFilter,
    command_settings,
    failure,
    identity_of,
    in_session,
    named_parameters,
    query_settings,
)
from aaiclick.clients.settings import changed_of, engine_defaults, read_changed_settings, without_refused
from aaiclick.errors import OutcomeUnknownError
from aaiclick.routine import Command, Query, run_async

T = TypeVar("T")


class HttpAsyncConnection:
    """``HttpConnection`` for an async client. It belongs to the event loop in which the client was created."""

    def __init__(self, client: ConnectAsyncClient, defaults: Settings | None = None) -> None:
        self._client = client
        self._defaults = defaults
        self._filter = SettingsFilter(client)
        self._identity = identity_of(client)

    @property
    def embedded(self) -> bool:
        return False

    @property
    def identity(self) -> str:
        return self._identity

    async def query(self, effect: Query, /) -> tuple[tuple[object, ...], ...]:
        parameters, own = named_parameters(effect), effect.database is None
        body = await self._send(
            effect.sql,
            query_settings(effect),
            lambda settings: self._client.raw_query(effect.sql, parameters, settings, format_of(effect.sql), own),
            reading=True,
            bare=effect.bare,
        )
        try:
            return decode_rows(body)
        # Once the first bytes are out, a server that fails can only break off its answer.
        except ValueError as error:
            raise OutcomeUnknownError(
                f"the answer of {self._identity} was cut off. Run again", 0, "", effect.sql
            ) from error

    async def command(self, effect: Command, /) -> None:
        parameters = named_parameters(effect)
        own_database = effect.database is None
        await self._send(
            effect.sql,
            command_settings(effect),
            lambda settings: self._client.command(effect.sql, parameters, settings=settings, use_database=own_database),
            reading=False,
        )

    def sibling(self) -> HttpAsyncConnection | None:
        """A second connection for work beside a long statement; None for a client with a session."""
        return None if in_session(self._client) else HttpAsyncConnection(self._client, self._defaults)

    async def close(self) -> None:
        """Does nothing: the client was given, so it stays open."""

    async def _engine_defaults(self) -> Settings:
        if self._defaults is None:
            self._defaults = engine_defaults(changed_of(await run_async(read_changed_settings(), self)))
        return self._defaults

    async def _send(
        self,
        sql: str,
        settings: Mapping[str, str | int],
        call: Callable[[Settings], Awaitable[T]],
        *,
        reading: bool,
        bare: bool = False,
    ) -> T:
        # Ends, because each turn leaves out one more setting.
        while True:
            # ``bare`` is the question for these defaults: they are not known yet.
            defaults = {} if bare else await self._engine_defaults()
            sent = self._filter.request({**defaults, **settings}, reading=reading)
            try:
                return await call(sent)
            except Exception as error:
                translated = failure(error, sql, self._client)
                if not self._filter.learns_from(translated, sent) and not without_refused(
                    translated, defaults, settings
                ):
                    raise translated from error
