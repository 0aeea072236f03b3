"""Starts of code that runs on another release of this library: ``python released_child.py <library> <project> <url>``.

Reads lines ``<golden case> <database>`` and answers each with what a start of version 1 of that case did: ``ok`` with
its steps, or the error.
"""

from __future__ import annotations

import importlib
import sys


def main() -> int:
    """The library first, then the project's tests, which hold the declarations."""
    library, project, url = sys.argv[1:4]
    sys.path[:0] = [library, project]
    import aaiclick

    assert aaiclick.__file__ is not None
    assert aaiclick.__file__.startswith(library), aaiclick.__file__
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        name, database = line.split()
        case = importlib.import_module(f"tests.migrations.golden.{name}.case")
        schema = aaiclick.Schema("s", version=1, objects=case.BEFORE)
        try:
            report = aaiclick.ensure_schema(url, schema, database=database, policy=aaiclick.Policy.safe())
            answer = f"ok {[step.id for step in report.steps]}"
        except aaiclick.errors.AaiclickError as error:
            answer = f"{type(error).__name__} {error}"
        sys.stdout.write(" ".join(answer.split()) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
