"""``python -m tests.plan.policy_page`` writes docs/policy.md from the hazards, the policies and ``aaiclick.allow``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path

from aaiclick.allow import GROUPS, Allow
from aaiclick.diff.hazards import MEANING

PAGE = Path(__file__).parent.parent.parent / "docs" / "policy.md"
HEAD = """# Policies, hazards, and what can be allowed by name

<!-- Written by `python -m tests.plan.policy_page`. -->

A policy says what may be done without asking. A hazard says what a step may do to rows, values, readers and writers. A key allows the hazard of one step by name. Each refusal names the
policy, where it was set, and the key that would allow the step.

## Which policy counts

The first of these:

1. an argument: `ensure_schema(..., policy=Policy.safe())`; on the command line `--policy`, else `policy` in the [configuration](configuration.md), else `lossless`
2. the environment variable `AAICLICK_SCHEMA_POLICY` (not on the command line): `check`, `safe`, `lossless`, `lossless(10GiB)` or `everything`
3. the default: `lossless` up to 1 GiB for each step on an embedded engine, `safe` on a server

| | `check` | `safe` | `lossless` | `everything` |
|---|---|---|---|---|
| changes of metadata alone | no | yes | yes | yes |
| copies, mutations and backfills that keep every row and value | no | no | yes, each up to `max_bytes` | yes |
| steps whose hazards have a key | no | by name | by name | yes |
| dropping a column that is no longer declared, filling an index that was added | no | by name | by name | yes |
| dropping a table, view or dictionary that is no longer declared | no | by name | by name | by name |

For a step that has to be done, a key permits the hazard, never the cost: under `safe` a copy stays refused even if its hazard is allowed. An optional step (dropping what is no longer
declared, `materialize`) is done whenever its key is given, except under `check`.

A key that is about nothing any version declares, or declared, does nothing, and a note says so with the key that was probably meant, in the plan and in the
report of a start that has something to look at. Keys stay where they are, such as in the code of an application: while nothing is there that they are about, a start with nothing to do is one query. A key that
has done its work may stay in the arguments of a job: `ensure_schema` says nothing of it, while `aaiclick plan` and `migrate` tell that no step asks for it. A first word that does not exist
is an error.

## Hazards

A hazard that has a key is refused until the key is given, whatever its kind; the plan shows it. What a migration itself decides (an expression that fills a column) has no key: it was
decided when the migration was written.

| hazard | what it means |
|---|---|
"""
KEYS = """
## What can be allowed by name

In Python a key is a text, or the result of a function of `aaiclick.allow`; on the command line it follows `--allow`:

```python
>>> from aaiclick import Policy
>>> from aaiclick.allow import drop_column
>>> policy = Policy.lossless().allow(drop_column("events", "props"), "drop-table old_events")
>>> sorted(policy.allowed)
['drop-column events.props', 'drop-table old_events']
>>> Policy.lossless().allow("drop-colum events.props")
Traceback (most recent call last):
aaiclick.errors.UsageError: 'drop-colum events.props' names no hazard: there is no 'drop-colum'; did you mean 'drop-column'?

```

```console
$ aaiclick migrate --allow 'drop-column events.props'
```
"""


def key_of(function: Callable[..., Allow]) -> str:
    """The key as a reader fills it in: ``drop-column TABLE.COLUMN``."""
    names = list(inspect.signature(function).parameters)
    key = function(*(name.upper() for name in names)).key
    # A TTL is that of the table, or of one of its columns; a key about a doubt has a mark.
    optional = [each for each in inspect.signature(function).parameters.values() if each.default is not each.empty]
    for each in optional:
        key = re.sub(rf"[.#]{each.name.upper()}\Z", r"[\g<0>]", key)
    return key


def meaning(function: Callable[..., Allow]) -> str:
    """What it allows, as Markdown."""
    return " ".join((function.__doc__ or "").split()).replace("``", "`")


def page() -> str:
    """The whole page."""
    lines = [HEAD.rstrip("\n")]
    for kind, words in MEANING.items():
        lines.append(f"| `{kind}` | {words} |")
    lines.append(KEYS.rstrip("\n"))
    for heading, functions in GROUPS:
        lines += ["", f"### {heading}", "", "| key | what it allows |", "|---|---|"]
        lines += [f"| `{key_of(function)}` | {meaning(function)} |" for function in functions]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
