"""Runs the function of a migration: in a thread, or as a task of the event loop where function and client are async.

The function sends requests, and the driver answers them. So its statements use the same connection, under the same
lease, as all others.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
import queue
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from aaiclick.errors import UsageError
from aaiclick.routine import Reply, Row, Rows
from aaiclick.specs.moves import Bookmark, MoveResult, Values
from aaiclick.specs.schema import Schema
from aaiclick.sql.quoting import qualified

Ask: TypeAlias = Callable[[Row], Rows]
AskAsync: TypeAlias = Callable[[Row], Coroutine[object, object, Rows]]
_WAITING: Rows = (("waiting",),)
_DONE: Rows = (("done",),)


class Stopped(BaseException):
    """Raised inside the function where its run is over. It is no ``Exception``, so that the function does not catch it
    by accident."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the function's context tells beside its client."""

    database: str
    """The migrated database."""
    version: int
    """The version of the migration."""
    before: Schema
    """The live tables when the function is called."""
    after: Schema
    """The declared schema."""
    bookmark: str = "null"
    """The last bookmark, as JSON."""
    attempt: int = 1
    """1 for the first call of the function; more where an earlier call did not end."""


class MoveFunction:
    """A ``MigrationFunction`` of the routine for ``function(context)``."""

    def __init__(self, function: Callable[..., object], facts: Facts) -> None:
        self._function = function
        self._facts = facts
        call = getattr(function, "__call__", None)  # noqa: B004 - an object may have an async one
        self._asynchronous = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
        self._worker: _Thread | _Task | None = None
        self._asked = False

    def step(self, reply: Reply, seconds: float, /) -> Rows:
        """For a sync driver: pass a reply on, and wait up to ``seconds`` for the next request."""
        if self._worker is None:
            self._worker = _Thread(self._in_thread)
        assert isinstance(self._worker, _Thread)
        rows = self._worker.step(reply if self._asked else None, self._asked, seconds)
        self._asked = rows not in (_WAITING, _DONE)
        return rows

    async def step_async(self, reply: Reply, seconds: float, /) -> Rows:
        """The same for an async driver. An async function runs on its loop, a sync one in a thread."""
        if self._worker is None:
            self._worker = _Task(self._in_task) if self._asynchronous else _Thread(self._in_thread)
        worker, asked = self._worker, self._asked
        if isinstance(worker, _Task):
            rows = await worker.step(reply, asked, seconds)
        else:
            rows = await asyncio.to_thread(worker.step, reply, asked, seconds)
        self._asked = rows not in (_WAITING, _DONE)
        return rows

    def abandon(self) -> None:
        """Make the function's next request raise ``Stopped``."""
        if self._worker is not None:
            self._worker.abandon()

    def _in_thread(self, ask: Ask) -> None:
        if self._asynchronous:

            async def within() -> None:
                # Tasks of the function may ask at the same time, but the connection takes one statement after the
                # other.
                lock = asyncio.Lock()

                async def ask_async(request: Row) -> Rows:
                    async with lock:
                        return await asyncio.to_thread(ask, request)

                await cast("Callable[[object], asyncio.Future[object]]", self._function)(
                    AsyncContext(self._facts, ask_async)
                )

            asyncio.run(within())
            return
        answer = self._function(Context(self._facts, ask))
        if inspect.isawaitable(answer):
            close = getattr(answer, "close", None)
            # Closed, or Python warns of a coroutine that was never awaited.
            if close is not None:
                close()
            raise UsageError("the function gave an awaitable: declare it with async def")

    async def _in_task(self, ask: AskAsync) -> None:
        await cast("Callable[[object], asyncio.Future[object]]", self._function)(AsyncContext(self._facts, ask))


class _Thread:
    """The function in a thread; requests and replies take turns."""

    def __init__(self, body: Callable[[Ask], None]) -> None:
        self._requests: queue.SimpleQueue[Rows | BaseException] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[Reply | Stopped] = queue.SimpleQueue()
        self._turn = threading.Lock()
        self._over = False
        context = contextvars.copy_context()
        # A daemon thread: a function that does not return must not keep the process alive.
        self._thread = threading.Thread(
            target=lambda: context.run(self._run, body), name="aaiclick-migration", daemon=True
        )
        self._thread.start()

    def step(self, reply: Reply, asked: bool, seconds: float) -> Rows:
        if asked:
            self._replies.put(reply)
        try:
            # With an end: the driver looks after the lease in between, however long the function computes.
            request = self._requests.get(timeout=seconds)
        except queue.Empty:
            return _WAITING
        if isinstance(request, BaseException):
            raise request
        return request

    def abandon(self) -> None:
        # Both: a function that waits for a reply gets this one, one that is at work finds out at its next request.
        self._over = True
        self._replies.put(Stopped())

    def _run(self, body: Callable[[Ask], None]) -> None:
        try:
            body(self._ask)
        except Stopped:
            pass
        except BaseException as error:
            # Whatever it is: kept in this thread, it would leave the driver waiting for a request that never comes.
            self._requests.put(error)
        else:
            self._requests.put(_DONE)

    def _ask(self, request: Row) -> Rows:
        # One request at a time: the next reply is the one to it.
        with self._turn:
            if self._over:
                raise Stopped
            self._requests.put((request,))
            reply = self._replies.get()
        if isinstance(reply, BaseException):
            raise reply
        return reply or ()


class _Task:
    """The function as a task of the driver's event loop."""

    def __init__(self, body: Callable[[AskAsync], Coroutine[object, object, None]]) -> None:
        self._requests: asyncio.Queue[Rows] = asyncio.Queue()
        self._replies: asyncio.Queue[Reply] = asyncio.Queue()
        self._turn = asyncio.Lock()
        self._task = asyncio.ensure_future(body(self._ask))

    async def step(self, reply: Reply, asked: bool, seconds: float) -> Rows:
        if asked:
            self._replies.put_nowait(reply)
        request = asyncio.ensure_future(self._requests.get())
        try:
            waited: set[asyncio.Future[object]] = {
                cast("asyncio.Future[object]", request),
                cast("asyncio.Future[object]", self._task),
            }
            await asyncio.wait(waited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if request.done():
                return request.result()
        finally:
            # StepDuration back: a get() that nobody waits for any more would swallow the next request.
            request.cancel()
        if self._task.done():
            self._task.result()
            return _DONE
        return _WAITING

    def abandon(self) -> None:
        self._task.cancel()

    async def _ask(self, request: Row) -> Rows:
        async with self._turn:
            self._requests.put_nowait((request,))
            reply = await self._replies.get()
        if isinstance(reply, Exception):
            raise reply
        return reply or ()


@dataclass(frozen=True, slots=True)
class _Shared:
    facts: Facts
    _bookmark: list[Bookmark] = field(init=False, default_factory=list["Bookmark"])

    @property
    def database(self) -> str:
        return self.facts.database

    @property
    def version(self) -> int:
        return self.facts.version

    @property
    def before(self) -> Schema:
        return self.facts.before

    @property
    def after(self) -> Schema:
        return self.facts.after

    @property
    def bookmark(self) -> Bookmark:
        return self._bookmark[-1] if self._bookmark else cast("Bookmark", json.loads(self.facts.bookmark))

    @property
    def attempt(self) -> int:
        return self.facts.attempt

    def table(self, name: str) -> str:
        return qualified(self.facts.database, name)


class Context(_Shared):
    """``MoveContext``; it is its own client."""

    __slots__ = ("_ask",)

    def __init__(self, facts: Facts, ask: Ask) -> None:
        super().__init__(facts)
        object.__setattr__(self, "_ask", ask)

    @property
    def client(self) -> Context:
        return self

    def command(self, sql: str, parameters: Values | None = None, settings: Values | None = None) -> None:
        self._send(_request("command", sql, parameters, settings))

    def query(self, sql: str, parameters: Values | None = None, settings: Values | None = None) -> MoveResult:
        return MoveResult(self._send(_request("query", sql, parameters, settings)))

    def set_bookmark(self, value: Bookmark) -> None:
        self._send(("bookmark", _json(value)))
        self._bookmark.append(value)

    def progress(self, done: int, total: int) -> None:
        self._send(("progress", int(done), int(total)))

    def _send(self, request: Row) -> Rows:
        return cast("Ask", object.__getattribute__(self, "_ask"))(request)


class AsyncContext(_Shared):
    """``AsyncMoveContext``; it is its own client."""

    __slots__ = ("_ask",)

    def __init__(self, facts: Facts, ask: object) -> None:
        super().__init__(facts)
        object.__setattr__(self, "_ask", ask)

    @property
    def client(self) -> AsyncContext:
        return self

    async def command(self, sql: str, parameters: Values | None = None, settings: Values | None = None) -> None:
        await self._send(_request("command", sql, parameters, settings))

    async def query(self, sql: str, parameters: Values | None = None, settings: Values | None = None) -> MoveResult:
        return MoveResult(await self._send(_request("query", sql, parameters, settings)))

    async def set_bookmark(self, value: Bookmark) -> None:
        await self._send(("bookmark", _json(value)))
        self._bookmark.append(value)

    async def progress(self, done: int, total: int) -> None:
        await self._send(("progress", int(done), int(total)))

    async def _send(self, request: Row) -> Rows:
        return await cast("AskAsync", object.__getattribute__(self, "_ask"))(request)


def _request(
    kind: str, sql: str, parameters: Mapping[str, str | int] | None, settings: Mapping[str, str | int] | None
) -> Row:
    return (kind, sql, _json(dict(parameters or {})), _json(dict(settings or {})))


def _json(value: object) -> str:
    return json.dumps(value, allow_nan=False)
