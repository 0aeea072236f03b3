"""Ctrl-C, and SIGTERM as what it is to those who run commands for others: the same, with an exit code of its own.

Python raises ``KeyboardInterrupt`` only when the running statement returns, which may take minutes with the engine
inside this process. The first Ctrl-C therefore says so at once, and the second ends the process: every statement may be
interrupted by a kill, the next run resumes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import types
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn, TypeAlias

from typing_extensions import Self

INTERRUPTED = 130
TERMINATED = 143
GRACE = 0.5


class Terminated(KeyboardInterrupt):
    """What SIGTERM and SIGHUP are here: a Ctrl-C of somebody who has no keyboard."""


def _terminate(number: int, frame: types.FrameType | None) -> NoReturn:
    raise Terminated


Handler: TypeAlias = Callable[[int, types.FrameType | None], object] | int | None
# The second is what a terminal sends that is closed. (Windows has none.)
_TERMINATING = tuple(signal.Signals[name] for name in ("SIGTERM", "SIGHUP") if name in signal.Signals.__members__)
_ENDING = frozenset({int(signal.SIGINT), *map(int, _TERMINATING)})


class Interrupts:
    """A context manager for the main thread. ``waiting`` is called where a signal had no effect within half a second,
    ``leaving`` with the exit code before a second one ends the process."""

    def __init__(self, waiting: Callable[[], object], leaving: Callable[[int], object]) -> None:
        self._waiting = waiting
        self._leaving = leaving
        self._ended = threading.Event()
        self._former = -1
        self._handlers: dict[signal.Signals, Handler] = {}
        self._pair: tuple[socket.socket, socket.socket] | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            receiver, sender = socket.socketpair()
            sender.setblocking(False)
            # The C-level handler writes here at once, while the Python-level one waits for the main thread.
            self._former = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
            self._pair = (receiver, sender)
            # Whoever has it ignored, or handles it by a handler of another language (None), knows why.
            found: dict[signal.Signals, Handler] = {each: signal.getsignal(each) for each in _TERMINATING}
            self._handlers = {each: was for each, was in found.items() if was is not None and was != signal.SIG_IGN}
            for each in self._handlers:
                signal.signal(each, _terminate)
            threading.Thread(target=self._watch, args=(receiver,), name="aaiclick-interrupts", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._pair is not None:
            for each, was in self._handlers.items():
                signal.signal(each, was)
            signal.set_wakeup_fd(self._former)
            _, sender = self._pair
            sender.close()  # the watcher reads the end of the stream, and closes its own side
            self._pair = None

    def _watch(self, receiver: socket.socket) -> None:
        warned = False
        with receiver:
            while received := receiver.recv(64):
                if not _ENDING.intersection(received):
                    continue
                if warned:
                    code = TERMINATED if set(_TERMINATING).intersection(received) else INTERRUPTED
                    self._leaving(code)
                    # Not sys.exit, which would end this thread alone: the main thread waits for its statement.
                    os._exit(code)
                warned = True
                if not self._ended.wait(GRACE):
                    self._forget(receiver)
                    self._waiting()

    @staticmethod
    def _forget(receiver: socket.socket) -> None:
        """Several presses in one burst are one: nobody has read the sentence about the second one yet."""
        receiver.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            receiver.recv(4096)
        receiver.setblocking(True)
