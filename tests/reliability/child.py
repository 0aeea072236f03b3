"""What a test starts to kill: ``python -m tests.reliability.child <case> <url> <database> [<lease seconds>]``.

Says ``ready``, waits for a line, and then says what it does: ``work`` and ``rest`` with the machine's clock around what it does under the
lease, ``done`` with the number of steps and the seconds, or the error.
"""

from __future__ import annotations

import sys
import time
from functools import partial

from aaiclick import Policy, ensure_schema
from aaiclick.api import flow
from aaiclick.errors import AaiclickError
from aaiclick.events import Event, Note, PlanReady
from tests.reliability.large import CASES


def tell(event: Event) -> None:
    """Only what the tests look at."""
    if isinstance(event, PlanReady):
        print(f"work {time.monotonic()}", flush=True)
    elif isinstance(event, Note):
        print(f"note {event.text}", flush=True)


def main() -> int:
    """Bring the database of a case to its target."""
    case, url, database, *lease = sys.argv[1:]
    if lease:
        flow.acquire = partial(flow.acquire, lease_seconds=float(lease[0]))  # type: ignore[assignment]
    print("ready", flush=True)
    sys.stdin.readline()
    begun = time.monotonic()
    try:
        report = ensure_schema(url, CASES[case].target, policy=Policy.lossless().allow(*CASES[case].allow), database=database, on_event=tell)
    except AaiclickError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        return 2
    print(f"rest {time.monotonic()}", flush=True)
    print(f"done {len(report.steps)} {time.monotonic() - begun:.3f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
