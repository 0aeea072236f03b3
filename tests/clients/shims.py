"""Clients as embedding applications write them: awaitable, duck-typed, each with its own habits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ArrowResult:
    def __init__(self, rows: list[tuple[Any, ...]], names: list[str]) -> None:
        self.result_rows = rows
        self.column_names = names


class BlockingChdbClient:
    """Coroutines over a chdb Session that never really wait: settings become a SETTINGS clause, parameters go out
    unescaped, results come back through Arrow (no rows: no columns), ``command`` guesses at numbers. ``calls`` records
    every text."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.calls: list[str] = []

    def _text(self, query: str, settings: Mapping[str, Any] | None) -> str:
        clause = ", ".join(f"{name} = {value!r}" for name, value in (settings or {}).items())
        text = f"{query} SETTINGS {clause}" if clause else query
        self.calls.append(text)
        return text

    async def command(
        self, query: str, settings: Mapping[str, Any] | None = None, parameters: Mapping[str, Any] | None = None
    ) -> object:
        answer = self.session.query(self._text(query, settings), "TabSeparated", params=dict(parameters or {}))
        body = answer.bytes().decode().rstrip("\n")
        return int(body) if body.isdigit() else body

    async def query(
        self, query: str, settings: Mapping[str, Any] | None = None, parameters: Mapping[str, Any] | None = None
    ) -> ArrowResult:
        table = self.session.query(self._text(query, settings), "ArrowTable", params=dict(parameters or {}))
        if table.num_rows == 0:
            return ArrowResult([], [])
        columns = [column.to_pylist() for column in table.columns]
        return ArrowResult([tuple(row) for row in zip(*columns, strict=True)], table.column_names)

    async def close(self) -> None:
        raise AssertionError("a client that was handed in must not be closed")


class LazyClient:
    """Opens another client on the first call and passes everything on by keyword."""

    def __init__(self, opener: Any) -> None:
        self._opener = opener
        self.inner: Any = None

    async def _client(self) -> Any:
        if self.inner is None:
            self.inner = await self._opener()
        return self.inner

    async def command(
        self, query: str, settings: Mapping[str, Any] | None = None, parameters: Mapping[str, Any] | None = None
    ) -> object:
        return await (await self._client()).command(query, settings=settings, parameters=parameters)

    async def query(
        self, query: str, settings: Mapping[str, Any] | None = None, parameters: Mapping[str, Any] | None = None
    ) -> Any:
        return await (await self._client()).query(query, settings=settings, parameters=parameters)

    async def close(self) -> None:
        raise AssertionError("a client that was handed in must not be closed")


class ClauseClient(LazyClient):
    """A client to a server that appends settings to the text, as ``BlockingChdbClient`` does."""

    async def command(
        self, query: str, settings: Mapping[str, Any] | None = None, parameters: Mapping[str, Any] | None = None
    ) -> object:
        return await super().command(_appended(query, settings), None, parameters)

    async def query(
        self, query: str, settings: Mapping[str, Any] | None = None, parameters: Mapping[str, Any] | None = None
    ) -> Any:
        return await super().query(_appended(query, settings), None, parameters)


class DeafClient(LazyClient):
    """Takes settings and forgets them."""

    async def command(
        self, query: str, settings: Mapping[str, Any] | None = None, parameters: Mapping[str, Any] | None = None
    ) -> object:
        return await super().command(query, None, parameters)

    async def query(
        self, query: str, settings: Mapping[str, Any] | None = None, parameters: Mapping[str, Any] | None = None
    ) -> Any:
        return await super().query(query, None, parameters)


class HomeboundClient(LazyClient):
    """Sends settings, but stays in its database."""

    async def command(
        self, query: str, settings: Mapping[str, Any] | None = None, parameters: Mapping[str, Any] | None = None
    ) -> object:
        return await super().command(query, _without_database(settings), parameters)

    async def query(
        self, query: str, settings: Mapping[str, Any] | None = None, parameters: Mapping[str, Any] | None = None
    ) -> Any:
        return await super().query(query, _without_database(settings), parameters)


def _without_database(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (settings or {}).items() if name != "database"}


def _appended(query: str, settings: Mapping[str, Any] | None) -> str:
    clause = ", ".join(f"{name} = {value!r}" for name, value in (settings or {}).items())
    return f"{query} SETTINGS {clause}" if clause else query
