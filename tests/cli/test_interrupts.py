"""Ctrl-C while a statement runs that hears no signal, as one of the embedded engine does."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from aaiclick.cli.interrupts import Interrupts

# Waiting for a mutex is like a statement of the engine: other threads run, and no signal ends it. A line on stdin does.
BUSY = """
import ctypes, sys, threading
from aaiclick.cli import calls
from aaiclick.cli.main import main

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
    process = subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert next_line(process) == "busy"
    return process


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline().rstrip("\n")


def test_the_first_is_answered_at_once_and_ends_the_run_after_the_statement() -> None:
    with start() as process:
        process.send_signal(signal.SIGINT)
        assert next_line(process) == "stopping when the running statement has ended (Ctrl-C again stops at once; the next run resumes)"
        out, err = process.communicate("the statement is done\n")
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines() == ["interrupted. Nothing is lost: the next run resumes", "run: aaiclick migrate --url chdb://memory"]


def test_the_second_ends_the_process() -> None:
    with start() as process:
        process.send_signal(signal.SIGINT)
        assert next_line(process).startswith("stopping when")
        process.send_signal(signal.SIGINT)
        assert next_line(process) == "interrupted. Nothing is lost: the next run resumes"
        assert process.wait() == 130  # nobody has written to stdin: the statement still runs


def test_signals_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    with Interrupts(lambda: calls.append("waiting"), lambda: calls.append("leaving")):
        during = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(during)
        assert during != before
    after = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(after)
    assert after == before
    assert calls == []


def test_outside_the_main_thread_it_does_nothing() -> None:
    failures: list[BaseException] = []

    def elsewhere() -> None:
        try:
            with Interrupts(lambda: None, lambda: None):
                pass
        except ValueError as error:
            failures.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert failures == []
