"""Ctrl-C and SIGTERM while a statement runs that hears no signal, as one of the embedded engine does."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from aaiclick.cli.interrupts import Interrupts

# Waiting for a mutex is like a statement of the engine: other threads run, and no signal ends it. A line on stdin does.
BUSY = """
import ctypes, signal, sys, threading
from aaiclick.cli import calls
from aaiclick.cli.main import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell started in the background ignores it
threads = ctypes.CDLL(None)
mutex = ctypes.create_string_buffer(256)
threads.pthread_mutex_init(mutex, None)

def release():
    print("busy", file=sys.stderr, flush=True)
    sys.stdin.readline()
    threads.pthread_mutex_unlock(mutex)

def busy(*_):
    threading.Timer(0.2, release).start()
    threads.pthread_mutex_lock(mutex)
    threads.pthread_mutex_lock(mutex)

calls.ensure = busy
sys.exit(main(["migrate", "--url", "chdb://memory"]))
"""


def start() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert next_line(process) == "busy"
    return process


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline().rstrip("\n")


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_is_answered_at_once_and_ends_the_run_after_the_statement(sent: signal.Signals, code: int) -> None:
    with start() as process:
        process.send_signal(sent)
        assert (
            next_line(process)
            == "stopping when the running statement has ended (Ctrl-C again stops at once; the next run resumes)"
        )
        out, err = process.communicate("the statement is done\n")
    assert process.returncode == code
    assert out == ""
    assert err.splitlines() == [
        "interrupted. Nothing is lost: the next run resumes",
        "run: aaiclick migrate --url chdb://memory",
    ]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_ends_the_process(sent: signal.Signals, code: int) -> None:
    with start() as process:
        process.send_signal(sent)
        assert next_line(process).startswith("stopping when")
        process.send_signal(sent)
        assert next_line(process) == "interrupted. Nothing is lost: the next run resumes"
        assert process.wait() == code  # nobody has written to stdin: the statement still runs


def test_signals_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    term = signal.getsignal(signal.SIGTERM)
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    with Interrupts(lambda: calls.append("waiting"), lambda code: calls.append(f"leaving {code}")):
        during = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(during)
        assert during != before
        assert signal.getsignal(signal.SIGTERM) != term
    after = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(after)
    assert after == before
    assert signal.getsignal(signal.SIGTERM) == term
    assert calls == []


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    former = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Interrupts(lambda: None, lambda _: None):
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, former)


def test_outside_the_main_thread_it_does_nothing() -> None:
    failures: list[BaseException] = []

    def elsewhere() -> None:
        try:
            with Interrupts(lambda: None, lambda _: None):
                pass
        except ValueError as error:
            failures.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert failures == []
