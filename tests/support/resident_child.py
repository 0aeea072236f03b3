"""A process that carries out one call of the command line after the other: ``python -m tests.support.resident_child``.

Each line on its input asks for a call, each line that it writes is the answer. What a call would find in a process of
its own is there for each: its directory first in ``sys.path``, its environment and nothing else, modules of that directory
as they are on the disk now. Only the library and the engine's code stay loaded.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any


def called(arguments: list[str]) -> int:
    from aaiclick.cli.main import main

    return main(arguments)


def ran(script: str) -> int:
    exec(compile(script, "<page>", "exec"), {"__name__": "__main__"})
    return 0


def ended(do: Callable[[], int]) -> int:
    """The exit code, as the interpreter would have it."""
    try:
        return do()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1


def carried_out(asked: dict[str, Any]) -> dict[str, Any]:
    before, paths, variables, loaded = os.getcwd(), list(sys.path), dict(os.environ), set(sys.modules)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["variables"])
    sys.path.insert(0, asked["folder"])
    importlib.invalidate_caches()
    said, complained = io.StringIO(), io.StringIO()
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = said, complained
    try:
        code = ended(lambda: called(asked["arguments"]) if "arguments" in asked else ran(asked["script"]))
    finally:
        sys.stdout, sys.stderr = streams
        for name in set(sys.modules) - loaded:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(asked["folder"]):
                del sys.modules[name]
        sys.path[:] = paths
        os.chdir(before)
        os.environ.clear()
        os.environ.update(variables)
        gc.collect()  # what a process that ends would have given free: the directory of the engine
    return {"code": code, "stdout": said.getvalue(), "stderr": complained.getvalue()}


def main() -> None:
    # What the engine writes by itself goes nowhere, as `aaiclick` sends it.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    asked = os.fdopen(os.dup(0), encoding="utf-8")
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    sys.dont_write_bytecode = True  # a page changes a module within the second that its bytecode goes by
    for line in asked:
        answers.write(json.dumps(carried_out(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
