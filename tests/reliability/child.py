"""What a test starts to kill: ``python -m tests.reliability.child <case> <url> <database> [<lease seconds>]``.

Says ``ready``, waits for a line, and then says what it does: ``work`` and ``rest`` with the machine's clock around what
it does under the lease, ``chunk`` with the rows that are copied when a chunk was filled, ``done`` with the number of
steps and the seconds, or the error. ``AAICLICK_TEST_CHUNK_ROWS`` makes chunks smaller than they are.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial

from aaiclick import Policy, ensure_schema
from aaiclick.apply.run import ApplyOptions
from aaiclick.commands import migrate, session
from aaiclick.errors import AaiclickError
from aaiclick.events import Event, Note, PlanReady, Progress
from aaiclick.lease.acquire import acquire
from tests.reliability.large import CASES


def say(line: str) -> None:
    """At once: whoever reads it may be about to kill this process."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


COPIED: list[int] = []
"""What each report on the copy said; the first one says what was there when it began."""


def tell(event: Event) -> None:
    """Only what the tests look at."""
    if isinstance(event, PlanReady):
        say(f"work {time.monotonic()}")
    elif isinstance(event, Note):
        say(f"note {event.text}")
    elif isinstance(event, Progress) and event.phase == "copy":
        if COPIED and event.done > COPIED[-1]:
            say(f"chunk {event.done}")
        COPIED.append(event.done)


def main() -> int:
    """Bring the database of a case to its target."""
    case, url, database, *lease = sys.argv[1:]
    if lease:
        vars(session)["acquire"] = partial(acquire, lease_seconds=float(lease[0]))
    if "AAICLICK_TEST_CHUNK_ROWS" in os.environ:
        vars(migrate)["ApplyOptions"] = partial(ApplyOptions, chunk_rows=int(os.environ["AAICLICK_TEST_CHUNK_ROWS"]))
    say("ready")
    sys.stdin.readline()
    begun = time.monotonic()
    try:
        report = ensure_schema(
            url,
            CASES[case].target,
            policy=Policy.lossless().allow(*CASES[case].allow),
            database=database,
            on_event=tell,
        )
    except AaiclickError as error:
        say(f"{type(error).__name__}: {error}")
        return 2
    say(f"rest {time.monotonic()}")
    say(f"done {len(report.steps)} {time.monotonic() - begun:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
